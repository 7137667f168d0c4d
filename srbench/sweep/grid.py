"""Find the missing runs of a grid, execute them, and write one table of all runs."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import product
from pathlib import Path

import pandas as pd
import torch

from srbench.datasets.imageset import distinct_sets, open_dataset
from srbench.errors import ResultsError, SrbenchError, SweepError
from srbench.evaluation import Plan, as_metrics, describe
from srbench.evaluation.probe import Probe, require_same_model, take_probe
from srbench.files import require_empty, write_atomic
from srbench.journal import Key
from srbench.protocols import LrSource, Protocol, get_protocol
from srbench.run_folders import RUNS_FOLDER, SUMMARY_NAME
from srbench.runs import in_order, row_order
from srbench.scores import (
    RECORD_NAME,
    SCORES_NAME,
    Record,
    RowId,
    Run,
    RunFolder,
    read_run,
    row_id,
    write_scores,
)
from srbench.summaries import ProtocolSummary, summarise
from srbench.sweep.engines import Engine, InProcess
from srbench.sweep.jobs import JobResult, SweepJob, SweepSubject
from srbench.upscalers.base import Options

Watch = Callable[[Iterable[JobResult], int], Iterable[JobResult]]
"""Passes results through, for example to show progress: (results, number of images to come)."""


@dataclass(frozen=True)
class Grid:
    """Each model on each dataset at each scale under each protocol, without repetitions.

    With `accept_random`, runs of models whose outputs differ from call to call are resumed too.
    """

    models: tuple[str, ...]
    datasets: tuple[str, ...]
    scales: tuple[int, ...]
    protocols: tuple[str, ...]
    lr: LrSource = "made"
    options: Options = field(default_factory=Options)
    data_root: Path | None = None
    accept_random: bool = False
    metrics: tuple[str, ...] = ()

    def subjects(self) -> Iterator[SweepSubject]:
        """Yield one subject per model, scale and dataset, with absolute paths, because processes may work elsewhere."""
        root = self.data_root.absolute() if self.data_root else None
        protocols, metrics = tuple(dict.fromkeys(self.protocols)), tuple(dict.fromkeys(self.metrics))
        for model, scale, dataset in dict.fromkeys(product(self.models, self.scales, self.datasets)):
            kind, colon, folder = dataset.partition(":")
            place = f"folder:{Path(folder).expanduser().absolute()}" if (kind, colon) == ("folder", ":") else dataset
            yield SweepSubject(model, scale, self.options, place, root, protocols, self.lr, metrics)


@dataclass(frozen=True)
class Sweep:
    """The result of a sweep: all rows, a summary per run and protocol, and the failures."""

    scores: pd.DataFrame
    documents: list[ProtocolSummary]
    problems: list[str]


@dataclass(frozen=True)
class _Cell:
    """One combination of the grid; `identity` is the key of a run of only this combination, `model` the spec as
    given."""

    protocol: str
    dataset: str
    identity: str
    model: str


@dataclass
class _Task:
    """A missing run: its subject, its record without times, the ids of its rows in order, and its folder."""

    subject: SweepSubject
    key: Key
    record: Record
    order: dict[RowId, int]
    folder: RunFolder
    results: list[JobResult] = field(default_factory=list)

    def jobs(self, chunk: int | None) -> Iterator[SweepJob]:
        have = {row_id(row) for row in self.folder.rows}
        names = list(
            dict.fromkeys(image for dataset, protocol, image in self.order if (dataset, protocol, image) not in have)
        )
        size = chunk or max(1, len(names))
        settings = {name: value for name, value in os.environ.items() if name.startswith("SRBENCH_")}
        for start in range(0, len(names), size):
            yield SweepJob(self.subject, tuple(names[start : start + size]), self.key, str(Path.cwd()), settings)

    def take(self, result: JobResult) -> None:
        """Store the new rows of a result; finish the run after its last row."""
        have = {row_id(row) for row in self.folder.rows}
        rows = [row for row in result.rows if row_id(row) not in have]
        if rows:
            self.folder.append(rows)
            self.results.append(result)
        if result.failure is None:
            self.finish()

    def finish(self) -> None:
        """Write table and record if all rows exist."""
        rows = in_order(self.folder.rows, self.order)
        if self.folder.record is not None or len(rows) < len(self.order):
            return
        self.folder.rows = rows
        self.folder.finish(self.record | self._circumstances())

    def _circumstances(self) -> Record:
        if not self.results:
            return {}
        machines = list(
            {json.dumps(result.environment, sort_keys=True): result.environment for result in self.results}.values()
        )
        began = min(result.began for result in self.results)
        started = datetime.fromtimestamp(began, UTC).isoformat(timespec="seconds")
        facts = {
            "environment": machines[0],
            "started": started,
            "seconds": round(max(result.ended for result in self.results) - began, 3),
        }
        return facts if len(machines) == 1 else {**facts, "further_environments": machines[1:]}


def sweep(
    grid: Grid, output: Path, *, engine: Engine | None = None, watch: Watch = lambda results, images: results
) -> Sweep:
    """Compute the combinations that are missing in the folder `output`, and write one table of the complete grid there.

    A combination with the same weights, pixels, protocol version and options is not computed again. An interrupted run
    resumes from its journal. A combination that fails is reported and does not stop the others.

    Raises:
        DatasetError: two different sets of one name.
        SweepError: the engine broke down.
        ResultsError: `output` holds files that are no sweep's, or files that are damaged or cannot be written.
    """
    engine = engine or InProcess()
    if not (output / RUNS_FOLDER).is_dir() and not (output / SUMMARY_NAME).exists():
        require_empty(output, else_expected="one of a sweep", error=ResultsError)
    _require_distinct(grid)
    problems: list[str] = []
    finished = _finished(output / RUNS_FOLDER)
    cells, tasks = _lay_out(grid, output / RUNS_FOLDER, finished, problems)
    _execute(tasks, engine, watch, problems)
    for task in tasks:
        if task.folder.record is not None:
            finished |= _parts(read_run(task.folder.path))
    return _merge(
        output,
        [(cell, finished[cell.identity]) for cell in cells if cell.identity in finished],
        list(dict.fromkeys(problems)),
    )


def _require_distinct(grid: Grid) -> None:
    found = []
    for spec in dict.fromkeys(grid.datasets):
        with suppress(SrbenchError):  # missing and damaged runs are reported with their combinations
            found.append(open_dataset(spec, data_root=grid.data_root))
    distinct_sets(found)


def _lay_out(grid: Grid, runs: Path, finished: dict[str, Run], problems: list[str]) -> tuple[list[_Cell], list[_Task]]:
    """Return all valid combinations, each once even under two names, and the runs that are missing."""
    cells: dict[str, _Cell] = {}
    tasks: list[_Task] = []
    probes = _Probes(grid.accept_random)
    for subject in grid.subjects():
        try:
            for plan, members in _by_preparation(subject, problems):
                probes.require_distinct(plan, subject, [cells[c.identity] for c in members if c.identity in cells])
                new = [cell for cell in members if cell.identity not in cells]
                probes.require_same(
                    plan, subject, [finished[cell.identity] for cell in new if cell.identity in finished]
                )
                lacking = tuple(cell.protocol for cell in new if cell.identity not in finished)
                if lacking:
                    tasks.append(_task(_narrowed(plan, lacking), replace(subject, protocols=lacking), runs, probes))
                cells |= {cell.identity: cell for cell in new}
        except SrbenchError as error:
            problems.append(f"{subject.label}: {error}")
    return list(cells.values()), tasks


@dataclass
class _Probes:
    """The probes of a sweep's models: each model is probed once at each scale, however many sets it is scored on."""

    accept_random: bool
    taken: dict[tuple[str, int], Probe | None] = field(default_factory=dict)

    def of(self, plan: Plan, subject: SweepSubject) -> Probe | None:
        """Return the probe of a subject's model; compute it at the first call."""
        model = subject.model, subject.scale
        if model not in self.taken:
            self.taken[model] = take_probe(plan.upscaler)
        return self.taken[model]

    def require_distinct(self, plan: Plan, subject: SweepSubject, cells: Sequence[_Cell]) -> None:
        """Raise SweepError if two specs with the same name in records are different models."""
        for other in dict.fromkeys(cell.model for cell in cells):
            found, now = self.taken[other, subject.scale], self.of(plan, subject)
            if found and now and found.deterministic and now.deterministic and found.sha256 != now.sha256:
                raise SweepError(
                    f"expected models with different names or files, got {other} and {subject.model}, which have equal "
                    f"files, are both recorded as {plan.upscaler.identity.spec}, and compute different things; "
                    "rename one of them"
                )

    def require_same(self, plan: Plan, subject: SweepSubject, runs: Iterable[Run | RunFolder]) -> None:
        """Raise ResultsError if a run has scores of a model with a different output."""
        precision = plan.upscaler.options.precision
        for run in runs:
            sources = run.sources if isinstance(run, RunFolder) else [run.record]
            require_same_model(
                run.path, sources, self.of(plan, subject), precision=precision, accept_random=self.accept_random
            )


def _by_preparation(subject: SweepSubject, problems: list[str]) -> Iterator[tuple[Plan, list[_Cell]]]:
    """Yield a plan per preparation, whose protocols share one forward pass, with its combinations."""
    upscaler, images = subject.opened()
    possible: list[Protocol] = []
    for name in subject.protocols:
        try:
            possible += Plan(upscaler, [images], [get_protocol(name)], subject.lr).protocols
        except SrbenchError as error:
            problems.append(f"{subject.label} under {name}: {error}")
    if not possible:
        return
    whole = Plan(upscaler, [images], possible, subject.lr, metrics=as_metrics(subject.metrics))
    for key in dict.fromkeys(whole.source_key(protocol) for protocol in whole.protocols):
        names = tuple(protocol.name for protocol in whole.protocols if whole.source_key(protocol) == key)
        plan = _narrowed(whole, names)
        yield plan, [_cell(plan, name, subject.model) for name in names]


def _narrowed(plan: Plan, names: tuple[str, ...]) -> Plan:
    return replace(plan, protocols=[protocol for protocol in plan.protocols if protocol.name in names])


def _cell(plan: Plan, name: str, model: str) -> _Cell:
    return _Cell(name, plan.sets[0].name, _identity(_narrowed(plan, (name,)).key()), model)


def _task(plan: Plan, subject: SweepSubject, runs: Path, probes: _Probes) -> _Task:
    key, probe = plan.key(), probes.of(plan, subject)
    # The record is made while weights and images are open; times and machine are added at the end.
    record = describe(plan, torch.device("cpu"), started="", seconds=0, probe=probe)
    facts = probe.to_head() if probe else {}
    folder = RunFolder(runs / _folder_name(plan, key), key, facts=facts)
    probes.require_same(plan, subject, [folder])
    return _Task(subject, key, record, row_order(plan), folder)


def _folder_name(plan: Plan, key: Key) -> str:
    """Return a readable name that no other run of the sweep has."""
    words = [
        plan.upscaler.identity.spec,
        f"x{plan.upscaler.scale}",
        plan.sets[0].name,
        *(protocol.name for protocol in plan.protocols),
    ]
    readable = "_".join(re.sub(r"[^A-Za-z0-9.-]+", "-", word).strip("-.") for word in words)
    return f"{readable[:120]}_{hashlib.sha256(_identity(key).encode()).hexdigest()[:10]}"


def _identity(key: Key) -> str:
    return json.dumps(key, sort_keys=True)


def _finished(runs: Path) -> dict[str, Run]:
    """Return the finished runs in the folder of a sweep, by the key of each combination that they cover."""
    found: dict[str, Run] = {}
    for record in sorted(runs.glob(f"*/{RECORD_NAME}")):
        found |= _parts(read_run(record.parent))
    return found


def _parts(run: Run) -> dict[str, Run]:
    key = run.record["key"]
    return {
        _identity({**key, "protocols": {protocol: version}, "datasets": {dataset: pixels}}): run
        for protocol, version in key["protocols"].items()
        for dataset, pixels in key["datasets"].items()
    }


def _execute(tasks: list[_Task], engine: Engine, watch: Watch, problems: list[str]) -> None:
    by_key = {_identity(task.key): task for task in tasks}
    jobs = [job for task in tasks for job in task.jobs(engine.chunk)]
    for task in tasks:
        task.finish()  # a run that was killed after its last row has no missing images
    for result in watch(engine.results(jobs), sum(len(job.names) for job in jobs)) if jobs else ():
        by_key[_identity(result.job.key)].take(result)
        if result.failure:
            problems.append(f"{result.job.subject.label}: {result.failure}")


def _merge(output: Path, parts: list[tuple[_Cell, Run]], problems: list[str]) -> Sweep:
    frames, documents = [], []
    for cell, run in parts:
        scores = run.scores
        frames.append(scores[(scores["protocol"] == cell.protocol) & (scores["dataset"] == cell.dataset)])
        record = {**run.record, "datasets": {cell.dataset: run.record["datasets"][cell.dataset]}}
        documents.append(summarise(frames[-1], record, cell.protocol, get_protocol(cell.protocol).columns))
    merged = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
    if frames:
        digest = write_scores(output / SCORES_NAME, merged)
        runs = [
            {
                "model": document.model,
                "scale": document.scale,
                "dataset": cell.dataset,
                "protocol": cell.protocol,
                "run": f"{RUNS_FOLDER}/{run.path.name}",
            }
            for document, (cell, run) in zip(documents, parts, strict=True)
        ]
        summary = {"scores_sha256": digest, "combinations": runs, "problems": problems}
        write_atomic(output / SUMMARY_NAME, json.dumps(summary, indent=1) + "\n", error=ResultsError)
    return Sweep(merged, documents, problems)
