"""Read and check the SR crops of an entry: only crops of the Sample set that `srbench samples` writes are allowed.

Pages show them as crops of the Sample set, upscaled ×4, on top of the crops of other models. Names and sizes must
therefore be the same for all entries.
"""

from __future__ import annotations

import hashlib
import os
import struct
import zlib
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
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_CHUNKS = frozenset({b"IHDR", b"IDAT", b"IEND"})
_PNG_DEPTH_AT, _EIGHT_BIT_RGB = 24, b"\x08\x02"
_WEBP_CHUNKS = frozenset({b"VP8 ", b"VP8L"})
_WEBP_HEADER = 20
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
            # Some metadata is found only while the pixels are read.
            if not _SHOWN_OTHERWISE.isdisjoint(image.info):
                raise SubmissionError(f"{name}: expected plain RGB, got {', '.join(sorted(map(str, image.info)))}")
    except DECODER_ERRORS as error:
        raise SubmissionError(
            f"{name}: expected a PNG or WebP picture, as its name says, got one that does not decode"
        ) from error
    if strange := (_strange_png(data) if name.endswith(".png") else _strange_webp(data)):
        raise SubmissionError(f"{name}: expected only pixels as srbench samples writes them, got {strange}")


def _strange_png(data: bytes) -> str | None:
    """Return what a PNG holds in addition to 8-bit RGB pixels, None for nothing."""
    start, kinds, pixels = len(_PNG_SIGNATURE), [], []
    while start + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, start)
        kinds.append(data[start + 4 : start + 8])
        if kinds[-1] == b"IDAT":
            pixels.append(data[start + 8 : start + 8 + length])
        start += length + 12
        if kinds[-1] == b"IEND":
            break
    if extra := [kind for kind in kinds if kind not in _PNG_CHUNKS]:
        return f"the chunk {shown(extra[0].decode('latin1'))}"
    if kinds[:1] != [b"IHDR"] or kinds.count(b"IHDR") != 1 or kinds[-1] != b"IEND":
        return "chunks in another order"
    if data[_PNG_DEPTH_AT : _PNG_DEPTH_AT + 2] != _EIGHT_BIT_RGB:
        return "another bit depth or colour type"
    if start != len(data):
        return "bytes after the end"
    rows = zlib.decompressobj()
    need = SIDE * (1 + 3 * SIDE)
    try:
        held = rows.decompress(b"".join(pixels), need + 1)
    except zlib.error:
        return "pixels that are damaged"
    return None if len(held) == need and rows.eof and not rows.unused_data else "more bytes than pixels"


def _strange_webp(data: bytes) -> str | None:
    """Return what a WebP holds in addition to one picture, None for nothing."""
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP" or len(data) < _WEBP_HEADER:
        return "another kind of file"
    (announced,) = struct.unpack_from("<I", data, 4)
    (length,) = struct.unpack_from("<I", data, 16)
    if data[12:16] not in _WEBP_CHUNKS:
        return f"the chunk {shown(data[12:16].decode('latin1'))}"
    if _WEBP_HEADER + length + length % 2 != len(data) or announced + 8 != len(data):
        return "more chunks, or bytes after the end"
    return None


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
