"""NTIRE-style efficiency: the challenge's counts and rule, and when a score is given."""

from __future__ import annotations

import json
import math

import pytest
from click.testing import CliRunner

from srbench.cli import main
from srbench.errors import UpscalerError
from srbench.ntire import NTIRE_RULES, NtireReport, measure_ntire, ntire_scores
from srbench.speed import Settings, Timing
from srbench.zoo import build
from srbench.zoo.counting import challenge_cost


def _timing(spec: str, milliseconds: float) -> Timing:
    cost = challenge_cost(build(spec.removeprefix("zoo:"), scale=4, device="meta"))
    return Timing(
        spec=spec, scale=4, height=256, width=256, fps=1000 / milliseconds, latency_median_ms=milliseconds,
        latency_q1_ms=milliseconds, latency_q3_ms=milliseconds, latency_mean_ms=milliseconds, repetitions=5,
        peak_memory_bytes=None, parameters=cost.parameters, macs=cost.macs, flops=2 * cost.macs,
        activations=cost.activations, convolutions=cost.convolutions, timed="network",
    )  # fmt: skip


# Parameters in millions and MACs in billions of the challenges' READMEs, where the baselines are listed.
@pytest.mark.parametrize(
    ("spec", "parameters", "macs"),
    [("zoo:rlfn-ntire2022", 0.317, 19.70), ("zoo:efdn", 0.276, 16.70), ("zoo:span-28", 0.151, 9.83)],
)
def test_counts_are_those_of_the_challenges(spec: str, parameters: float, macs: float) -> None:
    timing = _timing(spec, 1.0)
    assert (timing.parameters or 0) / 1e6 == pytest.approx(parameters, rel=0.005)
    assert (timing.macs or 0) / 1e9 == pytest.approx(macs, rel=0.005)


@pytest.mark.parametrize("rule", NTIRE_RULES, ids=lambda rule: str(rule.year))
def test_baselines_have_the_score_of_the_readme(rule: object) -> None:
    scores = ntire_scores([_timing("zoo:efdn", 16.69), _timing("zoo:span-28", 5.59)])
    base = {2025: "zoo:efdn", 2026: "zoo:span-28"}
    own = next(score for score in scores if score.year == rule.year and score.spec == base[rule.year])  # type: ignore[attr-defined]
    parts = (own.runtime, own.macs, own.parameters, own.total)
    assert parts == pytest.approx((7.3891,) * 4, abs=5e-5)


def test_score_weighs_runtime_macs_and_parameters() -> None:
    efdn, span = _timing("zoo:efdn", 10.0), _timing("zoo:span-28", 5.0)
    score = next(score for score in ntire_scores([span, efdn]) if (score.year, score.spec) == (2025, "zoo:span-28"))
    # By hand: 0.7·e^(2·5/10) + 0.15·e^(2·9.83/16.70) + 0.15·e^(2·0.151/0.276), with the README's rounded counts.
    by_hand = 0.7 * math.exp(1) + 0.15 * math.exp(2 * 9.83 / 16.70) + 0.15 * math.exp(2 * 0.151 / 0.276)
    assert score.total == pytest.approx(by_hand, rel=0.005)


@pytest.mark.parametrize("other", ["zoo:rlfn-ntire2022", "zoo:span-52", "zoo:span"])
def test_no_score_without_the_baseline_itself(other: str) -> None:
    assert ntire_scores([_timing(other, 5.0)]) == []


@pytest.mark.long
def test_measured_form_is_deployed_and_runs_five_times() -> None:
    report = measure_ntire(("zoo:span-28", "bicubic"), Settings(scales=(), sizes=(), device="cpu", warmup=1))
    span, bicubic = report.speed.timings
    assert (span.height, span.width, span.scale, span.repetitions) == (256, 256, 4, 5)
    assert span.latency_mean_ms > 0
    assert bicubic.parameters is None
    assert [(score.spec, score.year) for score in report.scores] == [("zoo:span-28", 2026)]
    document = json.loads(json.dumps(NtireReport.to_json(report)))
    assert document["ntire_scores"][0]["kind"] == "NTIRE-style"
    assert document["ntire_scores"][0]["device"] == report.device


def test_other_scales_and_sizes_are_refused() -> None:
    for settings in (Settings(scales=(2,), sizes=()), Settings(scales=(), sizes=((96, 96),))):
        with pytest.raises(UpscalerError, match="expected --ntire with --scale 4 and --size 256"):
            measure_ntire(("bicubic",), settings)


def test_command_says_why_there_is_no_score() -> None:
    result = CliRunner().invoke(main, ["speed", "--ntire", "--model", "bicubic", "--device", "cpu"])
    assert result.exit_code == 0
    assert result.stdout.endswith("add --model zoo:efdn (2025) or zoo:span-28 (2026)\n")
    assert CliRunner().invoke(main, ["speed", "--model", "bicubic"]).exit_code == 2
