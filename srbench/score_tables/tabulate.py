"""Tabulate runs: the mean of each metric of each model on each dataset, at each scale, under one protocol."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from srbench.errors import ComparisonError, ResultsError, UnknownNameError, listed
from srbench.metrics.metric_entries import METRICS, Metric
from srbench.run_folders import ModelRuns
from srbench.scores import Run, mean

Order = Literal["given", "name", "score", "parameters"]
"""The order of the rows: as the runs were given; by label; the best mean of the first column first; the smallest
network first."""

Place = tuple[int, str]
"""A column of scores: scale and dataset."""

_INPUTS = {"protocol_version": "protocol version", "hr_sha256": "HR", "lr_sha256": "LR"}


@dataclass(frozen=True)
class CellScores:
    """The scores of one model on one dataset: `images` holds one row per image, sorted by name, with every metric."""

    images: pd.DataFrame
    n_expected: int

    @property
    def n(self) -> int:
        """The number of images with scores."""
        return len(self.images)

    def mean(self, metric: str) -> float | None:
        """Return the mean over all images; None where the dataset is not complete or a score is missing."""
        if self.n != self.n_expected or metric not in self.images:
            return None
        return mean(self.images[metric])

    def values(self, metric: str) -> NDArray[np.float64]:
        """Return the score of each image as float64; NaN where it is missing."""
        return self.images[metric].to_numpy(dtype=np.float64, na_value=math.nan)


@dataclass(frozen=True)
class ModelRow:
    """A model's row: its label, its number of parameters by scale, and its scores by scale and dataset."""

    label: str
    model: ModelRuns
    parameters: Mapping[int, int]
    cells: Mapping[Place, CellScores]


@dataclass(frozen=True)
class ModelTable:
    """Models × datasets under one protocol; the names of `metrics` are columns of the scores."""

    protocol: str
    version: int
    summary: str
    scales: tuple[int, ...]
    datasets: tuple[str, ...]
    metrics: tuple[Metric, ...]
    rows: tuple[ModelRow, ...]


def tabulate(
    models: Sequence[ModelRuns], *, protocol: str, metrics: Sequence[str] = (), order: Order = "given"
) -> ModelTable:
    """Return the table of some models under one protocol; without `metrics`, of the protocol's PSNR and SSIM.

    Raises:
        UnknownNameError: a metric that no run has.
        ComparisonError: two runs have different HR, LR or images of one dataset.
        ResultsError: no run has scores under this protocol.
    """
    rows = [row for row in (_row(model, protocol) for model in models) if row.cells]
    if not rows:
        known = sorted({name for model in models for one in model.runs for name in one.run.record["protocols"]})
        raise ResultsError(f"expected runs under {protocol}, got runs under {', '.join(known)}; choose with --protocol")
    places = list(dict.fromkeys(place for row in rows for place in row.cells))
    chosen = _metrics(rows, metrics)
    for place in places:
        _require_same_inputs([row for row in rows if place in row.cells], place)
    facts = next(
        one.run.record["protocols"][protocol]
        for model in models
        for one in model.runs
        if protocol in one.run.record["protocols"]
    )
    return ModelTable(
        protocol=protocol,
        version=int(facts["version"]),
        summary=str(facts["summary"]),
        scales=tuple(sorted({scale for scale, _ in places})),
        datasets=tuple(dict.fromkeys(dataset for _, dataset in places)),
        metrics=tuple(chosen),
        rows=tuple(_ordered(rows, order, places[0], chosen[0])),
    )


def protocols_of(models: Iterable[ModelRuns]) -> list[str]:
    """Return the protocols that any of the models was scored under, in the order of first appearance."""
    return list(dict.fromkeys(name for model in models for one in model.runs for name in one.run.record["protocols"]))


def _row(model: ModelRuns, protocol: str) -> ModelRow:
    cells: dict[Place, CellScores] = {}
    parameters: dict[int, int] = {}
    for scale in model.scales:
        run = model.at(scale)
        cells |= {(scale, dataset): found for dataset, found in _cells(run, protocol)}
        if run.record["model"].get("parameters"):
            parameters[scale] = int(run.record["model"]["parameters"])
    return ModelRow(model.label, model, parameters, cells)


def _cells(run: Run, protocol: str) -> Iterable[tuple[str, CellScores]]:
    scores = run.scores[run.scores["protocol"] == protocol]
    for dataset, images in scores.groupby("dataset", sort=False):
        expected = run.record["datasets"][dataset]["n_expected"]
        yield str(dataset), CellScores(images.set_index("image").sort_index(), int(expected))


def _metrics(rows: Sequence[ModelRow], asked: Sequence[str]) -> list[Metric]:
    tables = [cell.images for row in rows for cell in row.cells.values()]
    known = {**METRICS} | {name: one for name, one in _recorded_metrics(rows).items() if name not in METRICS}
    scored = [name for name in known if any(name in one and one[name].notna().any() for one in tables)]
    for name in asked:
        if name not in scored:
            raise UnknownNameError("metric of these runs", name, scored)
    usual = [name for name in scored if name in ("psnr_y", "ssim_y", "psnr_rgb", "ssim_rgb")]
    found = list(dict.fromkeys(asked)) or usual or scored
    if not found:
        raise ResultsError("expected runs with scores, got none; evaluate the models first")
    return [known[name] for name in found]


def _recorded_metrics(rows: Sequence[ModelRow]) -> dict[str, Metric]:
    """Return the metrics that runs describe themselves, such as those of plugins that are missing here."""
    records = [one.run.record for row in rows for one in row.model.runs]
    return {
        name: Metric(name, facts["version"], facts["direction"], name, "", 4, True, "not known here", "a plugin")
        for record in records
        for name, facts in (record.get("metrics") or {}).items()
    }


def _require_same_inputs(rows: Sequence[ModelRow], place: Place) -> None:
    first = rows[0]
    ours = first.cells[place].images
    for row in rows[1:]:
        theirs = row.cells[place].images
        for column, what in _INPUTS.items():
            # If only one run has an image, the mean of the other run is null, which the table reports.
            shared = ours.index.intersection(theirs.index)
            unequal = shared[ours.loc[shared, column].to_numpy() != theirs.loc[shared, column].to_numpy()]
            if len(unequal) or not len(shared):
                images = f"for {listed(list(unequal), 3)}" if len(unequal) else "and no image in common"
                raise ComparisonError(
                    f"expected scores of the same images of {place[1]} at ×{place[0]}, got another {what} in the runs "
                    f"of {first.label} and {row.label} {images}; evaluate both on the same files, or leave one out"
                )


def _ordered(rows: Sequence[ModelRow], order: Order, place: Place, metric: Metric) -> list[ModelRow]:
    if order == "name":
        return sorted(rows, key=lambda row: row.label.lower())
    if order == "parameters":
        return sorted(rows, key=lambda row: min(row.parameters.values(), default=0))
    if order == "score":
        sign = -1 if metric.direction == "higher" else 1
        return sorted(rows, key=lambda row: _sort_value(row, place, metric.name, sign))
    return list(rows)


def _sort_value(row: ModelRow, place: Place, metric: str, sign: int) -> float:
    found = row.cells[place].mean(metric) if place in row.cells else None
    return math.inf if found is None else sign * found
