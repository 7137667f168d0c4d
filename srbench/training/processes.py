"""Join the processes of one training: a single one, or those that torchrun started, one per GPU (gloo on the CPU)."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.rendezvous import rendezvous

from srbench.errors import TrainingError
from srbench.upscalers.tensors import pick_device

PATIENCE = timedelta(minutes=10)
"""How long a process waits for the others: the first one may have a training set to pack."""

_JOINED = itertools.count()


@dataclass(frozen=True)
class DistContext:
    """The number of this process (`rank`), the number of all processes of the run (`size`), and its device."""

    rank: int
    size: int
    device: torch.device

    @property
    def leads(self) -> bool:
        """Whether this process writes the files and shows the progress."""
        return self.rank == 0

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor, in place, by its mean over all processes.

        Raises TrainingError where another process has ended.
        """
        if self.size == 1:
            return
        # One message for all gradients, because a small network has hundreds of small ones.
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        with _others_alive():
            dist.all_reduce(flat)
        flat /= self.size
        parts = torch.split(flat, [tensor.numel() for tensor in tensors])
        torch._foreach_copy_(list(tensors), [part.view_as(like) for part, like in zip(parts, tensors, strict=True)])

    def wait(self) -> None:
        """Wait for all processes. Raises TrainingError if another process has ended."""
        if self.size > 1:
            with _others_alive():
                dist.barrier()

    def require_same(self, number: int, what: str) -> None:
        """Raise TrainingError unless all processes have the same number."""
        if self.size == 1:
            return
        found = [torch.zeros((), dtype=torch.int64, device=self.device) for _ in range(self.size)]
        with _others_alive():
            dist.all_gather(found, torch.tensor(number, device=self.device))
        numbers = {int(one) for one in found}
        if len(numbers) > 1:
            raise TrainingError(
                f"expected the same {what} in all processes, got {sorted(numbers)}; let all hosts see "
                "the same output folder and the same images"
            )


def leads() -> bool:
    """Return whether this process is the only one, or the first that torchrun started."""
    return os.environ.get("RANK", "0") == "0"


def started_together() -> int:
    """Return the number of processes that torchrun started for one training; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


@contextmanager
def join_processes(device: str) -> Iterator[DistContext]:
    """Yield the context of this process among those that torchrun started. `device`: auto, cpu, cuda or cuda:N.

    A GPU is the current device until the end of the block. Raises TrainingError for another device, or where the
    processes do not find each other, UpscalerError for a device that this machine does not have.
    """
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", device):
        raise TrainingError(
            f"--device: expected a device of this machine to train on, auto, cpu, cuda or cuda:N, got {device!r}"
        )
    size = started_together()
    if size == 1:
        place = pick_device(device)
        # Streams and recorded graphs belong to the current device, even if the tensors are on a different one.
        with torch.cuda.device(place) if place.type == "cuda" else nullcontext():
            yield DistContext(0, 1, place)
        return
    if ":" in device and int(os.environ.get("LOCAL_WORLD_SIZE", size)) > 1:
        raise TrainingError(
            "--device: expected auto, cpu or cuda under torchrun, whose processes take a GPU each, "
            f"got {device}; CUDA_VISIBLE_DEVICES chooses among several"
        )
    on_gpus = device == "cuda" or (device == "auto" and torch.cuda.is_available())
    place = pick_device(f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if on_gpus else device)
    if place.type == "cuda":
        torch.cuda.set_device(place)
    try:
        store, rank, _ = next(rendezvous("env://", timeout=PATIENCE))
        # Each training uses its own prefix of keys. A second training would otherwise find the addresses of the first
        # one and wait for ever.
        store = dist.PrefixStore(f"training-{next(_JOINED)}", store)  # type: ignore[attr-defined]  # missing in its stubs
        dist.init_process_group(
            "nccl" if place.type == "cuda" else "gloo", store=store, rank=rank, world_size=size, timeout=PATIENCE
        )
    except (RuntimeError, ValueError) as error:
        raise TrainingError(
            f"expected {size} processes to find each other, got: {error}; start them with torchrun, "
            "every host with the same address"
        ) from error
    try:
        yield DistContext(dist.get_rank(), size, place)
    finally:
        dist.destroy_process_group()


@contextmanager
def _others_alive() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise TrainingError(
            f"expected all processes of this run to answer, but one has ended or hangs "
            f"({str(error).splitlines()[0]}); see its own message, then start the same command again: "
            "it resumes from the last checkpoint"
        ) from error
