"""The main table of each scale and protocol: models × datasets, in pages of 200 rows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby

from leaderboard.addresses import table_path, way_up
from leaderboard.collection import Collection
from leaderboard.entries import Entry, Mean
from leaderboard.pages import Page
from leaderboard.ranking import METRICS, Mark, apart, of_other_inputs, rank, reference_inputs
from leaderboard.rendering import render
from leaderboard.views import View, views
from srbench.statistics import MIN_IMAGES

ROWS = 200
"""Rows a page."""


@dataclass(frozen=True)
class Column:
    """A dataset in a table: how many images it has, what is ranked on it, and the marks by metric and entry id."""

    dataset: str
    n: int
    reference: str | None
    aliased: bool
    marks: tuple[dict[str, Mark], ...]

    @property
    def by_decimals(self) -> bool:
        """Whether there are too few images for intervals."""
        return self.n < MIN_IMAGES


@dataclass(frozen=True)
class Cell:
    """An entry's means on a dataset, None where it was not scored there."""

    dataset: str
    mean: Mean | None
    psnr_mark: Mark | None
    ssim_mark: Mark | None
    other_inputs: bool
    aliased: bool


@dataclass(frozen=True)
class Row:
    """A rendered row of a table, and the group that it belongs to."""

    group: str
    html: str


def pages(collection: Collection) -> Iterator[Page]:
    """Each table's pages; where there are several, also their rows as scripts, for sorting over all of them."""
    for view in views(collection):
        columns = [_column(collection, view, dataset) for dataset in view.datasets]
        groups = {name: ", ".join(words) for name, words in apart(view.entries, view.protocol.name).items()}
        rows = [_row(view, columns, entry, groups[entry.id]) for entry in ordered(view)]
        sheets = [rows[start : start + ROWS] for start in range(0, len(rows), ROWS)]
        facets = _facets(view)
        for number, sheet in enumerate(sheets, start=1):
            path = table_path(view.scale, view.protocol.name, number)
            yield Page(path, partial(_table, view, columns, sheet, facets, number, len(sheets)))
            if len(sheets) > 1:
                yield Page(rows_path(view, number), partial(_rows_script, sheet, number))


def ordered(view: View) -> list[Entry]:
    """The entries as the table shows them: the main group, then the others; high PSNR on the first set comes first."""

    groups = apart(view.entries, view.protocol.name)

    def place(entry: Entry) -> tuple[object, ...]:
        mean = entry.means.get((view.scale, view.protocol.name, view.datasets[0]))
        psnr = mean.psnr if mean and mean.psnr is not None else float("-inf")
        return groups[entry.id], -psnr, entry.title.casefold(), entry.id

    return sorted(view.entries, key=place)


def rows_path(view: View, number: int) -> str:
    """The script that holds the rows of one page of a table."""
    return f"data/{view.stem}.rows-{number}.js"


def cells(view: View, columns: Sequence[Column], entry: Entry) -> list[Cell]:
    """An entry's means, one cell per column."""
    found = []
    for column in columns:
        mean = entry.means.get((view.scale, view.protocol.name, column.dataset))
        psnr_mark, ssim_mark = (marks.get(entry.id) for marks in column.marks)
        other = mean is not None and of_other_inputs(mean, column.reference)
        found.append(Cell(column.dataset, mean, psnr_mark, ssim_mark, other, column.aliased))
    return found


def _column(collection: Collection, view: View, dataset: str) -> Column:
    group = view.scale, view.protocol.name, dataset
    means = [mean for entry in view.entries if (mean := entry.means.get(group))]
    marks = tuple(rank(collection, view.entries, group, metric) for metric in range(len(METRICS)))
    aliased = any(mean.aliased is not None for mean in means)
    return Column(dataset, max(mean.n for mean in means), reference_inputs(view.entries, group), aliased, marks)


def _row(view: View, columns: Sequence[Column], entry: Entry, group: str) -> Row:
    html = render(
        "row.html.j2",
        path=view.path,
        view=view,
        entry=entry,
        cells=cells(view, columns, entry),
        model=entry.document["model"],
        parameters=entry.at("parameters", view.scale),
        training=entry.document["training"],
    )
    return Row(group, html)


def _facets(view: View) -> dict[str, list[str]]:
    """What the filters offer: every attention and training set that occurs."""
    attentions = {entry.document["model"]["attention"] or "none" for entry in view.entries}
    data = {entry.document["training"]["data"] for entry in view.entries if entry.document["training"]}
    return {"attention": sorted(attentions), "training": sorted(data)}


def _table(
    view: View, columns: list[Column], sheet: list[Row], facets: dict[str, list[str]], number: int, count: int
) -> str:
    path = table_path(view.scale, view.protocol.name, number)
    groups = [(name, [row.html for row in rows]) for name, rows in groupby(sheet, key=lambda row: row.group)]
    scripts = [way_up(path) + rows_path(view, other) for other in range(1, count + 1) if count > 1]
    return render(
        "table.html.j2",
        path=path,
        view=view,
        columns=columns,
        groups=groups,
        facets=facets,
        number=number,
        count=count,
        per_page=ROWS,
        scripts=scripts,
        min_images=MIN_IMAGES,
    )


def _rows_script(sheet: list[Row], number: int) -> str:
    rows = [[row.group, row.html] for row in sheet]
    return f"window.srbenchRows({number}, {json.dumps(rows)});\n"
