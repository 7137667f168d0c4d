"""The 95 % BCa interval of `srbench.statistics`, for many vectors of one length at once.

One comparison takes milliseconds, a table of a thousand entries needs thousands of them: here all of them share the
resamples, whose means are one matrix product.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from srbench.statistics import RESAMPLES, resamples_at_once

Floats = NDArray[np.float64]

_LEVELS = (0.025, 0.975)
_ROWS = 256  # vectors at once: 20 MB of resampled means


def bca_intervals(values: Floats, *, seed: int = 0) -> Floats:
    """The 95 % BCa bootstrap intervals of the means of k finite vectors, k×n in, k×2 out.

    Equal to `srbench.statistics.bca_interval` of each vector with the same seed, to rounding, unless resampled means
    tie with the mean. A vector of equal values has that point as its interval.
    """
    if not len(values):
        return np.empty((0, 2))
    parts = [_intervals(values[start : start + _ROWS], seed) for start in range(0, len(values), _ROWS)]
    return np.concatenate(parts)


def _intervals(values: Floats, seed: int) -> Floats:
    means = values.mean(axis=1)
    flat = np.ptp(values, axis=1) == 0
    resampled = np.concatenate([values @ weights for weights in _weights(values.shape[1], seed)], axis=1)
    resampled.sort(axis=1)
    levels = _adjusted(values, resampled, means)
    low_high = np.stack([_quantile(resampled, level) for level in levels], axis=1)
    return np.where(flat[:, None], values[:, :1], low_high)


def _weights(n: int, seed: int) -> Iterator[Floats]:
    """How often each of n values is drawn, over n, a column per resample: SciPy's own draws, in its order."""
    generator = np.random.default_rng(seed)
    batch = resamples_at_once(n)
    for start in range(0, RESAMPLES, batch):
        size = min(batch, RESAMPLES - start)
        drawn = generator.integers(0, n, (size, n)) + np.arange(size)[:, None] * n
        yield (np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n) / n).T


def _adjusted(values: Floats, resampled: Floats, means: Floats) -> list[Floats]:
    """The levels at which the bias-corrected and accelerated interval cuts the resampled means (Efron 1987)."""
    tolerance = 1e-12 * np.maximum(1, np.abs(means))[:, None]  # the product rounds otherwise than a mean
    below = (resampled < means[:, None] - tolerance).mean(axis=1)
    not_above = (resampled <= means[:, None] + tolerance).mean(axis=1)
    bias = ndtri((below + not_above) / 2)
    deviation = values - means[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        acceleration = (deviation**3).sum(axis=1) / (6 * (deviation**2).sum(axis=1) ** 1.5)
        shifts = [bias + ndtri(level) for level in _LEVELS]
        levels = [ndtr(bias + shift / (1 - acceleration * shift)) for shift in shifts]
    return [np.nan_to_num(level, nan=0.5) for level in levels]


def _quantile(ordered: Floats, level: Floats) -> Floats:
    """The quantile of each ascending row at its own level, between two order statistics linearly."""
    place = level * (ordered.shape[1] - 1)
    lower = np.floor(place).astype(np.int64)
    upper = np.minimum(lower + 1, ordered.shape[1] - 1)
    row = np.arange(len(ordered))
    low, high = ordered[row, lower], ordered[row, upper]
    return np.asarray(low + (place - lower) * (high - low))
