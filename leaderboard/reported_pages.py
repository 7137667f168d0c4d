"""The paper's tables and other published rows: reported, never ranked, each with what `srbench audit` found."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from leaderboard.collection import Collection
from leaderboard.data import to_csv
from leaderboard.pages import Page
from leaderboard.rendering import render
from leaderboard.views import dataset_rank

PATH = "reported.html"
DATA = "data/reported.csv"
"""The rows as they were printed, with their misprints and verdicts."""

_FOLDER = Path(__file__).with_name("reported")
_VERDICTS = {"undecided": "undecided", "none": "no protocol fits"}

Key = tuple[str, ...]


@dataclass(frozen=True)
class Reported:
    """A printed mean, by the columns of `reported/claims.csv`, and the audit of it where there is one."""

    row: Mapping[str, str]
    audit: Mapping[str, Any] | None

    @property
    def scores(self) -> str:
        """PSNR / SSIM as printed."""
        return " / ".join(filter(None, (self.row["psnr"], self.row["ssim"])))

    @property
    def remarks(self) -> list[str]:
        """What has to be known of the row: misprints first."""
        misprint = f"misprint: {self.row['misprint']}" if self.row["misprint"] else ""
        return [text for text in (misprint, self.row["note"]) if text]

    @property
    def kind(self) -> str:
        """`fits`, `undecided`, `none` (no protocol explains it) or `unknown` (not held against any weights)."""
        best = self.audit["best"] if self.audit else None
        if not self.audit or not self.audit["protocols"] or best is None:
            return "unknown"
        if isinstance(best, str):
            return "undecided"
        return "fits" if best["protocol"] else "none"

    @property
    def verdict(self) -> str:
        """The protocol that explains the row, or why none does."""
        if self.audit and self.kind == "fits":
            return str(self.audit["best"]["protocol"])
        return _VERDICTS.get(self.kind, "not audited" if self.row["model"] else "no weights")

    @property
    def findings(self) -> Sequence[Mapping[str, Any]]:
        """Every form that the row was held against, the nearest first."""
        found = self.audit["protocols"] if self.audit else []
        return sorted(found, key=lambda one: float(one["distance_db"]))

    @property
    def differs(self) -> str:
        """What differs between the form that fits and `matlab-y`."""
        fitting = [one for one in self.findings if one["fits"]]
        return "; ".join(fitting[0]["differs_from_matlab_y"]) if self.kind == "fits" and fitting else ""


@dataclass(frozen=True)
class Line:
    """A network's row of a printed table: its cells by dataset."""

    network: str
    parameters: str
    gmacs: str
    cells: Mapping[str, Reported]


@dataclass(frozen=True)
class Table:
    """One source at one scale."""

    source: str
    scale: int
    rows: tuple[Reported, ...]

    @property
    def origin(self) -> str:
        """The repository, file and commit that the rows were read from; empty for papers."""
        row = self.rows[0].row
        return f"{row['repository']}, {row['path']}, commit {row['commit'][:12]}" if row["repository"] else ""

    @cached_property
    def datasets(self) -> list[str]:
        """The datasets that the source scored."""
        return sorted({one.row["dataset"] for one in self.rows}, key=dataset_rank)

    @property
    def lines(self) -> list[Line]:
        """One line per network and note, as printed."""
        found: dict[tuple[str, str], list[Reported]] = {}
        for one in self.rows:
            found.setdefault((one.row["network"], _training(one)), []).append(one)
        return [
            Line(
                " ".join(filter(None, key)),
                ones[0].row["parameters_k"],
                ones[0].row["gmacs"],
                {one.row["dataset"]: one for one in ones},
            )
            for key, ones in found.items()
        ]

    @property
    def notes(self) -> list[str]:
        """What has to be known of rows without weights, once per network and note. Audits show the notes of theirs."""
        noted = [one.row for one in self.rows if one.row["repository"] and one.row["note"]]
        return list(dict.fromkeys(f"{row['network']}: {row['note']}" for row in noted))

    @property
    def audited(self) -> list[Reported]:
        """The rows that weights were held against."""
        return [one for one in self.rows if one.kind != "unknown"]

    @property
    def has_costs(self) -> tuple[bool, bool]:
        """Whether parameters and MACs are printed."""
        return any(one.row["parameters_k"] for one in self.rows), any(one.row["gmacs"] for one in self.rows)


def pages(_: Collection) -> Iterator[Page]:
    """`reported.html` and its rows as CSV: a function of this package's own files."""
    yield Page(PATH, _page)
    yield Page(DATA, _csv)


def reported_rows(folder: Path = _FOLDER) -> list[Reported]:
    """Every row of `claims.csv` with its audit from `audits.json`, in the order of the file."""
    with (folder / "claims.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    audits = {_key(audit["claim"]): audit for audit in _audits(folder)}
    return [Reported(row, audits.get(_key(row))) for row in rows]


def tables(rows: Sequence[Reported]) -> dict[str, list[Table]]:
    """The rows by source, in the order in which sources come; each source scale by scale."""
    found: dict[tuple[str, int], list[Reported]] = {}
    for one in rows:
        found.setdefault((one.row["source"], int(one.row["scale"])), []).append(one)
    by_source: dict[str, list[Table]] = {}
    for (source, scale), ones in found.items():
        by_source.setdefault(source, []).append(Table(source, scale, tuple(ones)))
    return by_source


def _page() -> str:
    rows = reported_rows()
    audited = [one for one in rows if one.kind != "unknown"]
    return render(
        "reported.html.j2",
        path=PATH,
        sources=tables(rows),
        data=DATA,
        rows=len(rows),
        audited=len(audited),
        verdicts=_counted(audited),
    )


def _counted(rows: Sequence[Reported]) -> dict[str, int]:
    verdicts = [one.verdict for one in rows]
    return {verdict: verdicts.count(verdict) for verdict in sorted(set(verdicts), key=verdicts.count, reverse=True)}


def _csv() -> str:
    rows = reported_rows()
    head = [*rows[0].row, "verdict"]
    return to_csv(head, ([*one.row.values(), one.verdict] for one in rows))


def _audits(folder: Path) -> list[dict[str, Any]]:
    file = folder / "audits.json"
    found: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
    return found


def _key(row: Mapping[str, Any]) -> Key:
    return tuple(str(row.get(name) or "") for name in ("source", "network", "scale", "dataset", "psnr", "ssim", "note"))


def _training(one: Reported) -> str:
    """Return the training data in brackets, which tells two rows of one network in one table apart."""
    training = one.row["training_set"]
    return f"(trained on {training})" if training else ""
