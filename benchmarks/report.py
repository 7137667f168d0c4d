"""What every benchmark shares: the row of the report, fair timing, the real images and the table."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

LIBRARIES = ("srbench", "torch", "numpy", "opencv-python-headless", "scikit-image", "pillow")
"""Whose versions stand under the table."""


@dataclass(frozen=True)
class BenchRow:
    """One line of the report.

    `ours` and `peer` are measurements as text with their unit ("98 ms"), `ratio` what the limit speaks of, None where
    it could not be measured, `limit` "≥ 4", "≤ 1.15" or "" for a figure without one, and `spread` the smallest and the
    largest ratio among the rounds.
    """

    name: str
    ours: str
    peer: str
    ratio: float | None
    limit: str
    note: str = ""
    spread: str = ""

    @property
    def verdict(self) -> str:
        """Whether the ratio keeps the limit, as a word; empty without a ratio or a limit."""
        if self.ratio is None or not self.limit:
            return ""
        sign, bound = self.limit.split()
        return "met" if (self.ratio >= float(bound) if sign == "≥" else self.ratio <= float(bound)) else "MISSED"


@dataclass(frozen=True)
class Timing:
    """What one call took in each round, in seconds."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle of the rounds."""
        return statistics.median(self.seconds)


def rows_of(name: str) -> list[BenchRow]:
    """Run one benchmark module of this package, in this process; each row is told on stderr as soon as it is there."""
    rows = []
    for row in importlib.import_module(f"benchmarks.{name}").rows():
        print(_line(_cells(row)), file=sys.stderr, flush=True)
        rows.append(row)
    return rows


def timings(
    *calls: Callable[[], object], repeats: int = 5, clock: Callable[[], float] = time.perf_counter
) -> list[Timing]:
    """Time each call over `repeats` rounds; the calls take turns, so a busy moment hits them alike.

    Args:
        clock: `time.process_time` counts processor time instead, which other programs lengthen less.
    """
    seconds: list[list[float]] = [[] for _ in calls]
    for _ in range(repeats):
        for call, times in zip(calls, seconds, strict=True):
            started = clock()
            call()
            times.append(clock() - started)
    return [Timing(tuple(times)) for times in seconds]


def speed_row(name: str, ours: Timing, peer: Timing, limit: str = "", note: str = "times faster") -> BenchRow:
    """How many times faster than a peer: the ratio of the medians, and its spread over the rounds."""
    return _ratio_row(name, (ours, peer), (peer, ours), limit, note)


def cost_row(name: str, ours: Timing, base: Timing, limit: str = "", note: str = "") -> BenchRow:
    """How many times the cost of something that cannot be done without."""
    return _ratio_row(name, (ours, base), (ours, base), limit, note)


def _ratio_row(
    name: str, shown: tuple[Timing, Timing], ratio: tuple[Timing, Timing], limit: str, note: str
) -> BenchRow:
    over, under = ratio
    rounds = [first / second for first, second in zip(over.seconds, under.seconds, strict=True)]
    ours, peer = (milliseconds(timing.median) for timing in shown)
    return BenchRow(name, ours, peer, over.median / under.median, limit, note, f"{min(rounds):.3g}–{max(rounds):.3g}")


def milliseconds(seconds: float) -> str:
    """A duration for the table."""
    return f"{1000 * seconds:.3g} ms" if seconds < 1 else f"{seconds:.2f} s"


def without_peer(name: str, peer: str, limit: str = "") -> BenchRow:
    """The row of a benchmark whose peer could not be fetched."""
    return BenchRow(name, "-", "-", None, limit, f"{peer} cannot be had")


def test_data() -> Path | None:
    """The folder of real images that `$SRBENCH_TEST_DATA` names, or None."""
    folder = os.environ.get("SRBENCH_TEST_DATA")
    return Path(folder) if folder else None


def without_data(name: str, limit: str) -> BenchRow:
    """The row of a benchmark whose real images are not here."""
    return BenchRow(name, "-", "-", None, limit, "needs $SRBENCH_TEST_DATA")


def cache_dir() -> Path:
    """Where peers are kept: `$SRBENCH_CACHE`, else `.cache` in the current folder."""
    return Path(os.environ.get("SRBENCH_CACHE", ".cache")).absolute()


def markdown(rows: Iterable[BenchRow]) -> str:
    """The whole report: the table, then machine and versions."""
    lines = list(map(_cells, rows))
    return f"{table(['benchmark', 'ours', 'peer', 'ratio', 'spread', 'limit', '', 'note'], lines)}\n\n{surroundings()}"


def table(head: list[str], lines: list[list[str]]) -> str:
    """A Markdown table."""
    return "\n".join(map(_line, [head, ["---"] * len(head), *lines]))


def _cells(row: BenchRow) -> list[str]:
    ratio = "-" if row.ratio is None else f"{row.ratio:.3g}"
    return [row.name, row.ours, row.peer, ratio, row.spread or "-", row.limit or "-", row.verdict, row.note]


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def surroundings() -> str:
    """Machine and versions, in one line; a package that is not installed is left out, srbench is then a source tree."""
    found = {name: _version(name) for name in LIBRARIES}
    found["srbench"] = found["srbench"] or "source tree"
    versions = ", ".join(f"{name} {version}" for name, version in found.items() if version)
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    return f"{machine}; {versions}"


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def write_measured(page: Path, name: str, lines: Iterable[str]) -> None:
    """Put lines between `<!-- measured: NAME -->` and `<!-- end of NAME -->` in a page.

    Raises:
        SystemExit: the page has no such marks.
    """
    start, end = f"<!-- measured: {name} -->\n", f"<!-- end of {name} -->"
    text = page.read_text(encoding="utf-8")
    if start not in text or end not in text:
        raise SystemExit(f"{page}: expected the marks of the table {name}, got none; write them where it belongs")
    before, _, rest = text.partition(start)
    _, _, after = rest.partition(end)
    page.write_text(f"{before}{start}\n" + "\n".join(lines) + f"\n\n{end}{after}", encoding="utf-8")
