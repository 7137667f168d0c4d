"""Write the pages of a site into a folder, with one process for each processor core where there are many pages."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from leaderboard.pages import Page
from srbench.workers import end_with_parent

PARALLEL_FROM = 2000
"""Sites of fewer pages are written by one process, because starting others takes longer than they save."""
_CHUNK = 32
_MOST_PROCESSES = 8

_pages: Sequence[Page] = ()  # what forked processes inherit: the functions that make pages cannot be sent to them


def write_pages(pages: Sequence[Page], target: Path) -> None:
    """Write every page below `target`. An exception of a page is raised here, and other pages may then be missing."""
    global _pages
    if len(pages) < PARALLEL_FROM or "fork" not in multiprocessing.get_all_start_methods():
        for page in pages:
            _put(target / page.path, page.content())
        return
    _pages = pages
    processes = min(_MOST_PROCESSES, os.cpu_count() or 1)
    try:
        context = multiprocessing.get_context("fork")
        with ProcessPoolExecutor(processes, context, initializer=end_with_parent) as pool:
            starts = range(0, len(pages), _CHUNK)
            for _ in pool.map(_write_chunk, starts, [target] * len(starts)):
                pass
    finally:
        _pages = ()


def _write_chunk(start: int, target: Path) -> None:
    for page in _pages[start : start + _CHUNK]:
        _put(target / page.path, page.content())


def _put(target: Path, content: str | bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content.encode() if isinstance(content, str) else content)
