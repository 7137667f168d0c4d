"""Read and check the SR crops of an entry: only crops of the Sample set that `srbench samples` writes are allowed.

Pages show them as crops of the Sample set, upscaled ×4, on top of the crops of other models. Names and sizes must
therefore be the same for all entries.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

from PIL import Image

from srbench.errors import SubmissionError
from srbench.images import DECODER_ERRORS
from srbench.records.messages import shown
from srbench.submissions.untrusted_files import read_bytes

SAMPLES_NAME = "samples"
MAX_BYTES = 100_000
"""The largest size in bytes of all crops of one model together."""
SIDE = 104
"""Side of a crop in HR pixels: the largest with which lossless crops of the HR images stay within `MAX_BYTES`."""
SCALE = 4
"""The scale of the crops that pages show."""
CORNERS = {
    "astronaut": (332, 116),
    "brick": (200, 200),
    "chelsea": (60, 116),
    "coffee": (220, 316),
    "grass": (200, 200),
    "gravel": (200, 200),
    "motorcycle_left": (228, 376),
}
"""Top and left of each image's crop in HR pixels. The crops show fine structure or texture."""

_FORMATS = {"png": "PNG", "webp": "WEBP"}
# Metadata with which viewers show other colours than the pixels, or rotate the picture.
_SHOWN_OTHERWISE = {"chromaticity", "exif", "gamma", "icc_profile", "transparency"}


def read_samples(folder: Path) -> dict[str, bytes]:
    """Return the SR crops of a `samples` folder by file name, at most 100 kB together; none without a folder.

    Raises:
        SubmissionError: a link, an unexpected kind of file or name, two files of one crop, or too many bytes.
    """
    if not os.path.lexists(folder):
        return {}
    if folder.is_symlink() or not folder.is_dir():
        raise SubmissionError(f"{SAMPLES_NAME}: expected a folder, got a link or a file")
    names = sorted(entry.name for entry in os.scandir(folder))
    _require_names(names)
    samples: dict[str, bytes] = {}
    left = MAX_BYTES
    for name in names:
        samples[name] = read_bytes(folder / name, limit=left)
        left -= len(samples[name])
    return samples


def samples_hash(samples: Mapping[str, bytes]) -> str:
    """Return the hash of an entry's crops and their names."""
    lines = (f"{name} {hashlib.sha256(data).hexdigest()}\n" for name, data in sorted(samples.items()))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def check_sample(data: bytes, name: str) -> None:
    """Raise SubmissionError unless the bytes are one RGB picture of a crop's size in the format that its name says."""
    try:
        with Image.open(BytesIO(data), formats=(_FORMATS[name.rpartition(".")[2]],)) as image:
            frames = getattr(image, "n_frames", 1)
            if image.size != (SIDE, SIDE) or frames != 1:
                raise SubmissionError(
                    f"{name}: expected one picture of {SIDE}×{SIDE} pixels as srbench samples writes "
                    f"it, got {image.width}×{image.height}, {frames} frame(s)"
                )
            if image.mode != "RGB" or not _SHOWN_OTHERWISE.isdisjoint(image.info):
                found = ", ".join([image.mode, *sorted(_SHOWN_OTHERWISE.intersection(image.info))])
                raise SubmissionError(f"{name}: expected plain RGB as srbench samples writes it, got {found}")
            image.load()
    except DECODER_ERRORS as error:
        raise SubmissionError(
            f"{name}: expected a PNG or WebP picture, as its name says, got one that does not decode"
        ) from error


def _require_names(names: list[str]) -> None:
    stems: dict[str, str] = {}
    for name in names:
        stem, _, suffix = name.rpartition(".")
        if stem not in CORNERS or suffix not in _FORMATS:
            raise SubmissionError(
                f"{SAMPLES_NAME}: expected NAME.png or NAME.webp, NAME being {', '.join(CORNERS)}, "
                f"got {shown(name)}; make them with srbench samples --scale {SCALE}"
            )
        if (other := stems.setdefault(stem, name)) != name:
            raise SubmissionError(f"{SAMPLES_NAME}: expected one file of {stem}, got {other} and {name}")
