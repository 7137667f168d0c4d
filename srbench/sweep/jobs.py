"""Jobs of a sweep: some images of one run, computed by any process; the process that asked stores the rows."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

from srbench.datasets import ImageSet, open_dataset
from srbench.environment import Environment, describe_environment
from srbench.errors import SrbenchError, SweepError
from srbench.evaluation import Plan, as_metrics, run
from srbench.journal import Key, Row, differing
from srbench.protocols import LrSource, get_protocol
from srbench.runs import local_device
from srbench.upscalers.base import Options, Upscaler
from srbench.upscalers.loading import open_upscaler
from srbench.upscalers.tensors import pick_device


@dataclass(frozen=True)
class SweepSubject:
    """The model, dataset and options of a run, in values that every machine understands."""

    model: str
    scale: int
    options: Options
    dataset: str
    data_root: Path | None
    protocols: tuple[str, ...]
    lr: LrSource
    metrics: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The name of the run in messages."""
        return f"{self.model} ×{self.scale} on {self.dataset}"

    def plan(self) -> Plan:
        """Return the plan of the run on this machine. Raises SrbenchError where a file is missing here."""
        upscaler, images = self.opened()
        protocols = [get_protocol(name) for name in self.protocols]
        return Plan(upscaler, [images], protocols, self.lr, metrics=as_metrics(self.metrics))

    def opened(self) -> tuple[Upscaler, ImageSet]:
        """Return model and dataset, opened on this machine. Raises as `plan` does."""
        upscaler = open_upscaler(self.model, scale=self.scale, options=self.options)
        return upscaler, open_dataset(self.dataset, data_root=self.data_root)


@dataclass(frozen=True)
class SweepJob:
    """Some images of one run. The machine that computes it must have the weights and pixels of `key`, the run's key.

    `folder` is the working folder of the asking process, from which relative paths start; `environment` holds its
    settings of srbench ($SRBENCH_…).
    """

    subject: SweepSubject
    names: tuple[str, ...]
    key: Key
    folder: str
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class JobResult:
    """The rows of a job, its machine and times (seconds since 1970); `failure` is the reason for missing rows."""

    job: SweepJob
    rows: list[Row]
    began: float
    ended: float
    environment: Environment | None = None
    failure: str | None = None


def results_of(job: SweepJob) -> Iterator[JobResult]:
    """Compute a job and yield results image by image; stop after a failure."""
    began = time.time()
    environment: Environment | None = None
    try:
        _apply_settings(job)
        plan = _open(replace(job.subject, options=_here(job.subject.options)))
        _require_same(plan.key(), job.key)
        environment = describe_environment(pick_device(plan.upscaler.options.device))
        for rows in run(plan, elsewhere=_others(plan, job)):
            yield JobResult(job, rows, began, time.time(), environment)
    except SrbenchError as error:
        # As text, because not every exception can be sent to another process.
        yield JobResult(job, [], began, time.time(), environment, str(error))


def compute(job: SweepJob) -> JobResult:
    """Compute a job until its end or its first failure, and return all rows as one result."""
    parts = list(results_of(job))
    rows = [row for part in parts for row in part.rows]
    return replace(parts[-1], rows=rows)


@lru_cache(maxsize=1)
def _open(subject: SweepSubject) -> Plan:
    """Return the plan of a job; the last plan is kept, because jobs of one run follow each other."""
    return subject.plan()


def _apply_settings(job: SweepJob) -> None:
    os.environ.update(job.environment)
    if Path(job.folder).is_dir():  # the folder may not exist on another machine, and only relative paths need it
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
            "expected the same weights and pixels on every machine, got different ones "
            f"({'; '.join(differences)}); copy them again"
        )
