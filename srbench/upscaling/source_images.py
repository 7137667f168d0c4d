"""Reading the images that are to be upscaled: alpha, gray, 16 bits, EXIF orientation and ICC profile."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from srbench.errors import ImageError, enumerated
from srbench.images import DECODER_ERRORS, IMAGE_SUFFIXES, MAX_PIXELS, OWN_SUFFIXES, require_held

Samples = NDArray[np.uint8] | NDArray[np.uint16]
"""Samples of an image, of 8 or 16 bits."""

SOURCE_SUFFIXES = (*IMAGE_SUFFIXES, *OWN_SUFFIXES, ".gif")
"""File name endings (lower case) of the images in a folder that is upscaled."""

_FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "TIFF", "GIF")
_GRAY_MODES = ("1", "L", "LA", "I;16", "I;16B", "I")
_MODES = (*_GRAY_MODES, "P", "PA", "RGB", "RGBA")
_PNG_BIT_DEPTH_AT, _TIFF_BITS, _TIFF_SAMPLE_FORMAT, _EXIF_ORIENTATION = 24, 258, 339, 274
_UNSIGNED = 1

_ORIENTATIONS = {2: (0, True), 3: (2, False), 4: (2, True), 5: (3, True), 6: (3, False), 7: (1, True), 8: (1, False)}
"""By EXIF orientation, the quarter turns against the clock, and whether the result is mirrored left to right."""


@dataclass(frozen=True)
class SourceImage:
    """One decoded image, turned as its EXIF orientation says.

    Attributes:
        pixels: RGB uint8 or uint16 H×W×3; gray is replicated.
        alpha: opacity H×W of the same dtype, None for an opaque image.
        gray: the file has no colours.
        icc: the bytes of its ICC profile, None without one.
        sha256: of the file's bytes.
    """

    pixels: Samples
    alpha: Samples | None
    gray: bool
    icc: bytes | None
    sha256: str

    @property
    def is_deep(self) -> bool:
        """Whether the image has 16 bits per sample."""
        return self.pixels.dtype == np.uint16


def read_source(path: Path) -> SourceImage:
    """Decode one image file for upscaling.

    Raises:
        ImageError: a file that is no PNG, JPEG, BMP, WebP, TIFF or GIF, or is damaged; an animation, CMYK and other
            colours than gray and RGB; samples of more than 16 bits.
    """
    try:
        data = path.read_bytes()
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            _require_usable(image, path)
            require_held(image, len(data), str(path))
            deep = _bits(image, data) == 16
            planes: Samples = _deep_planes(data, path) if deep else _planes(image)
            turns, mirrored = _ORIENTATIONS.get(image.getexif().get(_EXIF_ORIENTATION, 1), (0, False))
            gray, icc = image.mode in _GRAY_MODES, image.info.get("icc_profile")
    except DECODER_ERRORS as error:
        raise ImageError(f"{path}: {_reason(error)}") from error
    upright = _upright(planes, turns, mirrored)
    alpha = upright[..., 3] if upright.shape[2] == 4 else None
    if alpha is not None and (alpha == np.iinfo(alpha.dtype).max).all():
        alpha = None
    return SourceImage(upright[..., :3], alpha, gray, icc, hashlib.sha256(data).hexdigest())


def _upright(planes: Samples, turns: int, mirrored: bool) -> Samples:
    turned = np.rot90(planes, turns)
    return cast(Samples, np.ascontiguousarray(turned[:, ::-1] if mirrored else turned))


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return f"expected a {enumerated(_FORMATS, 'or')} image, got something else; convert it to PNG"
    if isinstance(error, OSError) and error.strerror:
        return f"expected a readable image file, got {error.strerror}; check the path and its permissions"
    return f"expected a complete image file, got one that does not decode ({error}); copy it again"


def _require_usable(image: Image.Image, path: Path) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise ImageError(
            f"{path}: expected at most {MAX_PIXELS} pixels, got {image.width}×{image.height}; cut it into parts"
        )
    frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)  # phones append previews to a JPEG
    if frames > 1:
        kind = "pages" if image.format == "TIFF" else "frames of an animation"
        raise ImageError(f"{path}: expected one image, got {frames} {kind}; save the one you need as PNG")
    if image.mode == "CMYK":
        raise ImageError(f"{path}: expected gray or RGB, got CMYK, the colours of a printer; convert it to RGB first")
    if image.mode not in _MODES:
        raise ImageError(
            f"{path}: expected gray or RGB of 8 or 16 bits, got the colour mode {image.mode}; convert it to RGB first"
        )


def _bits(image: Image.Image, data: bytes) -> int:
    """Return the bits per sample; Pillow reads 16-bit RGB as 8 bit, so the file's own header decides."""
    if image.format == "PNG":
        return data[_PNG_BIT_DEPTH_AT]
    tags: Mapping[int, object] = getattr(image, "tag_v2", {})
    bits = tags.get(_TIFF_BITS, (8,))
    most = max(bits) if isinstance(bits, tuple) else 8
    kinds = tags.get(_TIFF_SAMPLE_FORMAT, (_UNSIGNED,))
    unsigned = isinstance(kinds, tuple) and set(kinds) == {_UNSIGNED}
    if most > 16 or not unsigned:
        raise ValueError(f"{most} bits per sample{'' if unsigned else ', not unsigned'}")
    return most


def _planes(image: Image.Image) -> NDArray[np.uint8]:
    transparent = image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info
    return np.array(image.convert("RGBA" if transparent else "RGB"), dtype=np.uint8)


def _deep_planes(data: bytes, path: Path) -> NDArray[np.uint16]:
    """Decode a 16-bit file to H×W×3, or H×W×4 with alpha; Pillow cannot."""
    planes = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if planes is None or planes.dtype != np.uint16:
        raise ImageError(f"{path}: expected 16-bit samples that OpenCV reads, got others; convert it to 16-bit PNG")
    if planes.ndim == 2:
        return np.repeat(planes[..., None], 3, axis=2).astype(np.uint16)
    return planes[..., [2, 1, 0, *range(3, planes.shape[2])]].astype(np.uint16)
