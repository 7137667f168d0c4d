"""Images as a protocol accepts them: RGB uint8 arrays, float images in [0, 1], torch tensors; and 8-bit rounding."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from srbench.errors import ProtocolError

Images = NDArray[np.uint8]

ScoredValues = NDArray[np.uint8 | np.float32 | np.float64]
"""What scores compare: R, G and B, or Y, in 0…255."""

LARGE_PIXELS = 1 << 24
"""Beyond this many pixels an image is scored in bands of `BAND_PIXELS`: its float64 maps would fill the memory."""

BAND_PIXELS = 1 << 20

# Float images have values in [0, 1]. Networks exceed that a little, but no useful output reaches this value.
_LARGEST_FLOAT = 2.0


def to_8bit(sr: object) -> Images:
    """Return an SR image as the 8-bit file it would be saved as, uint8 H×W×3: clamped, times 255, rounded half to even.

    Takes what `Scoring.score` takes, with the same errors; uint8 is returned as it is.
    """
    image = to_array(sr)
    if image.dtype == np.uint8:
        return image.astype(np.uint8, copy=False)
    rounded = np.empty(image.shape, np.uint8)
    for top in range(0, len(image), band_rows(image)):
        band = slice(top, top + band_rows(image))
        scaled = checked_float(image[band])
        scaled *= np.float32(255)
        rounded[band] = np.rint(scaled, out=scaled)
    return rounded


def band_rows(image: NDArray[np.generic]) -> int:
    """Return how many rows to work on at a time: all of them unless the image is large."""
    height, width = image.shape[:2]
    return int(height) if height * width <= LARGE_PIXELS else max(1, BAND_PIXELS // int(width))


def require_rgb_uint8(image: object, label: str) -> None:
    """Raise ProtocolError, which starts with the label, for anything but a uint8 array H×W×3."""
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        got = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise ProtocolError(f"{label}: expected RGB uint8 H×W×3, got {got}; decode it with srbench.images.decode")


def to_array(sr: object) -> NDArray[np.generic]:
    """Return an array H×W×3 of an array, or of a channels-first torch tensor.

    A tensor is recognised by its method `detach`, so that torch need not be loaded.
    """
    if hasattr(sr, "detach"):
        given = sr.detach().cpu()
        tensor = given[0] if given.ndim == 4 and given.shape[0] == 1 else given
        if tensor.ndim != 3 or tensor.shape[0] != 3:
            raise ProtocolError(f"sr: expected a tensor 3×H×W or 1×3×H×W, got shape {tuple(given.shape)}")
        sr = (tensor if "uint8" in str(tensor.dtype) else tensor.float()).permute(1, 2, 0).numpy()
    if not isinstance(sr, np.ndarray) or sr.ndim != 3 or sr.shape[2] != 3:
        raise ProtocolError(f"sr: expected an RGB image H×W×3, got {getattr(sr, 'shape', type(sr).__name__)}")
    if sr.dtype != np.uint8 and not np.issubdtype(sr.dtype, np.floating):
        raise ProtocolError(f"sr: expected uint8, or floating values in [0, 1], got {sr.dtype}")
    return sr


def checked_float(image: NDArray[np.generic]) -> NDArray[np.float32]:
    """Return the image in float32, clamped to [0, 1]."""
    largest = float(image.max())
    if not np.isfinite(largest) or not np.isfinite(image.min()):
        raise ProtocolError("sr: expected finite values, got NaN or infinity; check the model's precision and weights")
    if largest > _LARGEST_FLOAT:
        raise ProtocolError(
            f"sr: expected floating values in [0, 1], got up to {largest:g}; divide by 255 first, "
            "or evaluate the model with --range 255"
        )
    clamped = image.astype(np.float32)
    return np.clip(clamped, 0, 1, out=clamped)
