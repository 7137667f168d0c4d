"""Check whether a dataset is canonical, a known variant, or different, and report each image that differs.

Names are compared by what they stand for (SelfExSR's numbers count as names), pixels by their hashes. Where hashes
do not match, sizes and thumbnails tell a crop, a half-size copy, a recompressed picture and another picture apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from srbench.datasets.catalogue import KnownImage, known_images
from srbench.datasets.imageset import ImageSet, open_dataset
from srbench.datasets.lr_origins import given_origin
from srbench.datasets.pixel_variants import (
    KINDS,
    MULTIPLES,
    canonical_name,
    crop_to,
    cropped_size,
    known_thumbnail,
    owners,
    thumbnail,
)
from srbench.errors import DatasetError, counted
from srbench.images import pixel_sha256

Status = Literal["canonical", "variant", "different"]

UNCROPPED, HALF, BY_SIZE = "uncropped", "half size", " (by size)"
"""Variants recognised by size, because no hash is on record: larger originals of canonical crops, halved images."""

# In gray levels. Recompression changes the mean of 1/64 of a picture by less; the means of two different pictures
# differ by tens.
_SAME_PICTURE = 6


@dataclass(frozen=True)
class VerifyReport:
    """The result of `verify_dataset`: `variant` names the pixel variant, `lines` is the report as text."""

    name: str
    status: Status
    variant: str
    lines: list[str]

    @property
    def ok(self) -> bool:
        """Whether the pixels are canonical or a known variant."""
        return self.status != "different"


@dataclass(frozen=True)
class _Finding:
    """One file: the canonical image of its `name`, the image that its `pixels` belong to, and its variants."""

    file: str
    name: str | None
    pixels: str | None
    kinds: frozenset[str]
    problem: str = ""


def verify_dataset(spec: str, *, data_root: Path | None = None) -> VerifyReport:
    """Compare the images of a dataset, and the LR files next to them, with the recorded hashes.

    Raises:
        UnknownNameError: no such dataset.
        DatasetError: it is not there.
        ImageError: an image that does not decode.
    """
    images = open_dataset(spec, data_root=data_root)
    report = _against_record(images) if known_images(images.name) else _without_record(images)
    return VerifyReport(report.name, report.status, report.variant, [*report.lines, *_given_lr(images)])


def _without_record(images: ImageSet) -> VerifyReport:
    lines = [
        f"{images.name}: {counted(len(images), 'image')}, fingerprint {images.fingerprint[:16]}; "
        "no canonical pixels of it are on record to compare with"
    ]
    if len(images) != images.n_expected:
        lines.append(f"{images.name}: expected {images.n_expected} images, got {len(images)}")
    return VerifyReport(images.name, "different", "own", lines)


def _against_record(images: ImageSet) -> VerifyReport:
    known = known_images(images.name)
    findings = [_look_at(images, name) for name in images.names]
    variant = _common_kind(findings)
    unexpected = [finding for finding in findings if variant not in finding.kinds or finding.problem]
    unexpected += _misplaced([finding for finding in findings if finding not in unexpected])
    problems = [_problem_of(finding, variant, findings) for finding in findings if finding in unexpected]
    problems += [f"{name}: missing" for name in _missing(known, findings)]
    problems += [f"{files[0]}: also there as {files[1]}" for files in _twice(findings)]
    reordered = _is_reordered(findings, len(known)) and len(unexpected) == len(_misplaced(findings))
    status: Status = "canonical" if variant == "canonical" else "variant"
    if reordered:
        status, variant = "variant", f"{variant}, reordered"
    elif problems:
        status = "different"
    return VerifyReport(
        images.name,
        status,
        variant if status != "different" else "unknown",
        [_summary(images, status, variant, len(unexpected)), *problems],
    )


def _look_at(images: ImageSet, file: str) -> _Finding:
    name = canonical_name(images.name, file)
    owner = owners(images.name).get(images.pixel_hashes[file])
    if owner:
        return _Finding(file, name, owner.image, owner.kinds)
    known = next((image for image in known_images(images.name) if image.name == name), None)
    pixels = images.hr(file)
    if known is None:
        like = _picture(images.name, pixels)
        problem = f"extra, {'other pixels of ' + like if like else 'no image of ' + images.name}"
        return _Finding(file, None, like, frozenset(), problem)
    if kinds := _kinds_by_pixels(images.name, known, pixels):
        return _Finding(file, name, name, kinds)
    note = " (a JPEG file)" if images.hr_bytes(file).startswith(b"\xff\xd8") else ""
    return _Finding(file, name, name, frozenset(), _difference(images.name, known, pixels) + note)


def _kinds_by_pixels(dataset: str, known: KnownImage, pixels: NDArray[np.uint8]) -> frozenset[str]:
    """Return the variants that can only be recognised by pixels."""
    height, width = pixels.shape[:2]
    if height >= known.height and width >= known.width and (height, width) != (known.height, known.width):
        whole = pixel_sha256(crop_to(pixels, known.height, known.width)) == known.sha256
        return frozenset({UNCROPPED}) if whole else frozenset()
    if known_thumbnail(dataset, known.name) is not None and _picture(dataset, pixels) != known.name:
        return frozenset()
    if (height, width) in {(known.height // 2, known.width // 2), (-(-known.height // 2), -(-known.width // 2))}:
        return frozenset({HALF + BY_SIZE})
    if known_thumbnail(dataset, known.name) is not None:
        return frozenset()
    return frozenset(
        f"mod{m}{BY_SIZE}"
        for m in MULTIPLES
        if (height, width) != (known.height, known.width)
        and cropped_size(known.height, known.width, m) == (height, width)
    )


def _difference(dataset: str, known: KnownImage, pixels: NDArray[np.uint8]) -> str:
    height, width = pixels.shape[:2]
    like = _picture(dataset, pixels)
    if (height, width) != (known.height, known.width):
        which = "" if like in (known.name, None) else f", and it looks like {like}"
        return f"size {width}×{height}, expected {known.width}×{known.height}{which}"
    expected = known_thumbnail(dataset, known.name)
    if expected is None:
        return "other pixels at the right size"
    if like == known.name:
        moved = np.abs(thumbnail(pixels).astype(int) - expected).mean()
        return f"recompressed or filtered: the same picture, other pixels (means of 8×8 parts differ by {moved:.2f})"
    if _alike(thumbnail(pixels)[..., ::-1], expected):
        return "red and blue swapped (BGR)"
    return f"other pixels: it looks like {like}" if like else "other pixels: another picture"


def _picture(dataset: str, pixels: NDArray[np.uint8]) -> str | None:
    """Return the canonical image that this image looks like, or None."""
    small = thumbnail(pixels)
    for image in known_images(dataset):
        expected = known_thumbnail(dataset, image.name)
        if expected is not None and _alike(small, expected):
            return image.name
    return None


def _alike(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> bool:
    return int(np.abs(first.astype(int) - second).max()) <= _SAME_PICTURE


def _common_kind(findings: Iterable[_Finding]) -> str:
    """Return the variant that most images have; if several fit equally, the more common variant."""
    votes = Counter(kind for finding in findings for kind in finding.kinds)
    order = {kind: place for place, kind in enumerate(KINDS)}
    return min(votes, key=lambda kind: (-votes[kind], order.get(kind, len(order)), kind), default="unknown")


def _misplaced(findings: Iterable[_Finding]) -> list[_Finding]:
    """Return the files whose pixels are those of an image with another name."""
    return [
        finding for finding in findings if finding.pixels and not finding.problem and finding.pixels != finding.name
    ]


def _missing(known: Iterable[KnownImage], findings: Iterable[_Finding]) -> list[str]:
    there = {name for finding in findings for name in (finding.name, finding.pixels)}
    return [image.name for image in known if image.name not in there]


def _twice(findings: list[_Finding]) -> list[tuple[str, str]]:
    first: dict[str, str] = {}
    pairs = []
    for finding in findings:
        if finding.pixels and not finding.problem and first.setdefault(finding.pixels, finding.file) != finding.file:
            pairs.append((first[finding.pixels], finding.file))
    return pairs


def _is_reordered(findings: list[_Finding], count: int) -> bool:
    """Return whether all images are present, but none has its canonical name."""
    return (
        bool(_misplaced(findings))
        and all(finding.file != finding.name for finding in findings)
        and len({finding.pixels for finding in findings if not finding.problem}) == len(findings) == count
    )


def _problem_of(finding: _Finding, variant: str, findings: list[_Finding]) -> str:
    if finding.problem:
        return f"{finding.file}: {finding.problem}"
    if finding.pixels != finding.name:
        other = next((f.file for f in findings if f.name == finding.pixels and f.pixels == finding.name), None)
        if other:
            return f"{finding.file}: swapped with {other}: it holds the pixels of {finding.pixels}"
        if finding.name is None:
            return f"{finding.file}: renamed: it holds the pixels of {finding.pixels}"
        return f"{finding.file}: it holds the pixels of {finding.pixels}"
    kinds = " or ".join(kind for kind in (*KINDS, *sorted(finding.kinds - set(KINDS))) if kind in finding.kinds)
    return f"{finding.file}: pixels are {kinds}, where most images are {variant}"


def _summary(images: ImageSet, status: Status, variant: str, unexpected: int) -> str:
    label = variant if status == "variant" else status
    return (
        f"{images.name}: {label}, {len(images)} of {images.n_expected} images"
        f"{f', {unexpected} not as expected' if unexpected and status == 'different' else ''}, "
        f"fingerprint {images.fingerprint[:16]}"
    )


def _given_lr(images: ImageSet) -> list[str]:
    whole = [f"{images.name} LR ×{scale}: {line}" for scale in images.given_scales for line in _lr_lines(images, scale)]
    return whole + [
        f"{images.name} LR ×{scale}: incomplete, {len(names)} of {len(images)} images"
        for scale, names in images.partly_given().items()
    ]


def _lr_lines(images: ImageSet, scale: int) -> list[str]:
    """Return one line for the variant of most images, and one line for each other image."""
    found = {name: _lr_of(images, name, scale) for name in images.names}
    (usual, count), *_ = Counter(label for label, _ in found.values()).most_common(1)
    lines = [f"{usual}, {count} of {len(found)} images"]
    return lines + [f"{name}: {text}" for name, (label, text) in found.items() if label != usual]


def _lr_of(images: ImageSet, name: str, scale: int) -> tuple[str, str]:
    """Return how the LR of an image was made: in words without numbers, and as a complete phrase."""
    try:
        origin = given_origin(images, name, scale=scale)
    except DatasetError as error:
        return "unusable", str(error)
    return origin.kind, origin.describe()
