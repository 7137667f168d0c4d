"""Read from the path of a file, in the usual layouts, whether it is HR or LR, its scale, and its image name.

Known are flat folders, `HR` + `LR_bicubic/X4/babyx4.png` (EDSR, DIV2K), `GTmod12` + `LRbicx4` (BasicSR, folders and
LMDB), `image_SRF_4/img_001_SRF_4_HR.png` (SelfExSR), `HR/Set5/x4/baby_HR_x4.png` (RCAN) and BSDS500's tree.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from srbench.datasets.catalogue import CATALOGUE, DatasetEntry, known_images
from srbench.datasets.stores import LR_SCALES
from srbench.images import IMAGE_SUFFIXES

_SELFEXSR = re.compile(r"(?P<name>.+)_SRF_(?P<scale>\d)_(?P<role>HR|LR)")
_RCAN = re.compile(r"(?P<name>.+)_(?P<role>HR|LR(?:BI)?)_?x(?P<scale>\d)", re.IGNORECASE)
_OTHER_RESULT = re.compile(r".+_SRF_\d_.+|.+_LR(?:BD|DN)_?x\d", re.IGNORECASE)
_OTHER_LR = re.compile(r"LR[_-]?(?:unknown|mild|difficult|wild|BD|DN)", re.IGNORECASE)
_LR_FOLDER = re.compile(r"(?:^|[_-])LR(?:.*?x(?P<scale>\d))?", re.IGNORECASE)
_SCALE_FOLDER = re.compile(r"x(?P<scale>\d)", re.IGNORECASE)
_SCALED_NAME = re.compile(r"(?P<name>.+?)_?x(?P<scale>\d)", re.IGNORECASE)
_NUMBERED_LR = re.compile(r"\d{4}x\d")


@dataclass(frozen=True, slots=True)
class Role:
    """The role of a file: LR at a scale, or HR, where `scale` is the one that it was cropped for, or None."""

    is_lr: bool
    name: str
    scale: int | None


def role_of(path: PurePosixPath) -> Role | str:
    """Return the role of a file by its path in the imported folder, or the reason why it is left out."""
    if path.suffix.lower() not in IMAGE_SUFFIXES or path.name.startswith("."):
        return "not an image (png, jpg, bmp)"
    for pattern in (_SELFEXSR, _RCAN):
        if match := pattern.fullmatch(path.stem):
            return _checked(Role(match["role"].upper() != "HR", match["name"], int(match["scale"])))
    if _OTHER_RESULT.fullmatch(path.stem) or any(_OTHER_LR.search(part) for part in path.parts[:-1]):
        return "neither HR nor bicubic LR"
    return _checked(_role_by_folder(path))


def foreign_set(path: PurePosixPath, entry: DatasetEntry) -> str | None:
    """Return the name of a different dataset if this path is in its folder, else None."""
    folders = {part.lower() for part in path.parts[:-1]}
    for other in CATALOGUE.values():
        if other is not entry and folders & {other.name.lower(), *map(str.lower, other.aliases)}:
            return other.name
    return None


def canonical_name(entry: DatasetEntry, stem: str) -> str | None:
    """Return the canonical name for a file stem (`img_001` of SelfExSR is `baby` of Set5), or None."""
    known = [image.name for image in known_images(entry.name)]
    exact = {name.lower(): name for name in known}.get(stem.lower())
    if exact:
        return exact
    number = re.fullmatch(r"img_?(\d{3})", stem, re.IGNORECASE)
    if known and number and 1 <= int(number[1]) <= len(known):
        return known[int(number[1]) - 1]
    if any(split.first for split in entry.splits):
        return stem if split_of(entry, stem) else None
    return None if known else stem


def split_of(entry: DatasetEntry, name: str) -> str | None:
    """Return the split that an image belongs to, or None."""
    for split in entry.splits:
        if split.first is None:
            return split.name
        if re.fullmatch(r"\d{4}", name) and 0 <= int(name) - split.first < (split.count or 0):
            return split.name
    return None


def _role_by_folder(path: PurePosixPath) -> Role:
    scale, lr = None, False
    for part in reversed(path.parts[:-1]):
        if match := _SCALE_FOLDER.fullmatch(part):
            scale = scale or int(match["scale"])
        elif match := _LR_FOLDER.search(part):
            lr = True
            scale = scale or (int(match["scale"]) if match["scale"] else None)
            break
        elif part.upper() == "HR" or part.upper().endswith("_HR") or "gt" in part.lower():
            break
    scaled = _SCALED_NAME.fullmatch(path.stem)
    if scaled and (lr or _NUMBERED_LR.fullmatch(path.stem)):
        return Role(True, scaled["name"], scale or int(scaled["scale"]))
    return Role(lr, path.stem, scale)


def _checked(role: Role) -> Role | str:
    if role.is_lr and role.scale is None:
        return "LR whose scale is neither in its name nor in its folder's"
    if role.scale is not None and role.scale not in LR_SCALES:
        return f"made for ×{role.scale}"
    return role
