"""SSIM on a 512×512 luma pair against scikit-image and against the `cv2.filter2D` form that circulates with SR code."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.data import astronaut
from skimage.metrics import structural_similarity

from benchmarks.report import BenchRow, medians, milliseconds
from srbench.metrics import ssim
from srbench.protocols import MATLAB_LUMA

Luma = NDArray[np.float64]

_NAME = "SSIM, 512×512 luma pair, against the faster of scikit-image and cv2.filter2D"


def rows() -> list[BenchRow]:
    """Two rows: how many times faster than the better peer, and the largest distance between the three results."""
    first, second = _pair()
    results = [call(first, second) for call in (_ours, _scikit_image, _filter2d)]
    mine, skimage, filter2d = medians(
        lambda: _ours(first, second),
        lambda: _scikit_image(first, second),
        lambda: _filter2d(first, second),
        repeats=15,
    )
    peers = f"{milliseconds(skimage)}, {milliseconds(filter2d)}"
    distance = max(results) - min(results)
    return [
        BenchRow(_NAME, milliseconds(mine), peers, min(skimage, filter2d) / mine, "≥ 3", "times faster"),
        BenchRow("SSIM, distance to both", f"{results[0]:.13f}", f"{distance:.1e}", distance, "≤ 1e-12"),
    ]


def _pair() -> tuple[Luma, Luma]:
    image = astronaut()
    noisy = image + np.random.default_rng(0).normal(0, 8, image.shape)
    return MATLAB_LUMA(image), MATLAB_LUMA(noisy.clip(0, 255))


def _ours(first: Luma, second: Luma) -> float:
    return ssim(first, second, data_range=255, window=11, sigma=1.5, k1=0.01, k2=0.03)


def _scikit_image(first: Luma, second: Luma) -> float:
    # truncate = 3.5 makes scikit-image's window 11 wide, and its mean is over the region where the window fits.
    return float(
        structural_similarity(
            first, second, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
    )


def _filter2d(first: Luma, second: Luma) -> float:
    line = cv2.getGaussianKernel(11, 1.5)
    window = line @ line.T

    def blur(image: Luma) -> Luma:
        return np.asarray(cv2.filter2D(image, -1, window)[5:-5, 5:-5], dtype=np.float64)

    mean_x, mean_y = blur(first), blur(second)
    variance_x = blur(first * first) - mean_x * mean_x
    variance_y = blur(second * second) - mean_y * mean_y
    covariance = blur(first * second) - mean_x * mean_y
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    numerator = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    return float((numerator / ((mean_x**2 + mean_y**2 + c1) * (variance_x + variance_y + c2))).mean())
