"""A page for each paper: its printed scores, never ranked, each with what `srbench audit` measured."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from leaderboard.bam_claims import PAPER, BamClaim, bam_claims
from leaderboard.collection import Collection
from leaderboard.data_files import to_csv
from leaderboard.pages import Page
from leaderboard.printed_scores import FOLDER, AuditedForm, Reported, reported_rows, training_of
from leaderboard.rendering import render

INDEX = "papers/index.html"
AUDITS = "data/audits.json"
"""What every audit found, with all protocols that were tried."""
DATA = "data/reported.csv"
"""The rows as they were printed, with their misprints and verdicts."""


_NO_WEIGHTS = "no weights to hold it against"  # the text that stored audits have
_MISSING_SET = re.compile(r"(\S+) \(\w+\) was not found")  # likewise


@dataclass(frozen=True)
class ReportedMean:
    """A printed mean as its page shows it: a stable anchor, and for BAM the printed gain with its two parts."""

    anchor: str
    reported: Reported
    gain: BamClaim | None

    @property
    def label(self) -> str:
        """The network, and what it was trained on where the source names it."""
        row = self.reported.row
        return " ".join(filter(None, (row["network"], training_of(self.reported))))

    @property
    def measured(self) -> AuditedForm | None:
        """The form that explains the printed mean, or else the nearest; None where no weights could be scored."""
        return next(iter(self.reported.findings), None)

    @property
    def difference(self) -> float | None:
        """Printed minus measured PSNR, in dB."""
        return None if self.measured is None else float(self.reported.row["psnr"]) - float(self.measured["psnr"])

    @property
    def blocked(self) -> str:
        """The reason why nothing was measured; empty if there is a measurement."""
        reason = (self.reported.audit["reason"] if self.reported.audit else None) or _NO_WEIGHTS
        return "" if self.measured else _in_words(reason)


@dataclass(frozen=True)
class PrintedTable:
    """One table of a paper, or one file of a repository."""

    source: str
    rows: tuple[ReportedMean, ...]

    @property
    def origin(self) -> str:
        """The repository, file and commit that the rows were read from; empty for papers."""
        row = self.rows[0].reported.row
        return f"{row['repository']}, {row['path']}, commit {row['commit'][:12]}" if row["repository"] else ""

    @property
    def notes(self) -> list[str]:
        """Remarks on the rows, once for each network and note."""
        noted = [one.reported.row for one in self.rows if one.reported.row["note"]]
        return list(dict.fromkeys(f"{row['network']}: {row['note']}" for row in noted))


@dataclass(frozen=True)
class Paper:
    """A paper or repository with its printed tables. `title` is the start of its sources; `url` may be empty."""

    id: str
    title: str
    url: str
    tables: tuple[PrintedTable, ...]

    @property
    def path(self) -> str:
        """The address of its page."""
        return f"papers/{self.id}.html"

    def heading(self, table: PrintedTable) -> str:
        """The heading of one of its tables: its number, or its complete source where that is all there is."""
        rest = table.source.removeprefix(self.title).lstrip(", ")
        return rest[:1].upper() + rest[1:] if rest else table.source

    @property
    def rows(self) -> list[ReportedMean]:
        """The rows of all its tables."""
        return [row for table in self.tables for row in table.rows]

    @property
    def measured(self) -> int:
        """How many of its printed means could be compared with weights."""
        return sum(row.measured is not None for row in self.rows)

    @property
    def verdicts(self) -> dict[str, int]:
        """How often each verdict was reached, the most frequent first."""
        return _counted([row.reported for row in self.rows if row.measured])


def pages(collection: Collection) -> Iterator[Page]:
    """Return a page for each paper, their index, and the rows and audits as data."""
    found = papers(bam_claims(collection))
    yield Page(INDEX, partial(render, "papers.html.j2", path=INDEX, papers=found, data=DATA))
    for paper in found:
        yield Page(paper.path, partial(render, "paper.html.j2", path=paper.path, paper=paper, data=DATA, audits=AUDITS))
    yield Page(DATA, _csv)
    yield Page(AUDITS, (FOLDER / "audits.json").read_bytes)


def papers(gains: Sequence[BamClaim] = ()) -> list[Paper]:
    """Return every paper and repository with its rows, in the order of the file; `gains` are printed gains of BAM."""
    by_cell = {(f"{one.network}-bam".lower(), str(one.scale), one.dataset): one for one in gains}
    sources: dict[str, list[Reported]] = {}
    for one in reported_rows():
        sources.setdefault(one.row["source"], []).append(one)
    found: dict[str, list[PrintedTable]] = {}
    for source, rows in sources.items():
        table = PrintedTable(source, tuple(_printed_rows(source, rows, by_cell)))
        found.setdefault(source.split(",")[0] if "arXiv" not in source else _paper_of(source), []).append(table)
    return [Paper(_paper_id(title), title, _address(ones[0]), tuple(ones)) for title, ones in found.items()]


def _in_words(reason: str) -> str:
    """Return why nothing was measured, without the terms of the audit that found no weights or no images."""
    missing = _MISSING_SET.fullmatch(reason)
    return "no weights in the zoo" if reason == _NO_WEIGHTS else f"no copy of {missing[1]}" if missing else reason


def _paper_of(source: str) -> str:
    """Return the part of a source that names its paper, without the table."""
    return re.sub(r",? table \d+.*$", "", source)


def _paper_id(title: str) -> str:
    arxiv = re.search(r"arXiv:(\d{4}\.\d{4,5})", title)
    return arxiv[1] if arxiv else _slug(title)


def _address(table: PrintedTable) -> str:
    arxiv = re.search(r"arXiv:(\d{4}\.\d{4,5})", table.source)
    repository = table.rows[0].reported.row["repository"]
    return f"https://arxiv.org/abs/{arxiv[1]}" if arxiv else f"https://github.com/{repository}" if repository else ""


def _printed_rows(
    source: str, rows: Sequence[Reported], gains: Mapping[tuple[str, str, str], BamClaim]
) -> Iterator[ReportedMean]:
    table = re.search(r"table \d+", source)
    start = _slug(table[0]).replace("-", "") if table else _slug(source.split(",")[-1])
    used: dict[str, int] = {}
    for one in rows:
        row = one.row
        anchor = f"{start}-{_slug(row['network'])}-{_slug(row['dataset'])}-x{row['scale']}"
        used[anchor] = used.get(anchor, 0) + 1
        number = f"-{used[anchor]}" if used[anchor] > 1 else ""
        gain = gains.get((row["network"].lower(), row["scale"], row["dataset"])) if PAPER in source else None
        yield ReportedMean(anchor + number, one, gain)


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-.")


def _counted(rows: Sequence[Reported]) -> dict[str, int]:
    verdicts = [one.verdict for one in rows]
    return {verdict: verdicts.count(verdict) for verdict in sorted(set(verdicts), key=verdicts.count, reverse=True)}


def _csv() -> str:
    rows = reported_rows()
    head = [*rows[0].row, "verdict"]
    return to_csv(head, ([*one.row.values(), one.verdict] for one in rows))
