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

from srbench.errors import ImageError, enumerated
from srbench.files import write_atomic

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
"""File name endings (lower case) that count as images in a folder."""

OWN_SUFFIXES = (".webp", ".tif", ".tiff")
"""File name endings of what `lossless_as_png` reads in addition."""

# Pillow has forty decoders; only these are used for untrusted bytes.
_FORMATS = ("PNG", "JPEG", "BMP")
_LOSSLESS_FORMATS = ("WEBP", "TIFF")
_LOSSLESS_TIFF = frozenset({"raw", "packbits", "tiff_lzw", "tiff_deflate", "tiff_adobe_deflate", "zstd", "lzma"})
_TIFF_BITS, _TIFF_ORIENTATION = 258, 274
MAX_PIXELS = 1 << 28
"""The most pixels that an image may have: a 12-megapixel LR image at ×4 passes, a bomb does not."""

# The largest number of pixels per byte of a file. JPEG: one bit for a block of 8×8 pixels; PNG:
# deflate packs 1,032 bytes into one, and a byte may hold 8 pixels; BMP: runs of 255 pixels in 2 bytes.
_PIXELS_PER_BYTE = {"JPEG": 512, "MPO": 512, "PNG": 1032 * 8, "BMP": 128}
# Images of at most this many pixels are decoded even if their file is suspiciously small.
_FREE_PIXELS = 1 << 22

# Pillow warns above its limit and refuses above twice that limit; this limit is checked before decoding.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_BIT_DEPTH_AT = 24
_BMP_OLD_HEADER = 12
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
    `name` is what error messages call the image; by default it is the path.

    Raises:
        ImageError: empty or damaged file, other alpha, 16 bit, CMYK or animation.
    """
    label = name or (str(source) if isinstance(source, Path) else "image")
    data = _read(source, label) if isinstance(source, Path) else source
    with _opened(data, label) as image:
        return _loaded(image, label)


def lossless_as_png(data: bytes, *, name: str) -> bytes:
    """Return a lossless WebP or TIFF image of 8 bits as PNG with the same pixels.

    For files of the user's own: these two decoders are not used on untrusted bytes.

    Raises:
        ImageError: lossy compression, 16 bit, a rotated or multi-page TIFF, or anything that `decode` refuses.
    """
    with _opened(data, name, _LOSSLESS_FORMATS) as image:
        if found := _not_plain(image, data):
            raise ImageError(
                f"{name}: expected lossless 8-bit WebP or TIFF, got {found}; its pixels depend on the program that "
                "reads it: convert it to 8-bit PNG, and say so next to the scores"
            )
        return encode_png(_loaded(image, name))


def size_of(data: bytes, *, name: str) -> tuple[int, int]:
    """Return height and width of an encoded image from its header. Raises errors like `decode`."""
    with _opened(data, name) as image:
        return image.height, image.width


def require_held(image: Image.Image, size: int, label: str) -> None:
    """Raise ImageError if a file of `size` bytes cannot hold its pixels: it would fill the memory without content."""
    most = _FREE_PIXELS + size * _PIXELS_PER_BYTE.get(image.format or "", MAX_PIXELS)
    if image.width * image.height > most:
        raise ImageError(
            f"{label}: expected a complete image, got {size} bytes that announce {image.width}×{image.height} pixels; "
            "fetch or copy it again"
        )


def is_jpeg(path: Path) -> bool:
    """Return whether a file is a JPEG, by its first bytes."""
    with path.open("rb") as file:
        return file.read(2) == b"\xff\xd8"


def encode_png(image: NDArray[np.uint8]) -> bytes:
    """Return an RGB uint8 H×W×3 image as the bytes of a PNG."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG", compress_level=4)
    return buffer.getvalue()


def save_png(path: Path, image: NDArray[np.uint8]) -> None:
    """Write an RGB uint8 H×W×3 image as PNG, completely or not at all."""
    write_atomic(path, encode_png(image))


def pixel_sha256(image: NDArray[np.uint8]) -> str:
    """Return sha256 (hex) of the RGB uint8 pixels in C order, which identifies an image in any file format."""
    return hashlib.sha256(np.ascontiguousarray(image).tobytes()).hexdigest()


def fingerprint(hashes: Iterable[str]) -> str:
    """Return sha256 of the sorted pixel hashes joined by newlines, which identifies a dataset regardless of names."""
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
def _opened(data: bytes, label: str, formats: tuple[str, ...] = _FORMATS) -> Iterator[Image.Image]:
    if not data:
        raise ImageError(f"{label}: expected an image, got an empty file; fetch or copy it again")
    try:
        with Image.open(io.BytesIO(data), formats=formats) as image:
            _refuse(image, data, label)
            yield image
    except DECODER_ERRORS as error:
        # Pillow's message for unknown bytes names the Python object instead of the file.
        reason = "its bytes are of no such format" if isinstance(error, UnidentifiedImageError) else error
        raise ImageError(
            f"{label}: expected a complete {enumerated(formats, 'or')} image, got one that does not decode "
            f"({reason}); fetch or copy it again"
        ) from error


def _refuse(image: Image.Image, data: bytes, label: str) -> None:
    found = None
    if image.width * image.height > MAX_PIXELS:
        raise ImageError(
            f"{label}: expected at most {MAX_PIXELS} pixels, got {image.width}×{image.height}; cut it into parts"
        )
    require_held(image, len(data), label)
    # A file may hold several JPEGs (MPO files of phones): the first is the picture, the others are previews.
    if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
        found = f"an animation of {getattr(image, 'n_frames', 0)} frames"
    elif image.mode.startswith(("I", "F")) or _bits_per_sample(data) > 8:
        found = "more than 8 bits a sample"
    elif _bits_per_sample(data) < 0:
        found = "5 or 6 bits a sample, which every program widens in its own way"
    elif image.mode not in ("1", "L", "LA", "P", "PA", "RGB", "RGBA"):
        found = f"colour mode {image.mode}"
    if found:
        raise ImageError(
            f"{label}: expected 8-bit gray or RGB, got {found}; convert it to 8-bit RGB PNG, "
            "and state this with the scores"
        )


def _bits_per_sample(data: bytes) -> int:
    """Return the bits per sample of a PNG; -1 for a BMP with 16 bits per pixel, 8 for all other images.

    Raises ValueError for a PNG whose header is not its first chunk, or comes twice: programs differ in which they read.
    """
    # Pillow silently reads 16-bit RGB PNG as 8 bit, so the bit depth is read from the file's header.
    if data.startswith(_PNG_SIGNATURE):
        headers = [start for start, kind in _png_chunks(data) if kind == b"IHDR"]
        if headers != [len(_PNG_SIGNATURE)]:
            raise ValueError("its header is not the first part, or comes twice")
        return data[_PNG_BIT_DEPTH_AT] if len(data) > _PNG_BIT_DEPTH_AT else 8
    if data.startswith(b"BM") and len(data) >= 30:
        (header,) = struct.unpack_from("<I", data, 14)
        (bits,) = struct.unpack_from("<H", data, 24 if header == _BMP_OLD_HEADER else 28)
        return -1 if bits == 16 else 8
    return 8


def _png_chunks(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield where each chunk of a PNG starts, and its kind."""
    start = len(_PNG_SIGNATURE)
    while start + 8 <= len(data):
        (length,) = struct.unpack_from(">I", data, start)
        yield start, data[start + 4 : start + 8]
        start += length + 12


def _not_plain(image: Image.Image, data: bytes) -> str | None:
    """Return the feature of a WebP or TIFF file that programs decode differently; None if it has no such feature."""
    if image.format == "WEBP":
        return None if _is_lossless_webp(data) else "lossy WebP"
    tags = getattr(image, "tag_v2", {})
    compression = str(image.info.get("compression", "raw"))
    if compression not in _LOSSLESS_TIFF:
        return f"TIFF with {compression} compression"
    bits = tags.get(_TIFF_BITS, (1,))
    if any(number not in (1, 8) for number in (bits if isinstance(bits, tuple) else (bits,))):
        return f"TIFF of {bits} bits"
    return "a rotated TIFF" if tags.get(_TIFF_ORIENTATION, 1) != 1 else None


def _is_lossless_webp(data: bytes) -> bool:
    kinds, start = [], 12
    while start + 8 <= len(data):
        kinds.append(data[start : start + 4])
        (length,) = struct.unpack_from("<I", data, start + 4)
        start += 8 + length + length % 2
    return b"VP8L" in kinds and b"VP8 " not in kinds


def _loaded(image: Image.Image, label: str) -> NDArray[np.uint8]:
    # Checked before loading, because afterwards Pillow's palette always has 256 entries.
    entries = _palette_entries(image)
    image.load()
    if image.mode in ("P", "PA") and (top := int(np.asarray(image.getchannel(0)).max())) >= entries:
        raise ImageError(
            f"{label}: expected a palette with an entry for each pixel, got {entries} entries for index {top}; every "
            "program shows another colour there: convert it to RGB PNG with the one that made it"
        )
    return _to_rgb(image, label)


def _palette_entries(image: Image.Image) -> int:
    palette = image.palette
    if palette is None:
        return 0
    return len(palette.palette) // len(palette.rawmode or palette.mode)


def _to_rgb(image: Image.Image, label: str) -> NDArray[np.uint8]:
    if image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info:
        image = image.convert("RGBA")
        if image.getchannel("A").getextrema() != (255, 255):
            raise ImageError(
                f"{label}: expected an opaque image, got one with transparent pixels; "
                "flatten it on a background of your choice first"
            )
    return np.array(image if image.mode == "RGB" else image.convert("RGB"), dtype=np.uint8)
