"""Paired comparison: two runs image by image, two ways of training seed by seed; like with like or not at all."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import optimize, stats

from srbench.errors import ComparisonError, listed
from srbench.scores import Record, Run

MIN_IMAGES = 10
"""Below this many images neither an interval nor a p-value means anything, so only differences are given."""
METRICS = ("psnr_y", "ssim_y", "psnr_rgb", "ssim_rgb", "psnr_y_aliased")
"""The score columns that are compared, as far as both runs have them."""
STATEMENT = "This holds for two checkpoints on these images, not for their architectures."
"""What a comparison does not say: another training of either network may turn it round."""

_IMAGE_KEY = ["protocol", "scale", "dataset", "image"]
_SAME = {"protocol_version": "protocol version", "hr_sha256": "HR", "lr_sha256": "LR"}
_FORMS = ("precision", "tile", "self_ensemble", "optimise")  # each moves the score, so each forms a group of its own
_TRAINING = ("recipe", "training_data", "steps")  # without which nothing says that two trainings were alike
_TRAINING_HASHES = ("recipe_sha256", "training_fingerprint")  # a name may stand for two recipes or two sets


@dataclass(frozen=True)
class PairedDifference:
    """One metric on one dataset, A minus B, in the metric's unit (dB for PSNR).

    `n` images are paired. `mean` is over the finite differences, and None if an image lacks the score. `interval` is
    Student's 95 % interval of that mean over images. `p_value` is the two-sided p-value of Wilcoxon's signed-rank test,
    and `p_holm` is the same, corrected by Holm's method over the datasets of one protocol, scale and metric. Below
    `MIN_IMAGES` images all three are None. `won` and `lost` are the shares of images on which A has the higher or the
    lower score.
    """

    n: int
    mean: float | None
    interval: tuple[float, float] | None
    p_value: float | None
    p_holm: float | None
    won: float | None
    lost: float | None


@dataclass(frozen=True)
class Comparison:
    """Two runs under one protocol and scale: `datasets[dataset][metric]`, and in `unmatched` what else differs."""

    model_a: str
    model_b: str
    scale: int
    protocol: str
    datasets: dict[str, dict[str, PairedDifference]]
    unmatched: tuple[str, ...]


def compare_runs(a: Run, b: Run, *, unmatched: bool = False) -> list[Comparison]:
    """Compare two runs image by image, one `Comparison` per protocol and scale, in the order of run A.

    Raises ComparisonError when protocol, scale, images, HR or LR differ, or, unless `unmatched`, when precision, tile,
    self-ensemble or training do; `unmatched` lists those differences instead.
    """
    left, right = _indexed(a, "A"), _indexed(b, "B")
    _require_same_inputs(left, right)
    differs = tuple(unmatched_settings(a.record, b.record))
    if differs and not unmatched:
        raise ComparisonError(f"the runs are not made alike: {'; '.join(differs)}; --unmatched compares them anyway")
    pairs = left.add_suffix("_a").join(right.add_suffix("_b"))
    return [_comparison(rows, differs) for _, rows in pairs.groupby(level=["protocol", "scale"], sort=False)]


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


def hold_zero(best: NDArray[np.float64], scores: NDArray[np.float64]) -> list[bool]:
    """Return whether Student's 95 % interval of the mean paired difference contains 0: n scores against k×n others.

    Two infinite scores are equal. An infinite difference is never 0.
    """
    with np.errstate(invalid="ignore"):
        difference = np.where(scores == best, 0.0, best - scores)
    finite = np.isfinite(difference).all(axis=1)
    held = np.zeros(len(scores), dtype=bool)
    intervals = student_intervals(difference[finite])
    held[finite] = (intervals[:, 0] <= 0) & (intervals[:, 1] >= 0)
    return [bool(verdict) for verdict in held]


def signed_rank_p(difference: NDArray[np.float64]) -> float:
    """Return the two-sided p-value of Wilcoxon's signed-rank test. Zeros are dropped; if all are zero, p is 1."""
    moved = difference[difference != 0]
    return float(stats.wilcoxon(moved).pvalue) if len(moved) else 1.0


def signed_rank_ps(difference: NDArray[np.float64]) -> list[float]:
    """Return `signed_rank_p` of each row of a k×n array; much faster than one call per row."""
    # scipy chooses the method for all rows together, by zeros and ties in any of them: such rows are tested singly.
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


def corrected_by_holm(differences: Sequence[PairedDifference]) -> list[PairedDifference]:
    """The differences with their `p_holm`, all of them being one family of tests; without a p-value it stays None."""
    adjusted = iter(holm([one.p_value for one in differences if one.p_value is not None]))
    return [one if one.p_value is None else replace(one, p_holm=next(adjusted)) for one in differences]


Outcome = Literal["better", "worse", "equivalent", "undecided"]
"""What a controlled comparison of two ways of training says of the first."""


@dataclass(frozen=True)
class SeedDifference:
    """Two ways of training, A minus B, where the seed is the unit: one mean over images per seed, in dB for PSNR.

    `interval` is Student's 95 % interval of the mean difference over `n` paired seeds, `p_value` the paired t-test,
    two-sided. `detectable` is the smallest true difference that this many seeds of this spread would find in four
    studies of five (power 0.8, two-sided 5 %). `p_equivalent` is the larger p of the two one-sided tests against the
    margin on either side (Schuirmann 1987). All are None below two seeds. `outcome` is "equivalent" where
    `p_equivalent` is below 5 %, be the difference other than 0 or not: the margin was set as what does not matter;
    else "better" or "worse" where the interval leaves out 0; else "undecided".
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


FAR_APART = 0.5
"""dB between the largest and the smallest value of one arm's seeds beyond which some of its trainings broke down: those
of a steady training lie within some hundredths."""


def far_apart(values: Sequence[float | None]) -> bool:
    """Whether the PSNR of one arm's seeds, in dB, is no spread around a mean, which Student's t takes it for.

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
    """The true mean difference that a two-sided paired t-test at 5 % finds with this power, given `n` >= 2 pairs.

    `deviation` is the standard deviation of the differences, in whose unit the result is; from the noncentral t.
    """
    return _detectable_noncentrality(n, power) * deviation / math.sqrt(n)


@cache
def _detectable_noncentrality(n: int, power: float) -> float:
    degrees = n - 1
    critical = float(stats.t.ppf(0.975, degrees))

    def lacking(noncentrality: float) -> float:
        # What the test's other side adds is below 1e-5 at such a power.
        return float(stats.nct.sf(critical, degrees, noncentrality)) - power

    return float(optimize.brentq(lacking, 0.0, 2 * critical + 4))


def _upper_tail(distance: float, error: float, degrees: int) -> float:
    """P(T > distance / error); seeds that all differ by the same leave no doubt on either side."""
    if error == 0:
        return 0.0 if distance > 0 else 0.5 if distance == 0 else 1.0
    return float(stats.t.sf(distance / error, degrees))


def _outcome(interval: tuple[float, float], p_equivalent: float) -> Outcome:
    if p_equivalent < 0.05:
        return "equivalent"
    if interval[0] > 0:
        return "better"
    return "worse" if interval[1] < 0 else "undecided"


def _comparison(rows: pd.DataFrame, differs: tuple[str, ...]) -> Comparison:
    return Comparison(
        model_a=str(rows["model_a"].iloc[0]),
        model_b=str(rows["model_b"].iloc[0]),
        scale=int(rows.index.get_level_values("scale")[0]),
        protocol=str(rows.index.get_level_values("protocol")[0]),
        datasets=_tables(rows),
        unmatched=differs,
    )


def _tables(rows: pd.DataFrame) -> dict[str, dict[str, PairedDifference]]:
    metrics = [metric for metric in METRICS if _scored(rows, f"{metric}_a") and _scored(rows, f"{metric}_b")]
    tables: dict[str, dict[str, PairedDifference]] = {
        str(dataset): {
            metric: paired_difference(_values(images, f"{metric}_a"), _values(images, f"{metric}_b"))
            for metric in metrics
        }
        for dataset, images in rows.groupby(level="dataset", sort=False)
    }
    for metric in metrics:
        corrected = corrected_by_holm([table[metric] for table in tables.values()])
        for table, found in zip(tables.values(), corrected, strict=True):
            table[metric] = found
    return tables


def _scored(rows: pd.DataFrame, column: str) -> bool:
    return column in rows and bool(rows[column].notna().any())


def _values(rows: pd.DataFrame, column: str) -> NDArray[np.float64]:
    return rows[column].to_numpy(dtype=np.float64, na_value=math.nan)


def _indexed(run: Run, which: str) -> pd.DataFrame:
    scores = run.scores.set_index(_IMAGE_KEY)
    if scores.empty:
        raise ComparisonError(f"run {which} holds no scores; evaluate it first")
    if scores.index.has_duplicates:
        twice = scores.index[scores.index.duplicated()][0]
        raise ComparisonError(f"run {which} scores {_spell(twice)} twice; a comparison needs one row per image")
    return scores


def _require_same_inputs(left: pd.DataFrame, right: pd.DataFrame) -> None:
    for level in ("protocol", "scale"):
        in_a, in_b = _level(left, level), _level(right, level)
        if in_a != in_b:
            raise ComparisonError(
                f"the {level}s differ: A has {', '.join(in_a)}, B has {', '.join(in_b)}; evaluate both alike"
            )
    alone = left.index.symmetric_difference(right.index)
    if len(alone):
        raise ComparisonError(f"the images differ: only one run has {_some(alone)}; evaluate both on the same images")
    theirs = right.reindex(left.index)
    unlike = left.index[(left["lr_source"] == "any").to_numpy() != (theirs["lr_source"] == "any").to_numpy()]
    if len(unlike):
        raise ComparisonError(
            f"only one run used LR files of any origin (--lr any) for {_some(unlike)}; such scores form a group of "
            "their own: evaluate both runs with the same --lr"
        )
    for column, what in _SAME.items():
        unequal = left.index[left[column].to_numpy() != theirs[column].to_numpy()]
        if len(unequal):
            raise ComparisonError(f"the {what} differs for {_some(unequal)}; evaluate both runs on the same {what}")


def _level(scores: pd.DataFrame, level: str) -> list[str]:
    return sorted({str(value) for value in scores.index.get_level_values(level)})


def _some(keys: Iterable[Any]) -> str:
    return listed([_spell(key) for key in keys], 3)


def _spell(key: tuple[Any, ...]) -> str:
    protocol, scale, dataset, image = key
    return f"{dataset}/{image} (×{scale}, {protocol})"


def unmatched_settings(a: Record, b: Record) -> Iterator[str]:
    """Yield in words what differs in how two runs, A and B, were made, and for a base and its variant, trained.

    `a` and `b` are run records.
    """
    for name in _FORMS:
        in_a, in_b = a["key"].get(name), b["key"].get(name)
        if in_a != in_b:
            yield f"{name.replace('_', '-')} is {in_a} in A and {in_b} in B"
    if _base_and_variant(a["model"], b["model"]):
        forms = [model.get("form", "authors") for model in (a["model"], b["model"])]
        if forms[0] != forms[1]:
            yield f"the form of A is {forms[0]}, of B {forms[1]}"
        starts = [model.get("init") or {} for model in (a["model"], b["model"])]
        if starts[0].get("origin") != starts[1].get("origin"):
            told = [start.get("source", "scratch") for start in starts]
            yield f"A was trained from {told[0]}, B from {told[1]}, which are no pair"
        for name in (*_TRAINING, *_TRAINING_HASHES):
            in_a, in_b = a["model"].get(name), b["model"].get(name)
            if in_a != in_b or (in_a is None and name in _TRAINING):
                yield f"the {name.replace('_', ' ')} of A is {in_a or 'unknown'}, of B {in_b or 'unknown'}"


def _base_and_variant(a: Record, b: Record) -> bool:
    """Whether two models are one network with unlike attention, as imdn and imdn-bam; else their specs tell."""
    if a.get("network") and b.get("network"):
        return bool(a["network"] == b["network"] and a.get("attention") != b.get("attention"))
    shorter, longer = sorted((model["spec"].partition("@")[0] for model in (a, b)), key=len)
    return bool(longer.startswith(f"{shorter}-"))
