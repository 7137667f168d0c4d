"""Known pixel variants of the canonical sets, identified by hash: the gray levels of EDSR's files, and crops.

`variants.json` holds, per image, the hashes of its crops (keyed ``HEIGHTxWIDTH``) and a thumbnail; both follow from
the canonical pixels through `crop_to`, `edsr_levels` and `thumbnail`, and a test recomputes them.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from srbench.datasets.catalogue import EDSR_LEVELS, KnownImage, known_images

Images = NDArray[np.uint8]

MULTIPLES = (2, 3, 4, 8, 12)
"""Common HR crops have sides that are multiples of these: the scales, and 12 for ×2, ×3 and ×4 together."""

KINDS = ("canonical", "edsr", *(f"mod{m}" for m in MULTIPLES), *(f"edsr mod{m}" for m in MULTIPLES))
"""Every variant that hashes identify: ``edsr`` gray levels, ``modN`` cropped right and bottom to a multiple of N."""

THUMBNAIL = 8
"""Side of a thumbnail in pixels."""

_NUMBERED = re.compile(r"img_?(\d{3})(?!\d)", re.IGNORECASE)


@dataclass(frozen=True)
class Owner:
    """The image that a pixel hash belongs to, and the variants in which the image has these pixels."""

    image: str
    kinds: frozenset[str]


def edsr_levels(image: Images) -> Images:
    """Return the edsr variant of canonical pixels: floor(v·(1/255)·255) in double precision, one lower at 24 levels."""
    table = np.arange(256, dtype=np.uint8)
    table[list(EDSR_LEVELS)] -= 1
    return table[image]


def crop_to(image: Images, height: int, width: int) -> Images:
    """Return the top left part of an image."""
    return np.ascontiguousarray(image[:height, :width])


def cropped_size(height: int, width: int, multiple: int) -> tuple[int, int]:
    """Return height and width rounded down to a multiple."""
    return height - height % multiple, width - width % multiple


def thumbnail(image: Images) -> Images:
    """Return the means of 8×8 equal parts of an image, uint8 8×8×3; they are similar for all versions of a picture."""
    return np.asarray(Image.fromarray(image).resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX))


def known_thumbnail(dataset: str, image: str) -> Images | None:
    """Return the thumbnail of a canonical image; None if it is not on record (Urban100)."""
    record = _records().get(dataset, {}).get(image)
    if record is None:
        return None
    return np.frombuffer(base64.b64decode(record["thumbnail"]), np.uint8).reshape(THUMBNAIL, THUMBNAIL, 3)


@cache
def owners(dataset: str) -> dict[str, Owner]:
    """Return every pixel hash on record for a dataset, with the image that it belongs to."""
    found: dict[str, tuple[str, set[str]]] = {}
    for known in known_images(dataset):
        for kind in KINDS:
            sha256 = _hash_of(dataset, known, kind)
            if sha256:
                found.setdefault(sha256, (known.name, set()))[1].add(kind)
    return {sha256: Owner(name, frozenset(kinds)) for sha256, (name, kinds) in found.items()}


def canonical_name(dataset: str, name: str) -> str | None:
    """Return the canonical name for a file stem, which may be the name or SelfExSR's number; None for other stems."""
    known = [image.name for image in known_images(dataset)]
    if name in known:
        return name
    match = _NUMBERED.match(name)
    return known[int(match[1]) - 1] if match and 0 < int(match[1]) <= len(known) else None


def identify_variant(dataset: str, hashes: Mapping[str, str]) -> str:
    """Identify the pixel variant of a set from the hashes of its images.

    One of `KINDS` if all images are there in this one variant, ``canonical subset`` for some of them, ``unknown``,
    or ``own`` for a dataset without canonical pixels on record.
    """
    known = known_images(dataset)
    if not known:
        return "own"
    found = [owners(dataset).get(sha256) for sha256 in hashes.values()]
    common = [kind for kind in KINDS if all(owner and kind in owner.kinds for owner in found)]
    if not common or not found:
        return "unknown"
    if len({owner.image for owner in found if owner}) == len(known) == len(found):
        return common[0]
    return "canonical subset" if common[0] == "canonical" else "unknown"


def _hash_of(dataset: str, known: KnownImage, kind: str) -> str | None:
    whole = known.edsr_sha256 if kind.startswith("edsr") else known.sha256
    _, _, multiple = kind.partition("mod")
    if not multiple:
        return whole
    size = cropped_size(known.height, known.width, int(multiple))
    if size == (known.height, known.width):
        return whole
    facts = _records().get(dataset, {}).get(known.name, _ImageFacts())
    crops = facts.get("edsr", {}) if kind.startswith("edsr") else facts.get("crops", {})
    return crops.get(f"{size[0]}x{size[1]}")


class _ImageFacts(TypedDict, total=False):
    """What `variants.json` says about an image: its thumbnail, and hashes of its crops by their size."""

    thumbnail: str
    crops: dict[str, str]
    edsr: dict[str, str]


@cache
def _records() -> dict[str, dict[str, _ImageFacts]]:
    text = resources.files("srbench.datasets").joinpath("variants.json").read_text(encoding="utf-8")
    records: dict[str, dict[str, _ImageFacts]] = json.loads(text)
    return records
