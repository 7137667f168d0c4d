"""The numbers in the cells of a table: printed values, marks, and differences to a base model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from srbench.metrics.metric_entries import Metric
from srbench.score_tables.marks import Mark, MarkRule, Scores, best_marks
from srbench.score_tables.tabulate import ModelRow, ModelTable, Place

PSNR_DIGITS = 2
"""Decimals of values in dB, as papers print them."""


@dataclass(frozen=True)
class PrintedNumber:
    """A value as printed, its difference to the base such as `↑0.03` (empty without one), and its mark."""

    value: str
    change: str = ""
    mark: Mark | None = None


PrintedCell = tuple[PrintedNumber, ...]
"""One number per metric; empty where there is no mean."""


@dataclass(frozen=True)
class PrintedRow:
    """A row of a printed table at one scale: label, parameters in thousands, and a cell per dataset."""

    label: str
    parameters: str
    cells: tuple[PrintedCell, ...]


def digits_of(metric: Metric, decibel_digits: int = PSNR_DIGITS) -> int:
    """Return how many decimals of a metric are printed."""
    return decibel_digits if metric.unit == "dB" else metric.digits


def fixed(value: float | None, digits: int) -> str:
    """Return a value with fixed decimals, `inf` for infinity, `-` for a missing one."""
    if value is None:
        return "-"
    return "inf" if math.isinf(value) else f"{value:.{digits}f}"


def change(value: float | None, base: float | None, digits: int) -> str:
    """Return the difference to a base as `↑0.03` or `↓0.03`, `0.00` where it rounds to nothing, empty if undefined."""
    if value is None or base is None or not math.isfinite(value - base):
        return ""
    size = f"{abs(value - base):.{digits}f}"
    return f"{'' if float(size) == 0 else '↑' if value > base else '↓'}{size}"


def printed_rows(
    table: ModelTable, scale: int, *, rule: MarkRule, bases: Mapping[str, str], decibel_digits: int = PSNR_DIGITS
) -> list[PrintedRow]:
    """Return the rows of one scale. `bases` maps the label of a model to the label of its base."""
    rows = [row for row in table.rows if any(place[0] == scale for place in row.cells)]
    digits = {metric.name: digits_of(metric, decibel_digits) for metric in table.metrics}
    marks = {
        (dataset, metric.name): _marks(rows, (scale, dataset), metric, rule, digits[metric.name])
        for dataset in table.datasets
        for metric in table.metrics
    }
    by_label = {row.label: row for row in rows}

    def cell(row: ModelRow, dataset: str) -> PrintedCell:
        found, base = row.cells.get((scale, dataset)), by_label.get(bases.get(row.label, ""))
        theirs = base.cells.get((scale, dataset)) if base else None
        if found is None or all(found.mean(metric.name) is None for metric in table.metrics):
            return ()
        return tuple(
            PrintedNumber(
                fixed(found.mean(metric.name), digits[metric.name]),
                change(found.mean(metric.name), theirs.mean(metric.name) if theirs else None, digits[metric.name]),
                marks[dataset, metric.name].get(row.label),
            )
            for metric in table.metrics
        )

    return [
        PrintedRow(row.label, _thousands(row, scale), tuple(cell(row, dataset) for dataset in table.datasets))
        for row in rows
    ]


def _marks(rows: Sequence[ModelRow], place: Place, metric: Metric, rule: MarkRule, digits: int) -> dict[str, Mark]:
    column = {}
    for row in rows:
        value = row.cells[place].mean(metric.name) if place in row.cells else None
        if value is not None:
            column[row.label] = Scores(value, row.cells[place].values(metric.name))
    return best_marks(column, rule, higher=metric.direction == "higher", digits=digits)


def _thousands(row: ModelRow, scale: int) -> str:
    return f"{row.parameters[scale] / 1000:,.0f}" if scale in row.parameters else "-"
