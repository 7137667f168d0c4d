"""Trainings within a time limit: steps fixed before the first one, from speeds that are measured on this machine.

All trainings first run to half of their steps. If they were slower than measured, the rest is then shortened once, by
one factor for all of them. The plan is kept in the output folder: the same command resumes after an interruption.
"""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import torch

from srbench.errors import TrainingError
from srbench.files import write_atomic
from srbench.records.fields import Real
from srbench.records.recipe_model import Positive
from srbench.records.record_model import RecordModel, validate
from srbench.training import clock
from srbench.training.initial import resolve_form
from srbench.training.job import Job, Shortening
from srbench.training.own_networks import build_network, is_own
from srbench.training.processes import join_processes, started_together
from srbench.training.timing import seconds_per_step
from srbench.training.training_data import open_training_data
from srbench.training.training_sweep import Outcome, run_jobs
from srbench.training.validation import held_out_psnr
from srbench.zoo.networks import find_variant

PLAN = "time-limit.json"
"""The plan of the steps, in the output folder of a training or of a sweep."""

PLANNED_SHARE = 0.8
"""The share of the limit that is planned for; the rest is for steps that get slower."""

_USED_SHARE = 0.93  # The steps are shortened so that the trainings finish within this share of the limit.
_LAST_SHARE = 0.97  # A training that still runs after this share of the limit stops with a checkpoint.
_VALIDATION_SHARE = 0.1  # at most this share of a training's time is spent on measuring held-out images
_MOST_VALIDATIONS = 8
_FEWEST_STEPS = 4
_UNITS = (3600, 60, 1)


class PlannedSteps(RecordModel):
    """One training of a plan: its steps, and the measured seconds of a step."""

    steps: Positive
    validate_every: Positive
    seconds_per_step: Annotated[float, Real(0)]


class StepPlan(RecordModel):
    """The steps of the trainings in one output folder, by folder name.

    The steps of their second halves are multiplied by `factor`.

    `factor` is None until the first halves are done, and 1 if nothing had to be shortened.
    """

    limit: Annotated[float, Real(0)]
    trainings: dict[str, PlannedSteps]
    factor: Annotated[float, Real(0)] | None = None


@dataclass(frozen=True)
class MeasuredTimes:
    """Measured seconds of one step, of one measurement on all held-out images, and of one checkpoint."""

    step: float
    validation: float
    checkpoint: float


def seconds_of(text: str) -> float:
    """Return the seconds of a duration such as `90s`, `9m`, `1h30m` or a plain number of seconds.

    Raises TrainingError for anything else.

    Examples:
        >>> seconds_of("1h30m"), seconds_of("90")
        (5400.0, 90.0)
    """
    parts = re.fullmatch(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s?)?", text.strip())
    numbers = parts.groups() if parts else ()
    seconds = sum(float(number) * unit for number, unit in zip(numbers, _UNITS, strict=False) if number)
    if not seconds:
        raise TrainingError(f"--time-limit: expected a duration such as 90s, 9m or 1h30m, got {text!r}")
    return float(seconds)


def run_within(
    jobs: Sequence[Job],
    limit: float,
    *,
    home: Path,
    workers: int = 1,
    on_outcome: Callable[[Outcome], None] | None = None,
) -> list[Outcome]:
    """Run trainings so that all of them are finished `limit` seconds from now.

    The plan of their steps is stored in `home`.

    `on_outcome` is called with each outcome as soon as its training is finished.

    Each gets the same share of the time. Trainings of one network and scale with different attention or seed get the
    steps of the slowest of them.

    Raises:
        TrainingError: a limit that is too short, or that ran out (checkpoints are kept then), several processes.
    """
    if (together := started_together()) > 1:
        raise TrainingError(f"--time-limit: expected one process, got {together} of torchrun; leave out one of the two")
    deadline = clock.now() + limit
    plan = _read_plan(home, jobs) or _make_plan(jobs, deadline, limit, workers)
    _write(plan, home)
    jobs = [_planned(job, plan, deadline - (1 - _LAST_SHARE) * limit) for job in jobs]
    first: Mapping[Path, Outcome] = {}
    if plan.factor is None:
        begun = clock.now()
        halves = run_jobs([replace(job, pause_at=_half(job)) for job in jobs], workers=workers)
        first = {outcome.job.output: outcome for outcome in halves}
        plan = plan.model_copy(update={"factor": _factor(halves, clock.now() - begun, deadline, limit, workers)})
        _write(plan, home)
    failed = {path: outcome for path, outcome in first.items() if outcome.record is None}
    left = [_shortened(job, plan) for job in jobs if job.output not in failed]
    done = {outcome.job.output: outcome for outcome in run_jobs(left, workers=workers, on_outcome=on_outcome)}
    return [(failed.get(job.output) or done[job.output]) for job in jobs]


def measure(job: Job) -> MeasuredTimes:
    """Measure the time of a step, of a measurement on held-out images and of a checkpoint on this machine."""
    with join_processes(job.device) as world:
        data = open_training_data(job.train_set, job.recipe, scale=job.scale, root=job.data_root)
        form = resolve_form(job.form, None) if job.start is None and job.init is None else (job.form or "unit")
        step = seconds_per_step(job, world, form=form)
        with torch.random.fork_rng(devices=[]):
            network = build_network(job, form=form).eval().to(world.device)
        validation = 0.0
        if data.held_out is not None:
            begun = clock.now()
            with torch.inference_mode():
                held_out_psnr(network, data.held_out, world.device, most=1)
            validation = (clock.now() - begun) * len(data.held_out)
        begun = clock.now()
        # Weights, their average and the optimiser's two moments.
        torch.save([network.state_dict()] * 4, io.BytesIO())
        return MeasuredTimes(step, validation, 4 * (clock.now() - begun))


def steps_within(seconds: float, speed: MeasuredTimes) -> tuple[int, int]:
    """Return the number of steps that fit into a training's time, and the number of steps between measurements.

    Raises TrainingError where not even a few steps, one measurement and one checkpoint fit.
    """
    count = 1
    if speed.validation:
        count = max(1, min(_MOST_VALIDATIONS, int(_VALIDATION_SHARE * seconds / speed.validation)))
    left = seconds - count * speed.validation - 2 * speed.checkpoint
    if left < _FEWEST_STEPS * speed.step:
        least = _FEWEST_STEPS * speed.step + speed.validation + 2 * speed.checkpoint
        raise TrainingError(
            f"--time-limit: expected time for {_FEWEST_STEPS} steps, one measurement and the checkpoints of each "
            f"training, about {least:.1f} s each, got {max(seconds, 0):.1f} s after measuring; give a longer one, or "
            "fewer held-out images"
        )
    steps = int(left / speed.step)
    return steps, max(1, math.ceil(steps / count))


def _make_plan(jobs: Sequence[Job], deadline: float, limit: float, workers: int) -> StepPlan:
    speeds: dict[tuple[str, int], MeasuredTimes] = {}
    for job in jobs:
        if (job.network, job.scale) not in speeds:
            speeds[job.network, job.scale] = measure(job)
    # The time for measuring is subtracted; a share of the rest is divided equally among the trainings.
    share = (deadline - clock.now() - (1 - PLANNED_SHARE) * limit) / math.ceil(len(jobs) / workers)
    trainings = {}
    for job in jobs:
        mates = ((name, scale) for name, scale in speeds if (_base(name), scale) == (_base(job.network), job.scale))
        steps, every = steps_within(share, _slowest([speeds[mate] for mate in mates]))
        own = speeds[job.network, job.scale].step
        trainings[job.output.name] = PlannedSteps(steps=steps, validate_every=every, seconds_per_step=own)
    return StepPlan(limit=limit, trainings=trainings)


def _slowest(speeds: Sequence[MeasuredTimes]) -> MeasuredTimes:
    return MeasuredTimes(
        step=max(speed.step for speed in speeds),
        validation=max(speed.validation for speed in speeds),
        checkpoint=max(speed.checkpoint for speed in speeds),
    )


def _factor(halves: Sequence[Outcome], took: float, deadline: float, limit: float, workers: int) -> float:
    """Return the factor on the steps of the second halves, from the speed of the first ones.

    Raises TrainingError where no time is left.
    """
    paused = [(outcome.job, outcome.record) for outcome in halves if outcome.record and "paused" in outcome.record]
    if not paused:
        return 1.0
    rates = [record["seconds"] / record["paused"] * (job.recipe.steps - record["paused"]) for job, record in paused]
    rounds = math.ceil(len(paused) / workers)
    # Starting the first halves took this much; starting the second ones takes as long.
    overhead = max(0.0, took - rounds * max(record["seconds"] for _, record in paused)) if took else 0.0
    available = deadline - (1 - _USED_SHARE) * limit - clock.now() - overhead
    needed = rounds * max(rates)
    factor = min(1.0, available / needed) if needed else 1.0
    if factor <= 0:
        raise TrainingError("--time-limit: it ran out after the first halves; repeat the command with a longer one")
    return factor


def _planned(job: Job, plan: StepPlan, deadline: float) -> Job:
    found = plan.trainings[job.output.name]
    changes = [f"steps={found.steps}", f"validate_every={found.validate_every}"]
    if job.recipe.schedule == "halving":
        every = max(1, round(job.recipe.halve_every * found.steps / job.recipe.steps))
        changes.append(f"halve_every={every}")
    return replace(job, recipe=job.recipe.changed(changes), deadline=deadline, time_limit=plan.limit)


def _shortened(job: Job, plan: StepPlan) -> Job:
    if plan.factor is None or plan.factor == 1:
        return job
    half = _half(job)
    steps = half + max(1, math.floor(plan.factor * (job.recipe.steps - half)))
    return replace(job, shortening=Shortening(half, steps)) if steps < job.recipe.steps else job


def _half(job: Job) -> int:
    return max(1, job.recipe.steps // 2)


def _base(name: str) -> str:
    return name if is_own(name) else find_variant(name).network.name


def _read_plan(home: Path, jobs: Sequence[Job]) -> StepPlan | None:
    if not (home / PLAN).exists():
        return None
    try:
        content = json.loads((home / PLAN).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise TrainingError(f"{home / PLAN}: expected a plan of steps, got {error}; choose another --output") from error
    plan = validate(StepPlan, content, str(home / PLAN), error=TrainingError)
    if missing := [job.output.name for job in jobs if job.output.name not in plan.trainings]:
        raise TrainingError(
            f"{home / PLAN}: expected a plan for {', '.join(missing)}, got one for other trainings; choose another "
            "--output"
        )
    return plan


def _write(plan: StepPlan, home: Path) -> None:
    home.mkdir(parents=True, exist_ok=True)
    write_atomic(home / PLAN, plan.model_dump_json(indent=1) + "\n", error=TrainingError)
