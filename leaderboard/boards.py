"""The content of a main table: its rows in order, their ranks and marks, and the dataset that decides the ranks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from leaderboard.addresses import table_path
from leaderboard.collection import Collection
from leaderboard.entries import Entry, Mean
from leaderboard.families import ALL, Family, existing, is_trained_here, members
from leaderboard.ranking import (
    MARKS,
    METRICS,
    Mark,
    apart,
    of_other_inputs,
    places,
    ranked_entries,
    reference_inputs,
    tiers,
)
from leaderboard.views import View, views
from srbench.protocols import protocol_names

RANKING_SETS = ("Urban100", "BSD100")
"""Tables are ranked on the first of these sets that at least half of the entries were scored on."""


@dataclass(frozen=True)
class Column:
    """A dataset of a table: its number of images, the pixels that are ranked, and marks by metric and entry id."""

    dataset: str
    n: int
    reference: str | None
    marks: tuple[dict[str, Mark], ...]


@dataclass(frozen=True)
class Cell:
    """The means of an entry on a dataset; `mean` is None where it was not scored there."""

    dataset: str
    mean: Mean | None
    psnr_mark: Mark | None
    ssim_mark: Mark | None
    other_inputs: bool


@dataclass(frozen=True)
class Line:
    """A row of a table: an entry, its rank (None if it is not ranked), and why it is not in the main group."""

    entry: Entry
    rank: int | None
    apart: str
    cells: tuple[Cell, ...]
    aliased: float | None


@dataclass(frozen=True)
class Board:
    """One main table: a scale, protocol and group of entries. `ranked_on` names the dataset that decides the ranks."""

    view: View
    family: Family
    ranked_on: str
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    first_tier: tuple[Entry, ...]

    @property
    def path(self) -> str:
        """The address of its first page."""
        return table_path(self.view.scale, self.view.protocol.name, family=self.family.slug)

    @property
    def stem(self) -> str:
        """The start of the names of its data files."""
        return "-".join(filter(None, (self.view.stem, self.family.slug)))

    @property
    def has_aliased(self) -> bool:
        """Whether any entry has the PSNR of aliased texture."""
        return any(line.aliased is not None for line in self.lines)

    @property
    def near_training(self) -> bool:
        """Whether BSD100 decides the ranks and the table has weights trained by srbench, which saw similar images."""
        return self.ranked_on == "BSD100" and any(is_trained_here(line.entry) for line in self.lines)


@lru_cache(maxsize=1)
def all_boards(collection: Collection) -> tuple[Board, ...]:
    """Return every main table of a build: by view, and `ALL` entries before the other groups."""
    return tuple(
        make_board(collection, view, family) for view in views(collection) for family in existing(view.entries)
    )


def front_board(collection: Collection) -> Board | None:
    """Return the table of the front page: ×4 under the default protocol if it has entries, else the first table."""
    boards = [board for board in all_boards(collection) if board.family is ALL]
    wanted = [board for board in boards if (board.view.scale, board.view.protocol.name) == (4, protocol_names()[0])]
    return next(iter([*wanted, *boards]), None)


def make_board(collection: Collection, view: View, family: Family = ALL) -> Board:
    """Rank the entries of a view that belong to a group."""
    entries = members(view.entries, family)
    datasets = [name for name in view.datasets if any(view.group(name) in entry.means for entry in entries)]
    ranked_on = ranking_set(view, entries, datasets)
    found = tiers(collection, entries, view.group(ranked_on), 0)
    columns = tuple(_column(collection, view, entries, name, found if name == ranked_on else None) for name in datasets)
    lines = _lines(view, entries, columns, ranked_on, places(found))
    by_id = {entry.id: entry for entry in entries}
    leaders = tuple(by_id[name] for name in (found[0] if found else ()))
    return Board(view, family, ranked_on, columns, tuple(lines), leaders)


def ranking_set(view: View, entries: Sequence[Entry], datasets: Sequence[str]) -> str:
    """Return the dataset that decides a table's ranks: from `RANKING_SETS`, or else the one with the most entries."""
    ranked = ranked_entries(entries, view.protocol.name) or entries
    scored = {name: sum(view.group(name) in entry.means for entry in ranked) for name in datasets}
    named = [name for name in RANKING_SETS if 2 * scored.get(name, 0) >= len(ranked)]
    return named[0] if named else max(datasets, key=lambda name: scored[name])


def _column(
    collection: Collection, view: View, entries: Sequence[Entry], dataset: str, known: list[list[str]] | None
) -> Column:
    group = view.group(dataset)
    found = [
        known if known is not None and metric == 0 else tiers(collection, entries, group, metric, most=2)
        for metric in range(len(METRICS))
    ]
    marks = tuple(
        {name: mark for mark, tier in zip(MARKS, of_metric, strict=False) for name in tier} for of_metric in found
    )
    n = max(mean.n for entry in entries if (mean := entry.means.get(group)))
    return Column(dataset, n, reference_inputs(entries, group), marks)


def _lines(
    view: View, entries: Sequence[Entry], columns: Sequence[Column], ranked_on: str, ranks: dict[str, int]
) -> list[Line]:
    words = {name: ", ".join(found) for name, found in apart(entries, view.protocol.name).items()}
    lines = [
        Line(
            entry,
            ranks.get(entry.id),
            words[entry.id],
            tuple(_cell(view, column, entry) for column in columns),
            _aliased(view, entry, ranked_on),
        )
        for entry in entries
    ]
    return sorted(lines, key=lambda line: _place(view, line, ranked_on))


def _cell(view: View, column: Column, entry: Entry) -> Cell:
    mean = entry.means.get(view.group(column.dataset))
    psnr_mark, ssim_mark = (marks.get(entry.id) for marks in column.marks)
    return Cell(
        column.dataset, mean, psnr_mark, ssim_mark, mean is not None and of_other_inputs(mean, column.reference)
    )


def _aliased(view: View, entry: Entry, dataset: str) -> float | None:
    mean = entry.means.get(view.group(dataset))
    return mean.aliased if mean else None


def _place(view: View, line: Line, ranked_on: str) -> tuple[object, ...]:
    """The sort key of a row: main group first; ranked before unranked; then by rank, mean, title and id."""
    mean = line.entry.means.get(view.group(ranked_on))
    psnr = mean.psnr if mean and mean.psnr is not None else float("-inf")
    rank = float("inf") if line.rank is None else line.rank
    return line.apart, rank, -psnr, line.entry.title.casefold(), line.entry.id
