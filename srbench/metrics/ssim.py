"""Structural similarity (Wang, Bovik, Sheikh, Simoncelli, IEEE TIP 2004)."""

from __future__ import annotations

from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray

from srbench.metrics.psnr import require_same_shape

# Rows computed at a time: the dozen intermediate maps of a strip then fit into the processor's cache.
_STRIP = 118


def ssim(
    first: NDArray[np.generic],
    second: NDArray[np.generic],
    *,
    data_range: float,
    window: int,
    sigma: float,
    k1: float,
    k2: float,
    clip_contrast: bool,
) -> float:
    """Return the mean SSIM over the region where the Gaussian window fits inside the image, in float64.

    Args:
        first, second: H×W, or H×W×C (the mean over the channels), of one shape, any real dtype.
        data_range: the largest possible difference L, 255 for 8-bit images.
        window: side of the square Gaussian window in pixels (11 in the paper), odd.
        sigma: its standard deviation in pixels (1.5 in the paper).
        k1, k2: the stabilising constants (0.01 and 0.03 in the paper).
        clip_contrast: replace a negative contrast-structure term by 0, as pyiqa does; the paper does not.

    Raises:
        ValueError: shapes that differ, other dimensions, an even window, a side below `window` pixels, or a sigma that
            is not positive.

    Source: the paper's equation 13 with the authors' ``ssim_index.m``: population statistics, no downsampling.

    Examples:
        >>> paper = {"window": 11, "sigma": 1.5, "k1": 0.01, "k2": 0.03, "clip_contrast": False}
        >>> gray = np.full((16, 16), 100, dtype=np.uint8)
        >>> round(ssim(gray, gray + 5, data_range=255, **paper), 4)
        0.9988
    """
    require_same_shape(first, second)
    if first.ndim not in (2, 3):
        raise ValueError(f"ssim: expected H×W or H×W×C, got shape {first.shape}")
    if window % 2 == 0 or not 0 < window <= min(first.shape[:2]):
        raise ValueError(f"ssim: expected an odd window that fits the image, got {window} for {first.shape[:2]}")
    if sigma <= 0:
        raise ValueError(f"ssim: expected a positive sigma, got {sigma}")
    if first.ndim == 3:
        of_channel = partial(
            ssim, data_range=data_range, window=window, sigma=sigma, k1=k1, k2=k2, clip_contrast=clip_contrast
        )
        values = [of_channel(first[..., channel], second[..., channel]) for channel in range(first.shape[2])]
        return float(np.mean(values))
    total, count = 0.0, 0
    for start in range(0, first.shape[0] - window + 1, _STRIP):
        rows = slice(start, start + _STRIP + window - 1)
        constants = (k1 * data_range) ** 2, (k2 * data_range) ** 2
        part = _ssim_map(first[rows], second[rows], _gaussian(window, sigma), constants, clip_contrast)
        total, count = total + float(part.sum()), count + part.size
    return total / count


@lru_cache(maxsize=8)
def _gaussian(window: int, sigma: float) -> NDArray[np.float64]:
    offsets = np.arange(window) - window // 2
    weights = np.exp(-(offsets**2) / (2 * sigma**2))
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def _ssim_map(
    first: NDArray[np.generic],
    second: NDArray[np.generic],
    kernel: NDArray[np.float64],
    constants: tuple[float, float],
    clip_contrast: bool,
) -> NDArray[np.float64]:
    c1, c2 = constants
    x, y = first.astype(np.float64), second.astype(np.float64)
    mean_x, mean_y = _blur(x, kernel), _blur(y, kernel)
    product, squares = mean_x * mean_y, mean_x * mean_x + mean_y * mean_y
    # Only the sum of the variances is needed, so it is filtered once.
    covariance = _blur(x * y, kernel) - product
    variances = _blur(x * x + y * y, kernel) - squares
    contrast = 2 * covariance + c2
    if clip_contrast:  # the denominator is positive, so the term has the sign of its numerator
        contrast = np.maximum(contrast, 0)
    return (2 * product + c1) * contrast / ((squares + c1) * (variances + c2))


def _blur(image: NDArray[np.float64], kernel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Separable Gaussian filtering, only where the complete window is inside the image."""
    # Inside the function: trainings and listings use this package, too, and do not need OpenCV.
    import cv2

    half = len(kernel) // 2
    height, width = image.shape
    filtered = cv2.sepFilter2D(image, cv2.CV_64F, kernel, kernel, borderType=cv2.BORDER_REFLECT)
    return np.asarray(filtered[half : height - half, half : width - half])
