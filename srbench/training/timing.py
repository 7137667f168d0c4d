"""Measure the time of a training step on this machine, before the training begins."""

from __future__ import annotations

from statistics import median

import torch

from srbench.environment import has_native
from srbench.training import clock
from srbench.training.job import Job, share_of
from srbench.training.optimization import Optimization
from srbench.training.own_networks import build_network
from srbench.training.processes import DistContext
from srbench.zoo.networks import Form

MEASURED_STEPS = 3
"""Steps that are timed, after one that is not."""

FLOAT32_TWINS = {"brief-cpu": "cpu", "budget-cpu": "cpu", "budget-cpu-deep": "cpu-deep", "more-cpu-deep": "cpu-deep"}
"""Recipes in bfloat16, and those that are meant for processors without it."""


def seconds_per_step(job: Job, world: DistContext, *, form: Form, precision: str | None = None) -> float:
    """Measure the median time of a step on random images of the recipe's sizes, in seconds.

    The job's own network and random numbers are left as they are.

    Args:
        precision: that of the recipe, unless given.
    """
    recipe = job.recipe.changed([f"precision={precision}"]) if precision else job.recipe
    share = share_of(job, world)
    with torch.random.fork_rng(devices=[world.device] if world.device.type == "cuda" else []):
        optimization = Optimization(build_network(job, form=form), recipe, world, job.speed)
        lr = torch.rand(share, 3, recipe.patch, recipe.patch, device=world.device)
        hr = torch.rand(share, 3, recipe.patch * job.scale, recipe.patch * job.scale, device=world.device)
        seconds = [_timed(optimization, [(lr, hr)] * job.speed.accumulate, world) for _ in range(MEASURED_STEPS + 1)]
    return median(seconds[1:])


def bf16_warning(job: Job, world: DistContext, *, form: Form) -> str | None:
    """Return a warning about a bfloat16 recipe on a processor without bfloat16; None if there is nothing to warn of."""
    if job.recipe.precision != "bf16" or world.device.type != "cpu" or has_native("bf16"):
        return None
    low, full = (seconds_per_step(job, world, form=form, precision=precision) for precision in ("bf16", "fp32"))
    name = job.recipe.name.partition("[")[0]
    way = f"--recipe {FLOAT32_TWINS[name]}" if name in FLOAT32_TWINS else "--set precision=fp32"
    return (
        f"{job.recipe.name} computes in bf16, which this processor does not have: {1000 * low:.0f} ms a step, and "
        f"{1000 * full:.0f} ms in float32; use {way}"
    )


def _timed(optimization: Optimization, parts: list[tuple[torch.Tensor, torch.Tensor]], world: DistContext) -> float:
    begun = clock.now()
    optimization.step(parts, 0)
    if world.device.type == "cuda":
        torch.cuda.synchronize(world.device)
    return clock.now() - begun
