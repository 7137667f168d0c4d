"""Choose learning rates from the trainings of a search: one for each arm, and one that all arms share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

from srbench.errors import StudyError
from srbench.records.study import ChosenRate, RateSearch, StudyPlan

Frozen = dict[str, ChosenRate]
"""The learning rate of each arm, with the rates that were tried."""


def choose(tried: Iterable[tuple[float, float | None]]) -> float:
    """Return the learning rate with the highest held-out PSNR among (rate, PSNR or None); of equal ones the lowest
    rate.

    Raises StudyError where no rate has a PSNR.
    """
    measured = [(-psnr, rate) for rate, psnr in tried if psnr is not None]
    if not measured:
        raise StudyError("expected a learning rate at which the training stays finite, got none; plan lower ones")
    return min(measured)[1]


def freeze(study: StudyPlan, found: Mapping[str, Mapping[float, Sequence[float | None]]]) -> Frozen:
    """Return the rates of all arms from the held-out PSNR of each search seed, by arm and rate; None where it diverged.

    Raises StudyError where an arm has no rate to take, or all arms have none to share.
    """
    if study.search is None:
        return {arm: _only_seed({rate: psnr for rate, (psnr,) in rates.items()}) for arm, rates in found.items()}
    frozen = {arm: _of_seeds(rates, study.search) for arm, rates in found.items()}
    shared_rate(study, frozen)
    return frozen


def _only_seed(tried: Mapping[float, float | None]) -> ChosenRate:
    return ChosenRate(chosen=choose(tried.items()), tried=_spelled(tried))


def _of_seeds(rates: Mapping[float, Sequence[float | None]], rule: RateSearch) -> ChosenRate:
    means = stable_means(rates, rule)
    by_seed = {f"{rate:g}": tuple(values) for rate, values in rates.items()}
    return ChosenRate(chosen=choose(far_below_unstable(means, rule)), tried=_spelled(means), by_seed=by_seed)


def _spelled(tried: Mapping[float, float | None]) -> dict[str, float | None]:
    return {f"{rate:g}": psnr for rate, psnr in tried.items()}


def stable_means(rates: Mapping[float, Sequence[float | None]], rule: RateSearch) -> dict[float, float | None]:
    """Return one arm's mean PSNR in dB over the search seeds by rate; None for a rate that is unstable.

    Examples:
        >>> rule = RateSearch(seeds=(7, 8))
        >>> stable_means({1e-3: [30.5, 30.7], 2e-3: [30.5, 29.4], 4e-3: [31.0, None]}, rule)
        {0.001: 30.6, 0.002: None, 0.004: None}
    """
    best = max((psnr for values in rates.values() for psnr in values if psnr is not None), default=0.0)
    return {
        rate: fmean(psnr for psnr in values if psnr is not None)
        if all(psnr is not None and psnr > best - rule.broken_db for psnr in values)
        else None
        for rate, values in rates.items()
    }


def far_below_unstable(means: Mapping[float, float | None], rule: RateSearch) -> list[tuple[float, float | None]]:
    """Return (rate, mean PSNR) of the stable rates that are lower than every unstable rate by at least the rule's
    factor.

    Examples:
        >>> far_below_unstable({5e-4: 30.0, 1e-3: 30.1, 1.5e-3: 30.2, 2e-3: None}, RateSearch(seeds=(7, 8)))
        [(0.0005, 30.0), (0.001, 30.1)]
    """
    highest = min((rate for rate, psnr in means.items() if psnr is None), default=float("inf")) / rule.factor
    return [(rate, psnr) for rate, psnr in means.items() if psnr is not None and rate <= highest]


def shared_rate(study: StudyPlan, frozen: Frozen) -> float | None:
    """Return the one rate for all arms; None if the plan has none.

    It is far enough below every rate that is unstable for any arm, and has the highest mean PSNR over all arms. Raises
    StudyError where there is no such rate.
    """
    if study.search is None or not study.search.shared:
        return None
    means: dict[float, float | None] = {}
    for rate in study.learning_rates:
        values = [frozen[arm].tried[f"{rate:g}"] for arm in study.arms]
        stable = [psnr for psnr in values if psnr is not None]
        means[rate] = fmean(stable) if len(stable) == len(values) else None
    return choose(far_below_unstable(means, study.search))
