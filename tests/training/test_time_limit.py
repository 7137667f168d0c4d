"""Trainings within a time limit, on a clock that only training steps move."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from srbench.errors import TrainingError
from srbench.training import clock, time_limit
from srbench.training.job import Job, Shortening
from srbench.training.optimization import Optimization, learning_rate
from srbench.training.time_limit import PLAN, run_within, seconds_of
from srbench.training.training_sweep import require_all
from tests.training.small import small_job, small_recipe


@dataclass
class SlowClock:
    """Seconds that pass with each step: `seconds` says how many for a network."""

    now: float = 1000.0
    seconds: Callable[[Optimization], float] = lambda optimization: 1.0


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> SlowClock:
    kept, plain = SlowClock(), Optimization.step

    def step(optimization: Optimization, *values: Any) -> Tensor:
        kept.now += kept.seconds(optimization)
        return plain(optimization, *values)

    monkeypatch.setattr(Optimization, "step", step)
    monkeypatch.setattr(clock, "now", lambda: kept.now)
    return kept


def job(images: Path, output: Path, **changes: Any) -> Job:
    recipe = small_recipe(batch=1, held_out=[], validate_every=100)
    return small_job(images, output, recipe=recipe, network="pan", **changes)


def test_durations_are_read_in_hours_minutes_and_seconds() -> None:
    assert [seconds_of(text) for text in ("60s", "9m", "1h30m", "90", "1.5h", "2m5s")] == [60, 540, 5400, 90, 5400, 125]
    for text in ("", "0", "soon", "-5", "5 d", "9m9h"):
        with pytest.raises(TrainingError, match="expected a duration such as 90s, 9m or 1h30m, got"):
            seconds_of(text)


def test_every_arm_gets_the_steps_of_the_slowest_one(images: Path, tmp_path: Path, slow: SlowClock) -> None:
    slow.seconds = lambda optimization: (
        2.0 if "attention.channel" in str(list(optimization.network.state_dict())) else 1.0
    )
    arms = [job(images, tmp_path / name, seed=1) for name in ("pan", "pan-bam")]
    arms[1] = small_job(images, tmp_path / "pan-bam", network="pan-bam", recipe=arms[0].recipe, seed=1)
    began = slow.now
    records = require_all(run_within(arms, 60, home=tmp_path))
    # Measuring took 4 and 8 seconds; 80 % of the limit without them, for two arms, the slower one at 2 seconds a step.
    assert [record["steps"] for record in records] == [9, 9] == [(48 - 12) // 2 // 2] * 2
    assert slow.now - began <= 0.8 * 60
    assert records[0]["recipe_sha256"] == records[1]["recipe_sha256"]
    assert records[0]["time_limit"] == {"seconds": 60.0, "planned_steps": 9, "steps": 9}


def test_slower_steps_shorten_the_rest_once_for_all(images: Path, tmp_path: Path, slow: SlowClock) -> None:
    arms = [job(images, tmp_path / str(seed), seed=seed) for seed in (1, 2)]
    measured = time_limit.measure

    def then_slower(one: Job) -> time_limit.MeasuredTimes:
        found = measured(one)
        slow.seconds = lambda optimization: 1.75
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time_limit, "measure", then_slower)
        began = slow.now
        first, second = require_all(run_within(arms, 60, home=tmp_path))
    assert slow.now - began <= 60
    assert first["time_limit"]["planned_steps"] == 22 and first["time_limit"]["shortened_at"] == 11
    assert first["steps"] == second["steps"] < 22 and first["recipe_sha256"] == second["recipe_sha256"]
    lines = [json.loads(line) for line in (tmp_path / "1" / "log.jsonl").read_text().splitlines()]
    recipe = arms[0].recipe.changed([f"steps={22}"])
    assert lines[-1]["learning_rate"] < learning_rate(recipe, first["steps"] - 1) / 2


def test_a_limit_that_runs_out_keeps_the_checkpoint(images: Path, tmp_path: Path, slow: SlowClock) -> None:
    one = job(images, tmp_path)
    slow.seconds = lambda optimization: 1.0 if slow.now < 1020 else 30.0
    (outcome,) = run_within([one], 40, home=tmp_path)
    assert "it ran out at step" in outcome.problem and (tmp_path / "checkpoint.pt").exists()
    planned = json.loads((tmp_path / PLAN).read_text())["trainings"]
    slow.seconds = lambda optimization: 0.1
    (record,) = require_all(run_within([one], 40, home=tmp_path))
    (found,) = planned.values()
    assert record["recipe"]["steps"] == found["steps"] and not (tmp_path / "checkpoint.pt").exists()


def test_a_limit_too_short_for_anything_starts_nothing(images: Path, tmp_path: Path, slow: SlowClock) -> None:
    with pytest.raises(TrainingError, match="expected time for 4 steps, one measurement and the checkpoints of each"):
        run_within([job(images, tmp_path / "a")], 6, home=tmp_path)
    assert not (tmp_path / PLAN).exists() and not (tmp_path / "a").exists()


def test_a_shortened_schedule_ends_as_the_planned_one(images: Path, tmp_path: Path) -> None:
    plain = job(images, tmp_path, snapshots=(25, 75))
    short = job(images, tmp_path, shortening=Shortening(4, 6))
    assert [short.scheduled(step) for step in range(7)] == [0, 1, 2, 3, 4, 6, 8]
    assert short.scheduled(short.last_step) == plain.last_step == 8
