"""Statistics of paired scores: two models image by image, two ways of training seed by seed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from srbench.errors import ComparisonError

MIN_IMAGES = 10
"""Below this many images neither an interval nor a p-value means anything, so only differences are given."""


@dataclass(frozen=True)
class PairedDifference:
    """One metric on one dataset, A minus B, in the metric's unit (dB for PSNR).

    `n` images are paired. `mean` is over the finite differences, and None if an image lacks the score. `interval` is
    Student's 95 % interval of that mean over images. `p_value` is the two-sided p-value of Wilcoxon's signed-rank test,
    and `p_holm` is the same, corrected by Holm's method over the datasets of one protocol, scale and metric. Below
    `MIN_IMAGES` images all three are None. `won` and `lost` are the shares of images on which A has the higher or the
    lower score; for a metric where lower is better, `compare_runs` exchanges them.
    """

    n: int
    mean: float | None
    interval: tuple[float, float] | None
    p_value: float | None
    p_holm: float | None
    won: float | None
    lost: float | None


def paired_difference(a: NDArray[np.float64], b: NDArray[np.float64]) -> PairedDifference:
    """Compare two equally long float64 vectors of one metric, one value per image; `p_holm` stays None.

    Two infinite scores differ by 0. A single infinite score is left out of mean and interval; it counts as a win in the
    shares and as the largest rank in the test. With a NaN, everything except `n` is None.

    Examples:
        >>> b = np.arange(30.0, 40.0)
        >>> found = paired_difference(b + 0.1, b)
        >>> round(found.mean, 3), round(found.p_value, 5), found.won
        (0.1, 0.00195, 1.0)
    """
    n = len(a)
    if n == 0 or np.isnan(a).any() or np.isnan(b).any():
        return PairedDifference(n, None, None, None, None, None, None)
    with np.errstate(invalid="ignore"):
        difference = np.where(a == b, 0.0, a - b)
    finite = difference[np.isfinite(difference)]
    enough = len(finite) >= MIN_IMAGES
    return PairedDifference(
        n=n,
        mean=float(finite.mean()) if len(finite) else None,
        interval=student_interval(finite) if enough else None,
        p_value=signed_rank_p(difference) if enough else None,
        p_holm=None,
        won=float((difference > 0).mean()),
        lost=float((difference < 0).mean()),
    )


def student_interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return Student's 95 % interval of the mean of a finite vector of at least two values (Student 1908)."""
    low, high = student_intervals(values)
    return float(low), float(high)


def student_intervals(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Student's 95 % interval of the mean of each row: float64 …×n in (n >= 2), lower and upper end …×2 out."""
    n = values.shape[-1]
    mean = values.mean(axis=-1)
    reach = stats.t.ppf(0.975, n - 1) * values.std(axis=-1, ddof=1) / math.sqrt(n)
    return np.stack([mean - reach, mean + reach], axis=-1)


def signed_rank_p(difference: NDArray[np.float64]) -> float:
    """Return the two-sided p-value of Wilcoxon's signed-rank test. Zeros are dropped; if all are zero, p is 1."""
    moved = difference[difference != 0]
    return float(stats.wilcoxon(moved).pvalue) if len(moved) else 1.0


def signed_rank_ps(difference: NDArray[np.float64]) -> list[float]:
    """Return `signed_rank_p` of each row of a k×n array; much faster than one call per row."""
    # scipy chooses one method for all rows; rows with zeros or ties need another one, so they are tested one by one.
    sizes = np.sort(np.abs(difference), axis=1)
    plain = (sizes[:, 1:] != sizes[:, :-1]).all(axis=1) & (sizes[:, 0] > 0)
    found = np.array([np.nan if alike else signed_rank_p(row) for row, alike in zip(difference, plain, strict=True)])
    if plain.any():
        found[plain] = stats.wilcoxon(difference[plain], axis=1).pvalue
    return [float(p) for p in found]


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction (1979): adjusted p-values in the order given, each at most 1.

    Examples:
        >>> holm([0.5, 0.01, 0.02])
        [0.5, 0.03, 0.04]
    """
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted


def top_tier(
    means: Sequence[float], images: Callable[[Sequence[int]], NDArray[np.float64]], *, n: int, tie: float
) -> list[bool]:
    """Return which of k models share the highest tier; higher means are better. This is the rule of all rankings.

    The leader has the highest mean. Its tier is every model whose mean is within `tie` of the leader's, or that is not
    significantly below it: Wilcoxon's signed-rank test over the images, corrected by Holm's method over the models that
    are compared with the leader, at 5 %. With fewer than `MIN_IMAGES` images only `tie` counts. Models with means
    between these belong to the tier, too: the test alone could put a model below another one with a lower mean.

    Args:
        means: k mean scores, at least one.
        images: returns the scores of some of the models, m×n, in the order of the numbers given. It is called only
            where the test decides.
        n: number of images.
        tie: the largest difference of means that counts as equal, in the unit of the scores.

    Examples:
        >>> scores = np.array([[1.0, 1.0], [0.995, 0.995], [0.5, 0.5]])
        >>> top_tier([1.0, 0.995, 0.5], lambda chosen: scores[chosen], n=2, tie=0.01)
        [True, True, False]
    """
    leader = max(range(len(means)), key=lambda index: means[index])
    # The small term makes a difference equal to the limit count as within it, in spite of rounding.
    found = [mean == means[leader] or means[leader] - mean <= tie + 1e-9 for mean in means]
    if n >= MIN_IMAGES and not all(found):
        others = [index for index in range(len(means)) if index != leader]
        scores = images([leader, *others])
        for index, below in zip(others, significantly_below(scores[0], scores[1:]), strict=True):
            found[index] = found[index] or not below
    lowest = min(mean for mean, shares in zip(means, found, strict=True) if shares)
    return [mean >= lowest for mean in means]


def significantly_below(highest: NDArray[np.float64], scores: NDArray[np.float64]) -> list[bool]:
    """Return which of k rows of n scores (k×n) are significantly below `highest`, n scores of the same images.

    Wilcoxon's signed-rank test at 5 %, corrected by Holm's method over the rows. Two infinite scores are equal.
    """
    with np.errstate(invalid="ignore"):
        difference = np.where(scores == highest, 0.0, highest - scores)
    return [p < 0.05 for p in holm(signed_rank_ps(difference))]


def corrected_by_holm(differences: Sequence[PairedDifference]) -> list[PairedDifference]:
    """Return the differences with `p_holm`, corrected as one family of tests; None for those without a p-value."""
    adjusted = iter(holm([one.p_value for one in differences if one.p_value is not None]))
    return [one if one.p_value is None else replace(one, p_holm=next(adjusted)) for one in differences]


Outcome = Literal["better", "worse", "equivalent", "undecided"]
"""The outcome of a controlled comparison for the first of two ways of training."""


@dataclass(frozen=True)
class SeedDifference:
    """The difference of two ways of training, A minus B, over seeds: one mean over images per seed, in dB for PSNR.

    `interval` is Student's 95 % interval of the mean difference over `n` paired seeds, `p_value` the paired t-test,
    two-sided. `detectable` is the smallest true difference that a study with as many seeds and the same spread finds in
    four of five cases (power 0.8, two-sided 5 %). `p_equivalent` is the larger p of the two one-sided tests against the
    margin on either side (Schuirmann 1987). All are None below two seeds. `outcome` is "equivalent" if `p_equivalent`
    is below 5 %, even if the difference is significant, because a difference below the margin does not matter; else
    "better" or "worse" if the interval does not contain 0; else "undecided".
    """

    n: int
    mean: float
    deviation: float | None
    interval: tuple[float, float] | None
    p_value: float | None
    detectable: float | None
    margin: float
    p_equivalent: float | None
    outcome: Outcome


FAR_APART = 0.25
"""If the largest and the smallest PSNR of one arm's seeds are further apart than this many dB, some of its trainings
have failed. In the studies here, stable trainings of an arm differ by up to 0.12 dB; where the loss of one rose to many
times its value and the training started over, they differ by 0.39 dB or more.
"""


def far_apart(values: Sequence[float | None]) -> bool:
    """Return whether the PSNR of an arm's seeds, in dB, is too far apart for Student's t.

    None stands for a seed without a PSNR, whose training diverged.
    """
    found = [value for value in values if value is not None]
    return bool(found) and max(found) - min(found) > FAR_APART


def seed_difference(a: NDArray[np.float64], b: NDArray[np.float64], *, margin: float) -> SeedDifference:
    """Compare two equally long, finite float64 vectors, one value per seed, paired by position.

    Raises ComparisonError for no seeds, unequal lengths, values that are not finite, or a margin that is not positive.

    Examples:
        >>> a, b = np.array([30.11, 30.12, 30.10, 30.12]), np.array([30.00, 30.01, 30.00, 30.02])
        >>> found = seed_difference(a, b, margin=0.02)
        >>> round(found.mean, 3), [round(end, 3) for end in found.interval], found.outcome
        (0.105, [0.096, 0.114], 'better')
    """
    if len(a) != len(b) or not len(a) or not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ComparisonError(
            f"expected one finite value per seed and arm, got {a.tolist()} and {b.tolist()}; "
            "finish the runs of every seed first"
        )
    if not margin > 0:
        raise ComparisonError(f"expected an equivalence margin above 0, got {margin}")
    difference, n = a - b, len(a)
    mean = float(difference.mean())
    if n < 2:
        return SeedDifference(n, mean, None, None, None, None, margin, None, "undecided")
    deviation = float(difference.std(ddof=1))
    error = deviation / math.sqrt(n)
    interval = student_interval(difference)
    p_equivalent = max(_upper_tail(mean + margin, error, n - 1), _upper_tail(margin - mean, error, n - 1))
    return SeedDifference(
        n=n,
        mean=mean,
        deviation=deviation,
        interval=interval,
        p_value=min(1.0, 2 * _upper_tail(abs(mean), error, n - 1)),
        detectable=smallest_detectable(deviation, n),
        margin=margin,
        p_equivalent=p_equivalent,
        outcome=_outcome(interval, p_equivalent),
    )


def smallest_detectable(deviation: float, n: int, *, power: float = 0.8) -> float:
    """Return the true mean difference that a two-sided paired t-test at 5 % detects with this power over `n` >= 2
    pairs.

    `deviation` is the standard deviation of the differences, in whose unit the result is; from the noncentral t.
    """
    return _detectable_noncentrality(n, power) * deviation / math.sqrt(n)


@cache
def _detectable_noncentrality(n: int, power: float) -> float:
    degrees = n - 1
    critical = float(stats.t.ppf(0.975, degrees))

    def lacking(noncentrality: float) -> float:
        # At such a power, the other tail of the test adds less than 1e-5.
        return float(stats.nct.sf(critical, degrees, noncentrality)) - power

    return float(optimize.brentq(lacking, 0.0, 2 * critical + 4))


def _upper_tail(distance: float, error: float, degrees: int) -> float:
    """Return P(T > distance / error); without any spread over the seeds it is 0 or 1."""
    if error == 0:
        return 0.0 if distance > 0 else 0.5 if distance == 0 else 1.0
    return float(stats.t.sf(distance / error, degrees))


def _outcome(interval: tuple[float, float], p_equivalent: float) -> Outcome:
    if p_equivalent < 0.05:
        return "equivalent"
    if interval[0] > 0:
        return "better"
    return "worse" if interval[1] < 0 else "undecided"


def p_text(value: float | None, *, missing: str = "-") -> str:
    """Return a p-value as commands, reports and pages show it: two digits, or `< 0.0001`; `missing` for None."""
    if value is None:
        return missing
    return f"{value:.2g}" if value >= 1e-4 else "< 0.0001"
