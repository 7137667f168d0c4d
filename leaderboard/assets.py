"""The files that pages load: style sheet and scripts, as stored in `static/`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from leaderboard.collection import Collection
from leaderboard.pages import Page


def pages(_: Collection) -> Iterator[Page]:
    """Every file of `static/`, under the same name."""
    root = Path(__file__).with_name("static")
    for file in sorted(root.rglob("*")):
        if file.is_file():
            yield Page(f"static/{file.relative_to(root).as_posix()}", file.read_bytes)
