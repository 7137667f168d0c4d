"""Decoding images under one policy, saving them, and hashing their pixels.

Everywhere an image is an RGB uint8 array H×W×3. Decoding ignores EXIF orientation, ICC profiles and gamma, as
MATLAB's ``imread`` does (PROTOCOLS: "Decoding").
"""

from __future__ import annotations

import hashlib
import io
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from srbench.errors import ImageError
from srbench.files import write_atomic

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
"""File name endings (lower case) that count as images in a folder."""

# Of the forty decoders in Pillow, strangers' bytes reach these alone.
_FORMATS = ("PNG", "JPEG", "BMP")
MAX_PIXELS = 1 << 28
"""The most pixels that an image may have: a 12-megapixel LR image at ×4 passes, a bomb does not."""

# Pillow warns from its own limit on and refuses from twice that; the limit here is refused before anything is unpacked.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_BIT_DEPTH_AT = 24
DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)
"""What Pillow raises on damaged input, depending on format and on where the damage is."""


def decode(source: Path | bytes, *, name: str | None = None) -> NDArray[np.uint8]:
    """Decode one image file, or its bytes, to RGB uint8 H×W×3.

    Gray is replicated to three channels, a palette is expanded, alpha that is 255 everywhere is dropped.
    `name` is what error messages call the image; a path names itself.

    Raises:
        ImageError: empty or damaged file, other alpha, 16 bit, CMYK or animation.
    """
    label = name or (str(source) if isinstance(source, Path) else "image")
    data = _read(source, label) if isinstance(source, Path) else source
    with _opened(data, label) as image:
        image.load()
        return _to_rgb(image, label)


def size_of(data: bytes, *, name: str) -> tuple[int, int]:
    """Height and width of an encoded image, from its header alone. Errors as for `decode`, as far as that tells."""
    with _opened(data, name) as image:
        return image.height, image.width


def is_jpeg(path: Path) -> bool:
    """Return whether a file is a JPEG, by its first bytes."""
    with path.open("rb") as file:
        return file.read(2) == b"\xff\xd8"


def encode_png(image: NDArray[np.uint8]) -> bytes:
    """PNG bytes of an RGB uint8 H×W×3 image."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG", compress_level=4)
    return buffer.getvalue()


def save_png(path: Path, image: NDArray[np.uint8]) -> None:
    """Write an RGB uint8 H×W×3 image as PNG; the file appears whole or not at all."""
    write_atomic(path, encode_png(image))


def pixel_sha256(image: NDArray[np.uint8]) -> str:
    """sha256 (hex) of the RGB uint8 pixels in C order: an image's identity, whatever file holds it."""
    return hashlib.sha256(np.ascontiguousarray(image).tobytes()).hexdigest()


def fingerprint(hashes: Iterable[str]) -> str:
    """sha256 of the ascending pixel hashes joined by newlines: a dataset's identity, independent of names."""
    return hashlib.sha256("\n".join(sorted(hashes)).encode()).hexdigest()


def _read(path: Path, label: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ImageError(
            f"{label}: expected a readable image file, got {error.strerror or error}; "
            "check the path and its permissions"
        ) from error


@contextmanager
def _opened(data: bytes, label: str) -> Iterator[Image.Image]:
    if not data:
        raise ImageError(f"{label}: expected an image, got an empty file; fetch or copy it again")
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            _refuse(image, data, label)
            yield image
    except DECODER_ERRORS as error:
        # Pillow calls bytes that it does not know by the object that holds them.
        reason = "its bytes are of no such format" if isinstance(error, UnidentifiedImageError) else error
        raise ImageError(
            f"{label}: expected a whole PNG, JPEG or BMP image, got one that does not decode "
            f"({reason}); fetch or copy it again"
        ) from error


def _refuse(image: Image.Image, data: bytes, label: str) -> None:
    found = None
    if image.width * image.height > MAX_PIXELS:
        raise ImageError(
            f"{label}: expected at most {MAX_PIXELS} pixels, got {image.width}×{image.height}; cut it into parts"
        )
    if getattr(image, "n_frames", 1) > 1:
        found = f"an animation of {getattr(image, 'n_frames', 0)} frames"
    elif image.mode.startswith(("I", "F")) or _bits_per_sample(data) > 8:
        found = "more than 8 bits a sample"
    elif image.mode not in ("1", "L", "LA", "P", "PA", "RGB", "RGBA"):
        found = f"colour mode {image.mode}"
    if found:
        raise ImageError(
            f"{label}: expected 8-bit gray or RGB, got {found}; convert it to 8-bit RGB PNG, "
            "and say so beside the scores"
        )


def _bits_per_sample(data: bytes) -> int:
    # Pillow reads 16-bit RGB PNG as 8 bit without a word, so the file's own header is asked.
    whole = data.startswith(_PNG_SIGNATURE) and len(data) > _PNG_BIT_DEPTH_AT
    return data[_PNG_BIT_DEPTH_AT] if whole else 8


def _to_rgb(image: Image.Image, label: str) -> NDArray[np.uint8]:
    if image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info:
        image = image.convert("RGBA")
        if image.getchannel("A").getextrema() != (255, 255):
            raise ImageError(
                f"{label}: expected an opaque image, got one with transparent pixels; "
                "flatten it on a background of your choice first"
            )
    return np.array(image if image.mode == "RGB" else image.convert("RGB"), dtype=np.uint8)
