"""Measure efficiency as the NTIRE challenges on efficient SR do, and score it by their rule.

The score compares runtimes, so it is made only from models that ran on one device in one call, together with the
baseline of the year. It is called NTIRE-style: the challenges use their own device, images and PSNR threshold.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from srbench.errors import UpscalerError, counted
from srbench.speed import Settings, SpeedReport, Timing, measure

NTIRE_SCALE = 4
NTIRE_SIZE = (256, 256)
NTIRE_RUNS = 5
_COUNT_TOLERANCE = 0.005
"""Relative: counts of the baseline have to agree with the README's, which has three digits."""


@dataclass(frozen=True, kw_only=True)
class NtireRule:
    """The ranking rule of one year: Σ weight · exp(2 · value / value of the baseline).

    Attributes:
        baseline: name of the baseline network, as the README has it.
        networks: names in the zoo of networks that may be this baseline; their counts decide.
        parameters, macs: of the baseline, as the README has them.
        runtime_weight, macs_weight, parameters_weight: sum to 1.
        source: where the rule is written.
    """

    year: int
    baseline: str
    networks: tuple[str, ...]
    parameters: float
    macs: float
    runtime_weight: float
    macs_weight: float
    parameters_weight: float
    source: str


NTIRE_RULES = (
    NtireRule(
        year=2025,
        baseline="EFDN",
        networks=("efdn",),
        parameters=0.276e6,
        macs=16.70e9,
        runtime_weight=0.7,
        macs_weight=0.15,
        parameters_weight=0.15,
        source="https://github.com/Amazingren/NTIRE2025_ESR, README, “How the Ranking Strategy Works?”",
    ),
    NtireRule(
        year=2026,
        baseline="SPAN",
        networks=("span-28", "span"),
        parameters=0.151e6,
        macs=9.83e9,
        runtime_weight=0.8,
        macs_weight=0.1,
        parameters_weight=0.1,
        source="https://github.com/Amazingren/NTIRE2026_ESR, README, “How the Ranking Strategy Works?”",
    ),
)


@dataclass(frozen=True, kw_only=True)
class NtireScore:
    """The NTIRE-style score of one model by the rule of one year; lower is better, the baseline has exp(2) = 7.389."""

    spec: str
    year: int
    baseline: str
    runtime: float
    macs: float
    parameters: float
    total: float


@dataclass(frozen=True)
class NtireReport:
    """Timings and counts of all models, and scores by the rules whose baseline was among them."""

    speed: SpeedReport
    scores: tuple[NtireScore, ...]

    @property
    def device(self) -> str:
        """The device that all models ran on: the GPU, or the processor and its number of threads."""
        facts = self.speed.environment
        on_gpu = facts["device"] != "cpu" or not facts["processor"]
        return str(facts["device"]) if on_gpu else f"{facts['processor']}, {counted(facts['threads'], 'thread')}"

    def to_json(self) -> dict[str, object]:
        """Return the report for JSON: the speed report and the scores."""
        scores = [vars(score) | {"kind": "NTIRE-style", "device": self.device} for score in self.scores]
        return self.speed.to_json() | {"ntire_scores": scores}


def measure_ntire(specs: Sequence[str], settings: Settings) -> NtireReport:
    """Time and count models at ×4 on an input of 256×256, five runs each, in their deployed form.

    Args:
        settings: device, precision, warm-up and optimisation; its scales, sizes, runs and time limit are replaced.

    Raises:
        UpscalerError, UnknownNameError, WeightsError: as `measure`; and for scales or sizes other than the challenge's.
    """
    if set(settings.scales) - {NTIRE_SCALE} or set(settings.sizes) - {NTIRE_SIZE}:
        raise UpscalerError("expected --ntire with --scale 4 and --size 256, got others; leave --scale and --size out")
    fixed = replace(
        settings,
        scales=(NTIRE_SCALE,),
        sizes=(NTIRE_SIZE,),
        repetitions=NTIRE_RUNS,
        seconds=math.inf,
        deployed=True,
    )
    speed = measure(specs, fixed)
    return NtireReport(speed, tuple(ntire_scores(speed.timings)))


def ntire_scores(timings: Sequence[Timing]) -> list[NtireScore]:
    """Return the scores by each rule whose baseline was timed; models whose costs cannot be counted get no score."""
    scores = []
    for rule in NTIRE_RULES:
        base = next((timing for timing in timings if _is_baseline(timing, rule)), None)
        if base is not None:
            scores += [score for timing in timings if (score := _score(timing, base, rule))]
    return scores


def _is_baseline(timing: Timing, rule: NtireRule) -> bool:
    """Return whether a model is the baseline of a rule: the zoo network with the counts in the challenge's README."""
    kind, _, name = timing.spec.partition(":")
    if kind != "zoo" or name.partition("@")[0] not in rule.networks or not timing.parameters or not timing.macs:
        return False
    return math.isclose(timing.parameters, rule.parameters, rel_tol=_COUNT_TOLERANCE) and math.isclose(
        timing.macs, rule.macs, rel_tol=_COUNT_TOLERANCE
    )


def _score(timing: Timing, base: Timing, rule: NtireRule) -> NtireScore | None:
    if not (timing.parameters and timing.macs and base.parameters and base.macs):
        return None
    runtime = math.exp(2 * timing.latency_mean_ms / base.latency_mean_ms)
    macs = math.exp(2 * timing.macs / base.macs)
    parameters = math.exp(2 * timing.parameters / base.parameters)
    total = rule.runtime_weight * runtime + rule.macs_weight * macs + rule.parameters_weight * parameters
    return NtireScore(
        spec=timing.spec,
        year=rule.year,
        baseline=rule.baseline,
        runtime=runtime,
        macs=macs,
        parameters=parameters,
        total=total,
    )
