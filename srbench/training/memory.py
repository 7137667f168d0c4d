"""Detect trainings that do not fit into the memory of their device, and say what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from srbench.errors import TrainingError
from srbench.training.job import Job, share_of
from srbench.training.processes import DistContext
from srbench.training.training_data import TrainingData


def fits_on_device(data: TrainingData, device: torch.device) -> bool:
    """Return whether the complete store takes less than half of the free memory of the device."""
    if device.type != "cuda":
        return False
    return 2 * (len(data.train.lr) + len(data.train.hr)) < torch.cuda.mem_get_info(device)[0]


@contextmanager
def enough_memory(message: Callable[[], str]) -> Iterator[None]:
    """Raise TrainingError if memory runs out in the `with` block; `message` makes its text."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        # torch has no special exception for a lack of memory on the CPU, nor in its libraries and graphs on a GPU.
        said = ("can't allocate memory", "out of memory", "ALLOC_FAILED")
        if not isinstance(error, torch.OutOfMemoryError | MemoryError) and not any(one in str(error) for one in said):
            raise
        raise TrainingError(message()) from error


def too_little_for(world: DistContext, what: str, way: str = "") -> str:
    """Return the message for a device with too little memory for `what`; `way` says what to try first."""
    return f"expected enough memory on {world.device} for {what}, got too little; {way}use a device with more"


def too_large(job: Job, world: DistContext) -> str:
    """Return the message for a step that does not fit, with a number of parts (--accumulate) that makes it smaller."""
    now = job.speed.accumulate
    larger = next(
        (
            now * factor
            for factor in range(2, job.recipe.batch + 1)
            if job.recipe.batch % (world.size * now * factor) == 0
        ),
        None,
    )
    way = f"try --accumulate {larger}: the same training in smaller pieces" if larger else "use a device with more"
    return (
        f"expected enough memory on {world.device} for {share_of(job, world)} patches of {job.recipe.patch}×"
        f"{job.recipe.patch} LR pixels at a time, got too little; {way}"
    )
