"""One job of a sweep: some images of one run, computed wherever there is room; whoever asked for it keeps the rows."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from srbench.datasets import ImageSet, open_dataset
from srbench.environment import describe_environment
from srbench.errors import SrbenchError, SweepError
from srbench.evaluation import Plan, run
from srbench.journal import Key, Row, differing
from srbench.protocols import LrSource, get_protocol
from srbench.runs import local_device
from srbench.upscalers.base import Options, Upscaler
from srbench.upscalers.loading import open_upscaler
from srbench.upscalers.tensors import pick_device


@dataclass(frozen=True)
class SweepSubject:
    """What a run is about, in words that every machine understands; equal subjects are opened once."""

    model: str
    scale: int
    options: Options
    dataset: str
    data_root: Path | None
    protocols: tuple[str, ...]
    lr: LrSource

    @property
    def label(self) -> str:
        """What a message calls it."""
        return f"{self.model} ×{self.scale} on {self.dataset}"

    def plan(self) -> Plan:
        """The plan itself, on this machine. Raises SrbenchError where something is missing here."""
        upscaler, images = self.opened()
        return Plan(upscaler, [images], [get_protocol(name) for name in self.protocols], self.lr)

    def opened(self) -> tuple[Upscaler, ImageSet]:
        """Its model and its dataset, on this machine. Raises as `plan` does."""
        upscaler = open_upscaler(self.model, scale=self.scale, options=self.options)
        return upscaler, open_dataset(self.dataset, data_root=self.data_root)


@dataclass(frozen=True)
class SweepJob:
    """Images of one run. `key` is the run's: who computes it must have the same weights and pixels.

    `folder` is where the asking process works, and what relative paths start from; `environment` holds its settings
    of srbench ($SRBENCH_…).
    """

    subject: SweepSubject
    names: tuple[str, ...]
    key: Key
    folder: str
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class JobResult:
    """Rows of a job, and on what and when (seconds since 1970) they were made; `failure` says why some are missing."""

    job: SweepJob
    rows: list[Row]
    began: float
    ended: float
    environment: dict[str, Any] = field(default_factory=dict)
    failure: str | None = None


def results_of(job: SweepJob) -> Iterator[JobResult]:
    """Compute a job, image by image; ends after a failure."""
    began = time.time()
    environment: dict[str, Any] = {}
    try:
        _settle(job)
        plan = _open(replace(job.subject, options=_here(job.subject.options)))
        _require_same(plan.key(), job.key)
        environment = describe_environment(pick_device(plan.upscaler.options.device))
        for rows in run(plan, elsewhere=_others(plan, job)):
            yield JobResult(job, rows, began, time.time(), environment)
    except SrbenchError as error:
        # As text: an exception that crosses machines has to be rebuilt there from its arguments.
        yield JobResult(job, [], began, time.time(), environment, str(error))


def compute(job: SweepJob) -> JobResult:
    """Compute a job to its end, or to its first failure."""
    parts = list(results_of(job))
    rows = [row for part in parts for row in part.rows]
    return replace(parts[-1], rows=rows)


@lru_cache(maxsize=1)
def _open(subject: SweepSubject) -> Plan:
    """The plan of the job before is kept: jobs of one run follow each other."""
    return subject.plan()


def _settle(job: SweepJob) -> None:
    os.environ.update(job.environment)
    if Path(job.folder).is_dir():  # on another machine it may not exist, and only relative paths need it
        os.chdir(job.folder)


def _here(options: Options) -> Options:
    return replace(options, device=local_device(options.device))


def _others(plan: Plan, job: SweepJob) -> set[tuple[str, str, str]]:
    return {
        (images.name, protocol.name, name)
        for images in plan.sets
        for protocol in plan.protocols
        for name in set(images.names) - set(job.names)
    }


def _require_same(found: Key, wanted: Key) -> None:
    differences = [f"{name}: {found.get(name)!r} here, {wanted.get(name)!r} there" for name in differing(found, wanted)]
    if differences:
        raise SweepError(
            "expected the same weights and pixels on every machine, got others "
            f"({'; '.join(differences)}); copy them anew"
        )
