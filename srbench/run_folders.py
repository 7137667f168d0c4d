"""Find finished runs in folders of runs and sweeps, and group them by model."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from srbench.errors import ResultsError
from srbench.scores import RECORD_NAME, SCORES_NAME, Record, Run, read_run

RUNS_FOLDER, SUMMARY_NAME = "runs", "sweep.json"
"""What a sweep's folder contains next to the table of all its scores: a folder per run, and a list of them."""

_OPTIONS = {"precision": "fp32", "tile": None, "self_ensemble": False, "optimise": "none"}
"""The options of a run that change its scores, with their defaults."""


@dataclass(frozen=True)
class NamedRun:
    """A finished run, and the path under which the user named it: its folder, or a folder of several runs."""

    asked: Path
    run: Run


@dataclass(frozen=True)
class ModelRuns:
    """The runs of one model that were made with equal options, under the name that tables give it."""

    label: str
    runs: tuple[NamedRun, ...]

    @property
    def spec(self) -> str:
        """The model's spec, as the runs recorded it."""
        return str(self.runs[0].run.record["model"]["spec"])

    @property
    def scales(self) -> list[int]:
        """The scales of the runs, in their order."""
        return list(dict.fromkeys(int(one.run.record["scale"]) for one in self.runs))

    def at(self, scale: int) -> Run:
        """Return all runs at one scale as one: its record is the first run's, with the datasets of all."""
        runs = [one.run for one in self.runs if one.run.record["scale"] == scale]
        return runs[0] if len(runs) == 1 else merged(runs)

    def named(self, name: str) -> bool:
        """Return whether a name means this model: its label, its spec, or the path of one of its runs."""
        return name in (self.label, self.spec) or Path(name) in [path for one in self.runs for path in _paths(one)]


def read_runs(paths: Iterable[Path]) -> list[NamedRun]:
    """Read the runs of each path: a run's folder, the `scores.parquet` in it, or a folder of several runs, such as a
    sweep's.

    A run that is found twice is read once. Runs of a sweep come in the order of its `sweep.json`, others by name.

    Raises:
        ResultsError: no finished run at a path, or damaged files.
    """
    asked = {folder.resolve(): (path, folder) for path in paths for folder in _folders(path)}
    return [NamedRun(path, read_run(folder)) for path, folder in asked.values()]


def group_runs(runs: Sequence[NamedRun], labels: Mapping[str, str] | None = None) -> list[ModelRuns]:
    """Put the runs of each model together, in the order of first appearance.

    Runs belong together if their model spec and their options are equal. `labels` gives a model, or a run by its path,
    another name; runs of one label belong together too.

    Raises:
        ResultsError: two runs of one model score the same dataset at the same scale under the same protocol, or have
            different weights at one scale; or a label is given for a run that is not there.
    """
    unused = dict(labels or {})
    found: dict[str, list[NamedRun]] = {}
    for run in runs:
        found.setdefault(_label(run, labels or {}, unused), []).append(run)
    if unused:
        known = ", ".join(dict.fromkeys(str(run.run.record["model"]["spec"]) for run in runs))
        raise ResultsError(f"expected the path or the model of one of the runs ({known}), got {next(iter(unused))!r}")
    models = [ModelRuns(label, tuple(members)) for label, members in found.items()]
    for model in models:
        _require_one_run_each(model)
    return models


def merged(runs: Sequence[Run]) -> Run:
    """Return runs of one model at one scale as one run: all scores, and the first record with all datasets."""
    record: Record = {**runs[0].record}
    for name in ("datasets", "protocols"):
        record[name] = {key: facts for run in runs for key, facts in run.record[name].items()}
    return Run(pd.concat([run.scores for run in runs], ignore_index=True), record, runs[0].path)


def _folders(path: Path) -> list[Path]:
    folder = path.parent if path.name == SCORES_NAME else path
    if (folder / SUMMARY_NAME).exists():
        return _folders_of_sweep(folder)
    if (folder / RECORD_NAME).exists():
        return [folder]
    inner = sorted(record.parent for record in folder.glob(f"*/{RECORD_NAME}"))
    return inner or [folder]  # read_run reports what is missing


def _folders_of_sweep(folder: Path) -> list[Path]:
    try:
        listed = json.loads((folder / SUMMARY_NAME).read_text(encoding="utf-8"))["combinations"]
        return list(dict.fromkeys(folder / str(one["run"]) for one in listed))
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ResultsError(
            f"{folder / SUMMARY_NAME}: expected the list of a sweep's runs, got {error}; repeat the sweep"
        ) from error


def _label(run: NamedRun, labels: Mapping[str, str], unused: dict[str, str]) -> str:
    spec = str(run.run.record["model"]["spec"])
    for name, label in labels.items():
        if name == spec or Path(name) in _paths(run):
            unused.pop(name, None)
            return label
    return ", ".join([spec, *_other_options(run.run.record)])


def _paths(run: NamedRun) -> Iterator[Path]:
    """The paths that name a run. A path with several runs names none of them."""
    yield from (run.run.path, run.run.path / SCORES_NAME)


def _other_options(record: Record) -> Iterator[str]:
    """Name the options of a run that differ from their defaults."""
    for name, default in _OPTIONS.items():
        value = record.get(name, default)
        if value != default:
            yield name.replace("_", "-") if value is True else f"{name.replace('_', '-')} {value}"
    for name, value in (record.get("adapters") or {}).items():
        yield f"{name.replace('_', '-')} {value}"


def _require_one_run_each(model: ModelRuns) -> None:
    seen: dict[tuple[object, ...], NamedRun] = {}
    weights: dict[int, NamedRun] = {}
    for one in model.runs:
        record = one.run.record
        other = weights.setdefault(int(record["scale"]), one)
        if other.run.record["model"]["weights_sha256"] != record["model"]["weights_sha256"]:
            raise ResultsError(
                f"expected runs of {model.label} at ×{record['scale']} with equal weights, got different ones in "
                f"{other.run.path} and {one.run.path}; name them apart with --name RUN=LABEL"
            )
        for protocol in record["protocols"]:
            for dataset in record["datasets"]:
                first = seen.setdefault((record["scale"], protocol, dataset), one)
                if first is not one:
                    raise ResultsError(
                        f"expected one run of {model.label} on {dataset} at ×{record['scale']} under {protocol}, got "
                        f"{first.run.path} and {one.run.path}; leave one out, or name them apart with --name RUN=LABEL"
                    )
