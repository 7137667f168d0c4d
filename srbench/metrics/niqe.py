"""NIQE: natural image quality evaluator (Mittal, Soundararajan, Bovik, IEEE SPL 2013); it needs no HR."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, special

from srbench.errors import MetricError
from srbench.resize import imresize

Plane = NDArray[np.float64]

BLOCK = 96
"""Side of the blocks at full size, in pixels; half of it at half size."""

_PARAMETERS = Path(__file__).with_name("data") / "niqe_pris_params.safetensors"
_SHIFTS = ((0, 1), (1, 0), (1, 1), (1, -1))


def niqe(plane: NDArray[np.floating | np.integer]) -> float:
    """Return the NIQE score of one plane; lower is better.

    Args:
        plane: H×W in 0…255. It is rounded to integers, and cut right and bottom to whole blocks of 96×96. The luma
            matters: MATLAB's Y (BasicSR) and full-range luma (pyiqa) typically differ by 0.1.

    Raises:
        MetricError: less than two blocks, or an image without any contrast.

    Source: the authors' MATLAB release, as BasicSR 8d56e3a computes it: shape searched on 0.2 … 10 in steps of
    0.001, border pixels replicated, half size by MATLAB's antialiased bicubic of the unrounded plane.
    """
    values: Plane = np.round(plane).astype(np.float64)
    rows, columns = (side // BLOCK for side in values.shape)
    if rows * columns < 2:
        raise MetricError(
            f"expected an image of at least two blocks of {BLOCK}×{BLOCK} pixels for NIQE, got "
            f"{values.shape[1]}×{values.shape[0]}"
        )
    values = values[: rows * BLOCK, : columns * BLOCK]
    full = _features(values, BLOCK)
    half = _features(imresize(values / 255, 1 / 2) * 255, BLOCK // 2)
    return _distance(np.concatenate([full, half], axis=1))


def _features(plane: Plane, block: int) -> Plane:
    """Return the 18 features of each block, one row per block, column by column of the image."""
    normalised = _normalised(plane)
    rows, columns = (side // block for side in plane.shape)
    return np.array(
        [
            list(_block_features(normalised[i * block : (i + 1) * block, j * block : (j + 1) * block]))
            for j in range(columns)
            for i in range(rows)
        ]
    )


def _normalised(plane: Plane) -> Plane:
    """Subtract the local mean and divide by the local deviation plus 1."""
    window = _parameters()["gaussian_window"]
    mean = ndimage.convolve(plane, window, mode="nearest")
    deviation = np.sqrt(np.abs(ndimage.convolve(plane**2, window, mode="nearest") - mean**2))
    return np.asarray((plane - mean) / (deviation + 1))


def _block_features(block: Plane) -> Iterator[float]:
    shape, left, right = _asymmetric_fit(block)
    yield from (shape, (left + right) / 2)
    for shift in _SHIFTS:
        shape, left, right = _asymmetric_fit(block * np.roll(block, shift, axis=(0, 1)))
        mean = (right - left) * (special.gamma(2 / shape) / special.gamma(1 / shape))
        yield from (shape, mean, left, right)


def _asymmetric_fit(block: Plane) -> tuple[float, float, float]:
    """Fit an asymmetric generalised Gaussian: return shape, left and right scale (Lasmar, Stitou, Berthoumieu 2009)."""
    values = block.ravel()
    with np.errstate(invalid="ignore", divide="ignore"):
        left = np.sqrt(np.mean(values[values < 0] ** 2)) if (values < 0).any() else np.nan
        right = np.sqrt(np.mean(values[values > 0] ** 2)) if (values > 0).any() else np.nan
        ratio = left / right
        generalised = np.mean(np.abs(values)) ** 2 / np.mean(values**2)
        wanted = generalised * (ratio**3 + 1) * (ratio + 1) / (ratio**2 + 1) ** 2
    shapes, ratios = _shapes()
    shape = float(shapes[np.argmin((ratios - wanted) ** 2)])
    factor = np.sqrt(special.gamma(1 / shape) / special.gamma(3 / shape))
    return shape, float(left * factor), float(right * factor)


@cache
def _shapes() -> tuple[Plane, Plane]:
    """Return the candidate shapes, and the ratio of moments of each."""
    shapes = np.arange(0.2, 10.001, 0.001)
    inverse = 1 / shapes
    return shapes, special.gamma(inverse * 2) ** 2 / (special.gamma(inverse) * special.gamma(inverse * 3))


def _distance(features: Plane) -> float:
    """Return the distance between the Gaussians of these features and of pristine images (the paper's equation 10)."""
    parameters = _parameters()
    complete = features[~np.isnan(features).any(axis=1)]
    if len(complete) < 2:
        raise MetricError("expected an image with contrast in at least two blocks for NIQE, got a nearly plain one")
    mean = np.nanmean(features, axis=0)
    covariance = (parameters["cov_pris_param"] + np.cov(complete, rowvar=False)) / 2
    difference = parameters["mu_pris_param"] - mean
    return float(np.sqrt(difference @ np.linalg.pinv(covariance) @ difference.T).item())


@cache
def _parameters() -> dict[str, Plane]:
    # Inside the function: listings of metrics must not wait for safetensors.
    from safetensors.numpy import load_file

    found: dict[str, Plane] = load_file(_PARAMETERS)
    return found
