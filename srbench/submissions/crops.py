"""Read and check the SR crops of an entry: only crops of the Sample set that `srbench samples` writes are allowed.

Pages show them on top of the crops of other models. Names, places and sizes must therefore be the same for all entries.
There are two kinds: small crops of every image at ×4 (`brick.webp`), and larger crops of images with regular structure
at ×2, ×3 and ×4 (`brick_x2.webp`).
"""

from __future__ import annotations

import hashlib
import os
import re
import struct
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image

from srbench.errors import SubmissionError
from srbench.images import DECODER_ERRORS
from srbench.records.messages import shown
from srbench.submissions.untrusted_files import read_bytes

SAMPLES_NAME = "samples"
MAX_BYTES = 150_000
"""The largest size in bytes of all small crops of one model together: lossless HR crops take 98 kB, and crops of a
network that adds noise or a pattern up to a quarter more."""
SIDE = 104
"""Side of a small crop in HR pixels: the largest with which lossless HR crops take less than 100 kB."""
SCALE = 4
"""The scale of the small crops."""
CORNERS = {
    "astronaut": (332, 116),
    "brick": (200, 200),
    "chelsea": (60, 116),
    "coffee": (220, 316),
    "grass": (200, 200),
    "gravel": (200, 200),
    "motorcycle_left": (228, 376),
}
"""Top and left of each image's small crop in HR pixels. The crops show fine structure or texture."""

MAX_TEXTURE_BYTES = 400_000
"""The largest size in bytes of all large crops of one model together: lossless HR crops at three scales take 380 kB."""
TEXTURE_SIDE = 192
"""Side of a large crop in HR pixels, a multiple of each scale."""
TEXTURE_SCALES = (2, 3, 4)
"""The scales of the large crops."""
TEXTURE_CORNERS = {"motorcycle_left": (204, 336), "brick": (0, 216), "astronaut": (312, 132)}
"""Top and left of each large crop in HR pixels, multiples of each scale: cooling fins, bricks, and woven fabric."""

_FORMATS = {"png": "PNG", "webp": "WEBP"}
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_CHUNKS = frozenset({b"IHDR", b"IDAT", b"IEND"})
_PNG_LENGTHS = {b"IHDR": 13, b"IEND": 0}
_PNG_DEPTH_AT, _EIGHT_BIT_RGB = 24, b"\x08\x02"
_WEBP_LOSSLESS = b"VP8L"
_WEBP_HEADER = 20
_WEBP_TAIL = 8
"""The bytes at the end of which a lossless WebP picture needs at least one. libwebp writes at most three more."""
# Metadata that makes viewers change the colours or rotate the picture.
_SHOWN_OTHERWISE = {"chromaticity", "exif", "gamma", "icc_profile", "transparency"}


@dataclass(frozen=True)
class SampleCrop:
    """A part of a Sample image at a scale; `top`, `left` and `side` are in pixels of the HR image."""

    image: str
    scale: int
    top: int
    left: int
    side: int

    @property
    def stem(self) -> str:
        """The name of its file without the suffix: `brick`, or `brick_x2` of a large crop."""
        return f"{self.image}_x{self.scale}" if self.is_large else self.image

    @property
    def reference(self) -> str:
        """The name of the same crop of the HR image, which all scales share: `brick`, or `brick_large`."""
        return f"{self.image}_large" if self.is_large else self.image

    @property
    def is_large(self) -> bool:
        """Whether it is one of the large crops."""
        return self.side != SIDE


def crops_at(scale: int) -> list[SampleCrop]:
    """Return the crops that `srbench samples` writes at a scale: the small ones (only at ×4), then the large ones."""
    small = [SampleCrop(name, SCALE, *corner, SIDE) for name, corner in CORNERS.items() if scale == SCALE]
    return small + [SampleCrop(name, scale, *corner, TEXTURE_SIDE) for name, corner in TEXTURE_CORNERS.items()]


def crop_named(stem: str) -> SampleCrop | None:
    """Return the crop that belongs to a file name without its suffix; None if the name is not allowed."""
    if stem in CORNERS:
        return SampleCrop(stem, SCALE, *CORNERS[stem], SIDE)
    found = re.fullmatch(r"([a-z_]+)_x(\d)", stem)
    if not found or found[1] not in TEXTURE_CORNERS or int(found[2]) not in TEXTURE_SCALES:
        return None
    return SampleCrop(found[1], int(found[2]), *TEXTURE_CORNERS[found[1]], TEXTURE_SIDE)


def read_samples(folder: Path) -> dict[str, bytes]:
    """Return the SR crops of a `samples` folder by file name; none without a folder.

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
    left = {False: MAX_BYTES, True: MAX_TEXTURE_BYTES}
    for name in names:
        large = _crop_of(name).is_large
        samples[name] = read_bytes(folder / name, limit=left[large])
        left[large] -= len(samples[name])
    return samples


def sample_scales(names: Iterable[str]) -> list[int]:
    """Return the scales of the crops with these file names."""
    return sorted({_crop_of(name).scale for name in names})


def samples_hash(samples: Mapping[str, bytes]) -> str:
    """Return the hash of an entry's crops and their names."""
    lines = (f"{name} {hashlib.sha256(data).hexdigest()}\n" for name, data in sorted(samples.items()))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def check_sample(data: bytes, name: str) -> None:
    """Raise SubmissionError unless the bytes are one RGB picture of a crop's size in the format that its name says."""
    side = _crop_of(name).side
    try:
        with Image.open(BytesIO(data), formats=(_FORMATS[name.rpartition(".")[2]],)) as image:
            frames = getattr(image, "n_frames", 1)
            if image.size != (side, side) or frames != 1:
                raise SubmissionError(
                    f"{name}: expected one picture of {side}×{side} pixels as srbench samples writes "
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
    if strange := (_strange_png(data, side) if name.endswith(".png") else _strange_webp(data)):
        raise SubmissionError(f"{name}: expected only pixels as srbench samples writes them, got {strange}")


def _strange_png(data: bytes, side: int) -> str | None:
    """Return the name of what a PNG holds in addition to 8-bit RGB pixels; None for a plain file."""
    start, kinds, pixels = len(_PNG_SIGNATURE), [], []
    while start + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, start)
        kinds.append(data[start + 4 : start + 8])
        if _PNG_LENGTHS.get(kinds[-1], length) != length:
            return f"the chunk {shown(kinds[-1].decode('latin1'))} of {length} bytes"
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
    need = side * (1 + 3 * side)
    try:
        held = rows.decompress(b"".join(pixels), need + 1)
    except zlib.error:
        return "pixels that are damaged"
    return None if len(held) == need and rows.eof and not rows.unused_data else "more bytes than pixels"


def _strange_webp(data: bytes) -> str | None:
    """Return the name of what a WebP file holds in addition to one picture; None for a plain file."""
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP" or len(data) < _WEBP_HEADER:
        return "another kind of file"
    (announced,) = struct.unpack_from("<I", data, 4)
    (length,) = struct.unpack_from("<I", data, 16)
    if data[12:16] != _WEBP_LOSSLESS:
        return "lossy compression" if data[12:16] == b"VP8 " else f"the chunk {shown(data[12:16].decode('latin1'))}"
    if _WEBP_HEADER + length + length % 2 != len(data) or announced + 8 != len(data):
        return "more chunks, or bytes after the end"
    return "bytes after the pixels" if _decodes_the_same(data, _cut_webp(data)) else None


def _cut_webp(data: bytes) -> bytes:
    """Return a WebP file without the last bytes of its one chunk."""
    pixels = data[_WEBP_HEADER : max(_WEBP_HEADER, len(data) - _WEBP_TAIL)]
    pixels += b"\0" * (len(pixels) % 2)
    return b"RIFF" + struct.pack("<I", len(pixels) + 12) + data[8:16] + struct.pack("<I", len(pixels)) + pixels


def _decodes_the_same(data: bytes, other: bytes) -> bool:
    """Return whether both pictures decode, to the same pixels."""
    try:
        with Image.open(BytesIO(data), formats=("WEBP",)) as one, Image.open(BytesIO(other), formats=("WEBP",)) as two:
            return one.tobytes() == two.tobytes()
    except DECODER_ERRORS:
        return False


def _crop_of(name: str) -> SampleCrop:
    """Return the crop that a file shows. Raises SubmissionError for a name that no crop has."""
    stem, _, suffix = name.rpartition(".")
    crop = crop_named(stem)
    if crop is None or suffix not in _FORMATS:
        scales = ", ".join(f"_x{scale}" for scale in TEXTURE_SCALES)
        raise SubmissionError(
            f"{SAMPLES_NAME}: expected NAME.png or NAME.webp, NAME being {', '.join(CORNERS)}, or one of "
            f"{', '.join(TEXTURE_CORNERS)} with {scales}, got {shown(name)}; make them with srbench samples"
        )
    return crop


def _require_names(names: list[str]) -> None:
    stems: dict[str, str] = {}
    for name in names:
        stem = _crop_of(name).stem
        if (other := stems.setdefault(stem, name)) != name:
            raise SubmissionError(f"{SAMPLES_NAME}: expected one file of {stem}, got {other} and {name}")
