"""The main tables: models × datasets for each scale, protocol and group of entries, in pages of 500 rows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby

from leaderboard.addresses import INDEX, table_path, way_up
from leaderboard.boards import Board, all_boards, front_board
from leaderboard.cards import Card, cards
from leaderboard.collection import Collection
from leaderboard.families import ALL, existing
from leaderboard.further_metrics import MetricTable, metric_table
from leaderboard.pages import Page
from leaderboard.rendering import render
from leaderboard.views import View, views
from srbench.statistics import MIN_IMAGES

ROWS = 500
"""The number of rows of a page."""


@dataclass(frozen=True)
class Row:
    """A rendered row of a table, and its group. Links are written for pages one folder below the root."""

    group: str
    html: str

    def at(self, root: str) -> str:
        """Return the row with links for a page from which `root` leads to the site's root."""
        return self.html if root == "../" else self.html.replace('href="../', f'href="{root}')


@dataclass(frozen=True)
class Tab:
    """A link to another table; `note` explains it, `current` marks the table that is shown."""

    label: str
    path: str
    current: bool
    note: str = ""


def pages(collection: Collection) -> Iterator[Page]:
    """Return each table's pages, and the front page, which is one of them.

    A table of several pages also has its rows as scripts, so that sorting covers all of them.
    """
    found = views(collection)
    front = front_board(collection)
    for board in all_boards(collection):
        view, tabs, rows = board.view, _tabs(found, board), _rows(board)
        sheets = [rows[start : start + ROWS] for start in range(0, len(rows), ROWS)]
        for number, sheet in enumerate(sheets, start=1):
            path = table_path(view.scale, view.protocol.name, number, board.family.slug)
            yield Page(path, partial(_table, path, board, tabs, sheet, number, len(sheets)))
            if len(sheets) > 1:
                yield Page(rows_path(board, number), partial(_rows_script, sheet, number))
        if board is front:
            shown = cards(collection, board)
            yield Page(INDEX, partial(_table, INDEX, board, tabs, sheets[0], 1, len(sheets), shown))


def rows_path(board: Board, number: int) -> str:
    """Return the path of the script with the rows of one page of a table."""
    return f"data/{board.stem}.rows-{number}.js"


def _rows(board: Board) -> list[Row]:
    return [Row(line.apart, render("row.html.j2", path=board.path, board=board, line=line)) for line in board.lines]


def _tabs(found: Sequence[View], board: Board) -> dict[str, list[Tab]]:
    """Return the links to other scales, protocols and groups; each link keeps the other choices where possible."""
    view = board.view
    scales = [_nearest(found, scale, view.protocol.name) for scale in sorted({one.scale for one in found})]
    protocols = [one for one in found if one.scale == view.scale]
    return {
        "Scale": [Tab(f"×{one.scale}", _same_family(one, board), one.scale == view.scale) for one in scales],
        "Protocol": [
            Tab(one.protocol.name, _same_family(one, board), one.path == view.path, one.protocol.summary)
            for one in protocols
        ],
        "Weights": [
            Tab(
                family.title,
                table_path(view.scale, view.protocol.name, family=family.slug),
                family is board.family,
                family.meaning,
            )
            for family in existing(view.entries)
        ],
    }


def _nearest(found: Sequence[View], scale: int, protocol: str) -> View:
    of_scale = [view for view in found if view.scale == scale]
    return next((view for view in of_scale if view.protocol.name == protocol), of_scale[0])


def _same_family(view: View, board: Board) -> str:
    slug = board.family.slug if board.family in existing(view.entries) else ALL.slug
    return table_path(view.scale, view.protocol.name, family=slug)


def _facets(board: Board) -> dict[str, list[str]]:
    """Return what the filters offer: every attention and training set of the table."""
    records = [line.entry.record for line in board.lines]
    return {
        "attention": sorted({record.model.attention or "none" for record in records}),
        "training": sorted({record.training.data for record in records if record.training}),
    }


def _table(
    path: str,
    board: Board,
    tabs: dict[str, list[Tab]],
    sheet: list[Row],
    number: int,
    count: int,
    shown: Sequence[Card] = (),
) -> str:
    root = way_up(path)
    groups = [(name, [row.at(root) for row in rows]) for name, rows in groupby(sheet, key=lambda row: row.group)]
    return render(
        "table.html.j2",
        path=path,
        board=board,
        view=board.view,
        tabs=tabs,
        cards=shown,
        groups=groups,
        facets=_facets(board),
        number=number,
        count=count,
        per_page=ROWS,
        scripts=[root + rows_path(board, other) for other in range(1, count + 1) if count > 1],
        min_images=MIN_IMAGES,
        metrics=_metrics(board) if number == 1 else None,
        front=path == INDEX,
    )


def _metrics(board: Board) -> MetricTable | None:
    """Return the further metrics of a table's entries on the set that it is ranked on."""
    group = board.view.group(board.ranked_on)
    return metric_table([line.entry for line in board.lines][:ROWS], group)


def _rows_script(sheet: list[Row], number: int) -> str:
    rows = [[row.group, row.html] for row in sheet]
    return f"window.srbenchRows({number}, {json.dumps(rows)});\n"
