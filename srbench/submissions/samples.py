"""The SR crops that an entry may bring: those of the Sample set that `srbench samples` writes, and no other pictures.

Pages call them crops of the Sample set, upscaled ×4, and lay them over those of other models: names and size have to be
the same for all.
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
from srbench.submissions.kinds import shown
from srbench.submissions.reading import read_bytes

SAMPLES_NAME = "samples"
MAX_BYTES = 100_000
"""What the crops of one model may take together."""
SIDE = 104
"""Side of a crop in HR pixels: the largest at which even the ground truth, lossless, stays within `MAX_BYTES`."""
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
"""Top and left of each image's crop, in HR pixels: fine structure or texture."""

_FORMATS = {"png": "PNG", "webp": "WEBP"}
# What makes viewers show other colours than the pixels, or turn the picture.
_SHOWN_OTHERWISE = {"chromaticity", "exif", "gamma", "icc_profile", "transparency"}


def read_samples(folder: Path) -> dict[str, bytes]:
    """The SR crops of a `samples` folder by file name, at most 100 kB together; none where there is no folder.

    Raises:
        SubmissionError: a link, another kind of file, another name, two files of one crop, or too many bytes.
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
    """The hash of an entry's crops and their names."""
    lines = (f"{name} {hashlib.sha256(data).hexdigest()}\n" for name, data in sorted(samples.items()))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def check_sample(data: bytes, name: str) -> None:
    """Raises SubmissionError unless the bytes are one RGB picture of a crop's size and of its name's format."""
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
