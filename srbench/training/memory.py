"""Whether a training fits into the memory of its device, and what to do where it does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from srbench.errors import TrainingError
from srbench.training.job import Job, share_of
from srbench.training.processes import DistContext
from srbench.training.training_data import TrainingData


def fits_on_device(data: TrainingData, device: torch.device) -> bool:
    """Whether the whole store may lie on the device: it then takes less than half of what is free."""
    if device.type != "cuda":
        return False
    return 2 * (len(data.train.lr) + len(data.train.hr)) < torch.cuda.mem_get_info(device)[0]


@contextmanager
def enough_memory(told: Callable[[], str]) -> Iterator[None]:
    """Raise TrainingError if memory runs out in the `with` block; `told` returns its message."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        # On the CPU torch has no exception of its own for it, nor on a GPU for what its libraries and graphs lack.
        said = ("can't allocate memory", "out of memory", "ALLOC_FAILED")
        if not isinstance(error, torch.OutOfMemoryError | MemoryError) and not any(one in str(error) for one in said):
            raise
        raise TrainingError(told()) from error


def too_little_for(world: DistContext, what: str, way: str = "") -> str:
    """The message of a device with too little memory for `what`; `way` is what to do first."""
    return f"expected enough memory on {world.device} for {what}, got too little; {way}use a device with more"


def too_large(job: Job, world: DistContext) -> str:
    """The message of a step that does not fit, with the number of parts that makes it smaller."""
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
