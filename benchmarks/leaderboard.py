"""Building the site of 10 to 10,000 generated submissions: time, memory, page sizes, and the front table in use."""

from __future__ import annotations

import gzip
import importlib.util
import multiprocessing
import resource
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from benchmarks.report import BenchRow, milliseconds
from leaderboard.site import build
from tests.leaderboard.browser.conftest import find_browser
from tests.submissions.generated import generate

SIZES = (10, 100, 1_000, 10_000)
"""How many submissions the built sites have."""

_LIMITS = {100: 30.0, 1_000: 300.0}
"""The longest time in seconds that a site of so many entries may take."""
_LARGEST_PAGE = 300_000
_FRONT_BYTES, _PAGE_BYTES = 400_000, 150_000
_FEW, _MANY = 20, 500
_SETS = ("Set5", "Set14", "BSD100", "Urban100", "Manga109")
_RESPONSE = 0.3
_ACTIONS = ("sort", "filter")
# Milliseconds from the action to the first and to the last change of the table, with its layout. The first change
# brings the rows that a screen shows.
_TIMED = """(action) => new Promise((done) => {
  const start = performance.now();
  const changes = [];
  new MutationObserver(() => { document.body.offsetHeight; changes.push(performance.now() - start); })
    .observe(document.querySelector("#scores"), { childList: true, subtree: true, attributes: true });
  if (action === "filter") {
    const field = document.querySelector("#controls [name=name]");
    field.value = "7";
    field.dispatchEvent(new Event("input", { bubbles: true }));
  } else {
    document.querySelectorAll("button.sort")[4].click();
  }
  setTimeout(() => done([changes.at(0), changes.at(-1)]), 2000);
})"""
# Up to here what does not depend on the number of entries outweighs what does.
_LINEAR_FROM = 100


@dataclass(frozen=True)
class _Built:
    """A whole build: seconds, peak memory of its process in MB, and the largest HTML page in compressed bytes."""

    seconds: float
    memory: float
    page: int


def rows() -> list[BenchRow]:
    """Each size, against ten times the one before and its limit; the largest page, in 300 kB."""
    with tempfile.TemporaryDirectory() as folder:
        built = {size: _alone(Path(folder), size) for size in SIZES}
        pages = _page_rows(Path(folder))
    growth = [_growth(built, before, size) for before, size in pairwise(SIZES)]
    largest = max(one.page for one in built.values())
    return [
        _row(SIZES[0], built[SIZES[0]]),
        *(row for pair in growth for row in pair),
        BenchRow(
            "largest page of any site, compressed",
            f"{largest / 1000:.0f} kB",
            f"{_LARGEST_PAGE / 1000:.0f} kB",
            largest / _LARGEST_PAGE,
            "≤ 1",
        ),
        *(_limit(size, limit, built[size].seconds) for size, limit in _LIMITS.items()),
        *pages,
    ]


def _page_rows(folder: Path) -> list[BenchRow]:
    """Bytes of pages as they are, and how long the front table takes to sort and to filter."""
    small, large = folder / "small", folder / "large"
    for path, size, datasets in ((small, _FEW, _SETS[:3]), (large, _MANY, _SETS)):
        generate(path, size, datasets=datasets)
        build(path, path.with_name(f"{path.name}-site"))
    site = folder / "small-site"
    other = max(path.stat().st_size for path in site.rglob("*.html") if path.name != "index.html")
    front = folder / "large-site" / "index.html"
    return [
        _bytes_row(f"front table of {_MANY} submissions on {len(_SETS)} sets", front.stat().st_size, _FRONT_BYTES),
        _bytes_row(f"largest other page at {_FEW} submissions", other, _PAGE_BYTES),
        *_browser_rows(front),
    ]


def _bytes_row(name: str, size: int, limit: int) -> BenchRow:
    return BenchRow(name, f"{size / 1000:.0f} kB", f"{limit / 1000:.0f} kB", size / limit, "≤ 1")


def _browser_rows(front: Path) -> list[BenchRow]:
    """Sort and filter the front table; no rows where there is no browser."""
    path = find_browser()
    if path is None or importlib.util.find_spec("playwright") is None:
        return []
    from playwright.sync_api import sync_playwright

    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(front.as_uri())
        page.wait_for_selector("button.sort")
        found = {name: page.evaluate(_TIMED, name) for name in _ACTIONS}
        browser.close()
    return [
        BenchRow(
            f"{name} {_MANY} rows in the browser, {part}",
            milliseconds(taken / 1000),
            milliseconds(_RESPONSE),
            taken / 1000 / _RESPONSE,
            "≤ 1",
        )
        for name, times in found.items()
        for part, taken in zip(("first rows", "all rows"), times, strict=True)
    ]


def _row(size: int, built: _Built) -> BenchRow:
    return BenchRow(
        f"site of {size:,} submissions", milliseconds(built.seconds), "-", None, "", f"{built.memory:.0f} MB"
    )


def _limit(size: int, limit: float, seconds: float) -> BenchRow:
    return BenchRow(f"site of {size:,} submissions", milliseconds(seconds), f"{limit:.0f} s", seconds / limit, "≤ 1")


def _growth(built: dict[int, _Built], before: int, size: int) -> tuple[BenchRow, BenchRow]:
    """Time and memory of a size, over those of the size before times the growth: 1 is linear."""
    small, large, factor = built[before], built[size], size / before
    limit = "≤ 1.3" if before >= _LINEAR_FROM else ""
    memory = factor * small.memory
    return (
        BenchRow(
            f"site of {size:,} submissions, against {factor:.0f} of {before:,}",
            milliseconds(large.seconds),
            milliseconds(factor * small.seconds),
            large.seconds / (factor * small.seconds),
            limit,
        ),
        BenchRow(
            f"memory of that, against {factor:.0f} times",
            f"{large.memory:.0f} MB",
            f"{memory:.0f} MB",
            large.memory / memory,
            limit,
        ),
    )


def _alone(folder: Path, size: int) -> _Built:
    generate(folder / str(size), size)
    # A process of its own: the peak of one build must not be that of the last.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_build, folder / str(size), folder / f"{size}-site").result()


def _build(submissions: Path, output: Path) -> _Built:
    started = time.perf_counter()
    build(submissions, output)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
    page = max(len(gzip.compress(path.read_bytes())) for path in output.rglob("*.html"))
    return _Built(seconds, peak, page)
