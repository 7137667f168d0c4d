"""Engines that compute the jobs of a sweep: this process, several processes of this machine, or a Ray cluster."""

from __future__ import annotations

import multiprocessing
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.sharedctypes import Synchronized
from typing import TypedDict

import torch

from srbench.errors import SweepError
from srbench.sweep.jobs import JobResult, SweepJob, compute, results_of
from srbench.workers import end_with_parent


class _Node(TypedDict):
    """The facts that Ray reports about a machine of its cluster, limited to those used here."""

    Alive: bool
    Resources: dict[str, float]


class Engine(ABC):
    """Computes jobs. `chunk` is the largest number of images in a job, None for all images of a run."""

    chunk: int | None = 8

    @abstractmethod
    def results(self, jobs: Iterable[SweepJob]) -> Iterator[JobResult]:
        """Yield results in the order of their completion. Raises SweepError if the engine breaks down."""


class InProcess(Engine):
    """Computes one job after the other in this process; rows come image by image."""

    chunk = None

    def results(self, jobs: Iterable[SweepJob]) -> Iterator[JobResult]:
        """Yield the results of each job in turn."""
        for job in jobs:
            yield from results_of(job)


class Processes(Engine):
    """`count` processes of this machine, which share its cores and its GPUs."""

    def __init__(self, count: int) -> None:
        self._count = count

    def results(self, jobs: Iterable[SweepJob]) -> Iterator[JobResult]:
        """Yield results in the order of their completion."""
        context = multiprocessing.get_context("spawn")
        numbers = context.Value("i", 0)
        threads = max(1, torch.get_num_threads() // self._count)
        pool = ProcessPoolExecutor(self._count, context, initializer=_begin, initargs=(numbers, threads))
        try:
            for future in as_completed([pool.submit(compute, job) for job in jobs]):
                yield future.result()
        except BrokenProcessPool as error:
            raise SweepError(
                "a process of the sweep was stopped by the system, perhaps because memory ran out; use fewer "
                "--jobs and repeat the command to resume"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


class RayCluster(Engine):
    """The Ray cluster of `$RAY_ADDRESS` or of this machine, else a new cluster of this machine alone.

    Jobs only compute. They send their rows to this process, which writes them. Therefore nodes need no common disk, and
    a node that is lost can neither damage nor double stored rows. Its jobs are computed by other nodes.

    Args:
        cpus, gpus: the resources of one job.
    """

    retries = 5

    def __init__(self, *, cpus: float = 1, gpus: float = 0) -> None:
        self._resources = {"num_cpus": cpus, "num_gpus": gpus}

    def results(self, jobs: Iterable[SweepJob]) -> Iterator[JobResult]:
        """Yield results in the order of their completion."""
        try:
            # Inside the method: ray is an optional extra and slow to import.
            import ray
        except ModuleNotFoundError as error:
            raise SweepError("--engine ray: the package ray is missing; pip install 'sisr-bench[ray]'") from error
        if not ray.is_initialized():
            ray.init(log_to_driver=False)
        self._require_resources(ray.nodes())
        remote = ray.remote(**self._resources, max_retries=self.retries)(compute)
        waiting = [remote.remote(job) for job in jobs]
        while waiting:
            (ready, *_), waiting = ray.wait(waiting)
            try:
                yield ray.get(ready)
            except ray.exceptions.RayError as error:
                raise SweepError(
                    f"a job of the sweep failed on the cluster: {_last_line(error)}; repeat the command to resume"
                ) from error

    def _require_resources(self, nodes: Sequence[_Node]) -> None:
        alive = [node["Resources"] for node in nodes if node["Alive"]]
        wanted = {"CPU": self._resources["num_cpus"], "GPU": self._resources["num_gpus"]}
        if not any(all(node.get(kind, 0) >= amount for kind, amount in wanted.items()) for node in alive):
            raise SweepError(
                f"expected a node with {wanted['CPU']:g} CPU and {wanted['GPU']:g} GPU for a job, got a "
                f"cluster of {len(alive)} without one; ask for less with --cpus and --gpus"
            )


def _begin(numbers: Synchronized[int], threads: int) -> None:
    """Give a new process its number, which selects its GPU, and its share of the cores."""
    end_with_parent()
    with numbers.get_lock():
        os.environ["LOCAL_RANK"] = str(numbers.value)
        numbers.value += 1
    torch.set_num_threads(threads)


def _last_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]
