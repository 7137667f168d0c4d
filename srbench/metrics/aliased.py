"""PSNR where texture aliases: errors weighted by the detail that the LR cannot represent (version 1)."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from srbench.metrics.psnr import decibels, require_same_shape

# A Gaussian is cut off at this many standard deviations, which loses 6e-5 of its weight.
_REACH = 4


def aliasing_weight(reference: NDArray[np.number], *, cutoff: float, lobes: int, sigma: float) -> NDArray[np.float32]:
    """Return the local energy of the reference above a frequency: the smoothed square of its high-pass.

    Weight = Gaussian(sigma) of (Y - low-pass(Y))². The low-pass is separable, so its pass band is the square
    max(|f_x|, |f_y|) < cutoff that a sampling grid can hold: a sinc of that cut-off under a Lanczos window of `lobes`
    lobes on each side, of unit sum. Borders are mirrored with the edge pixel repeated. Where the reference is one
    sinusoid of amplitude A far above the cut-off the weight is A²/2, far below it 0, and A²/8 at the cut-off, where the
    low-pass lets half of the amplitude through.

    Args:
        reference: H×W luma of the whole HR image, any real dtype.
        cutoff: in cycles per pixel; 1/(2 · scale) is the Nyquist limit of the LR.
        lobes: lobes of the sinc on each side; the filter spans ±lobes/(2 · cutoff) pixels.
        sigma: standard deviation of the Gaussian in pixels.

    Returns:
        H×W, in the reference's unit squared, ≥ 0; exactly 0 where the reference is constant throughout. float32:
        filters of float64 take three times as long and move no score by 1e-5 dB.

    Raises:
        ValueError: not H×W, or a cut-off, lobes or sigma that are not positive.

    Source: Duchon, Lanczos filtering in one and two dimensions, J. Applied Meteorology 18, 1979.

    Examples:
        >>> x = np.arange(256)
        >>> fine, coarse = (np.tile(50 * np.cos(2 * np.pi * x / period), (64, 1)) for period in (8 / 3, 32))
        >>> [round(float(aliasing_weight(luma, cutoff=1 / 8, lobes=4, sigma=4)[32, 128])) for luma in (fine, coarse)]
        [1249, 0]
    """
    if reference.ndim != 2 or not reference.size:
        raise ValueError(f"aliasing_weight: expected luma of shape H×W, got shape {reference.shape}")
    if min(cutoff, lobes, sigma) <= 0:
        raise ValueError(
            f"aliasing_weight: expected a positive cut-off, lobes and sigma, got {cutoff}, {lobes}, {sigma}"
        )
    # A filter with sum 1 changes a constant only by rounding. With the constant subtracted the result is exactly 0.
    values = (reference - reference.flat[0]).astype(np.float32)
    high = values - _filter(values, _windowed_sinc(cutoff, lobes))
    return _filter(np.square(high), _gaussian(sigma))


def weighted_psnr(
    first: NDArray[np.generic], second: NDArray[np.generic], weight: NDArray[np.generic], *, data_range: float
) -> float | None:
    """Return 10 log10(data_range² / (Σ w·e² / Σ w)) in dB, summed in float64.

    Args:
        first, second: arrays of one shape, any real dtype.
        weight: of the same shape, ≥ 0.
        data_range: the largest possible difference, 255 for 8-bit images.

    Returns:
        +inf where the arrays agree wherever there is weight; None only if Σ w is 0.

    Raises:
        ValueError: shapes that differ, or empty arrays.

    Examples:
        >>> first, second = np.array([[0.0, 0.0]]), np.array([[5.0, 50.0]])
        >>> round(weighted_psnr(first, second, np.array([[1.0, 0.0]]), data_range=255), 4)
        34.1514
    """
    require_same_shape(first, second)
    require_same_shape(first, weight)
    total = float(np.sum(weight, dtype=np.float64))
    if total == 0:
        return None
    difference = first.astype(np.float64) - second.astype(np.float64)
    return decibels(float(np.sum(np.square(difference) * weight)) / total, data_range=data_range)


@lru_cache(maxsize=8)
def _windowed_sinc(cutoff: float, lobes: int) -> NDArray[np.float32]:
    half = round(lobes / (2 * cutoff))
    offsets = np.arange(-half, half + 1)
    # The window is 0 at the next pixel outside, so the filter ends here.
    taps = np.sinc(2 * cutoff * offsets) * np.sinc(offsets / (half + 1))
    return np.asarray(taps / taps.sum(), dtype=np.float32)


@lru_cache(maxsize=8)
def _gaussian(sigma: float) -> NDArray[np.float32]:
    half = math.ceil(_REACH * sigma)
    taps = np.exp(-(np.arange(-half, half + 1) ** 2) / (2 * sigma**2))
    return np.asarray(taps / taps.sum(), dtype=np.float32)


def _filter(image: NDArray[np.float32], taps: NDArray[np.float32]) -> NDArray[np.float32]:
    # Inside the function: trainings and listings use this package, too, and do not need OpenCV.
    import cv2

    filtered = cv2.sepFilter2D(image, cv2.CV_32F, taps, taps, borderType=cv2.BORDER_REFLECT)
    return np.asarray(filtered, dtype=np.float32)
