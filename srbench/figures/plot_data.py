"""The numbers behind a plot: scores over a network's size or speed, and differences image by image."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from srbench.errors import FigureError, SrbenchError, listed
from srbench.metrics.metric_entries import Metric
from srbench.run_folders import ModelRuns
from srbench.score_tables.tabulate import ModelRow, ModelTable, Place
from srbench.zoo.costs import COSTS
from srbench.zoo.sizes import cost_of
from srbench.zoo.weights_catalogue import find_weights

Quantity = Literal["parameters", "macs", "seconds"]
"""What a plot shows scores over: parameters; multiply-accumulates for an output of 1280×720; seconds per image."""

TITLES: Mapping[Quantity, str] = {
    "parameters": "parameters (K)",
    "macs": "multiply-accumulates for 1280×720 (G)",
    "seconds": "seconds per image",
}
_UNITS: Mapping[Quantity, float] = {"parameters": 1e3, "macs": 1e9, "seconds": 1.0}
_MACHINE = ("device", "processor", "threads", "gpu")


@dataclass(frozen=True)
class PlotPoint:
    """A model in a plot: `x` in the unit of the axis, `y` the mean score."""

    label: str
    x: float
    y: float


@dataclass(frozen=True)
class Differences:
    """One model minus the base on each image, in the metric's unit; `images` are their names in the same order."""

    label: str
    images: tuple[str, ...]
    values: NDArray[np.float64]


def points_of(table: ModelTable, place: Place, metric: str, quantity: Quantity) -> tuple[list[PlotPoint], list[str]]:
    """Return the points of a plot, and for each model that is left out the reason.

    Raises:
        FigureError: no model has both numbers, or speeds were measured on different machines.
    """
    points, reasons = [], []
    for row in table.rows:
        value = row.cells[place].mean(metric) if place in row.cells else None
        if value is None or math.isinf(value):
            reasons.append(f"{row.label}: no finite mean of {metric} on {place[1]} at ×{place[0]}")
            continue
        amount = _amount(row, place, quantity)
        if amount is None:
            reasons.append(f"{row.label}: {quantity} not known")
            continue
        points.append(PlotPoint(row.label, amount / _UNITS[quantity], value))
    if not points:
        raise FigureError(f"expected models with {metric} and {quantity}, got none: {'; '.join(reasons)}")
    if quantity == "seconds":
        _require_one_machine([row.model for row in table.rows if place in row.cells], place[0])
    return points, reasons


def differences_of(table: ModelTable, place: Place, metric: str, base: ModelRow) -> list[Differences]:
    """Return each model minus the base, image by image, on one dataset at one scale.

    Raises:
        FigureError: the base or all others have no scores there, or a model was not scored on the same images.
    """
    if place not in base.cells:
        raise FigureError(f"expected scores of {base.label} on {place[1]} at ×{place[0]}, got none; evaluate it there")
    ours = base.cells[place].images
    found = []
    for row in table.rows:
        if row is base or place not in row.cells:
            continue
        theirs = row.cells[place].images
        alone = list(ours.index.symmetric_difference(theirs.index))
        if alone:
            raise FigureError(
                f"expected scores of {row.label} and {base.label} on the same images of {place[1]}, got only one for "
                f"{listed(alone, 3)}; evaluate both on all images"
            )
        with np.errstate(invalid="ignore"):
            values = row.cells[place].values(metric) - base.cells[place].values(metric)
        found.append(Differences(row.label, tuple(map(str, ours.index)), np.where(np.isnan(values), 0.0, values)))
    if not found:
        raise FigureError(f"expected a second model with scores on {place[1]} at ×{place[0]}, got {base.label} alone")
    if not all(np.isfinite(one.values).all() for one in found):
        raise FigureError(f"expected finite {metric} on every image, got infinite ones; choose another --metric")
    return found


def axis_title(metric: Metric) -> str:
    """Return the title of an axis with a metric's values."""
    return f"{metric.title}{f' in {metric.unit}' if metric.unit else ''}"


def _amount(row: ModelRow, place: Place, quantity: Quantity) -> float | None:
    if quantity == "parameters":
        return row.parameters.get(place[0])
    if quantity == "macs":
        return _macs(row.model, place[0])
    seconds = row.cells[place].images["seconds"].to_numpy(dtype=np.float64)
    return float(seconds.mean()) if np.isfinite(seconds).all() and (seconds > 0).all() else None


def _macs(model: ModelRuns, scale: int) -> float | None:
    """Return the multiply-accumulates of a network of the zoo from its spec; None for other models."""
    kind, _, rest = model.spec.partition(":")
    name, _, tag = rest.partition("@")
    if kind != "zoo":
        return None
    try:
        cost = cost_of(find_weights(name, tag=tag or None, scale=scale), scale)
    except SrbenchError:  # weights from a file: they may have another size than the network usually has
        cost = COSTS.get((name, scale)) if model.at(scale).record["model"].get("form") in (None, "authors") else None
    return cost.macs if cost else None


def _require_one_machine(models: Sequence[ModelRuns], scale: int) -> None:
    found: dict[str, str] = {}
    for model in models:
        environment = model.at(scale).record["environment"]
        facts = ", ".join(f"{name} {environment[name]}" for name in _MACHINE if environment.get(name) is not None)
        found.setdefault(facts, model.label)
    if len(found) > 1:
        machines = "; ".join(f"{label}: {facts}" for facts, label in found.items())
        raise FigureError(
            f"expected runs on one machine for a plot over seconds, got several ({machines}); run the models on one "
            "machine, or plot over parameters or macs"
        )
