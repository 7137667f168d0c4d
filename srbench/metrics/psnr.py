"""Peak signal-to-noise ratio."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def psnr(first: NDArray[np.generic], second: NDArray[np.generic], *, data_range: float) -> float:
    """Return 10 log10(data_range² / MSE) in dB, the mean squared error in float64 over all values of both arrays.

    Args:
        first, second: arrays of one shape, any real dtype; converted to float64 before they are subtracted,
            so that uint8 cannot wrap around.
        data_range: the largest possible difference, 255 for 8-bit images.

    Returns:
        +inf for identical arrays.

    Raises:
        ValueError: shapes that differ, or empty arrays.

    Examples:
        >>> gray = np.full((16, 16), 100, dtype=np.uint8)
        >>> round(psnr(gray, gray + 5, data_range=255), 4)
        34.1514
        >>> psnr(gray, gray, data_range=255)
        inf
    """
    require_same_shape(first, second)
    difference = first.astype(np.float64) - second.astype(np.float64)
    return decibels(float(np.mean(np.square(difference))), data_range=data_range)


def decibels(error: float, *, data_range: float) -> float:
    """Return 10 log10(data_range² / error) in dB of a mean squared error; +inf for an error of 0."""
    return 10 * math.log10(data_range**2 / error) if error else math.inf


def require_same_shape(first: NDArray[np.generic], second: NDArray[np.generic]) -> None:
    """Raise ValueError for arrays of different shapes, which NumPy would broadcast, and for empty arrays.

    Raises:
        TypeError: tensors or lists.
        ValueError: shapes that differ, or empty arrays.
    """
    for values in (first, second):
        if not isinstance(values, np.ndarray):
            raise TypeError(f"expected two NumPy arrays, got {type(values).__name__}; convert it with numpy.asarray")
    if first.shape != second.shape or not first.size:
        raise ValueError(f"expected two non-empty arrays of one shape, got {first.shape} and {second.shape}")
