"""The files that pages load: style sheet and scripts, as they lie in `static/`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from leaderboard.collection import Collection
from leaderboard.pages import Page
from srbench.files import sha256_of


def pages(_: Collection) -> Iterator[Page]:
    """Every file of `static/`, under the same name."""
    root = Path(__file__).with_name("static")
    for file in sorted(root.rglob("*")):
        if file.is_file():
            # The digest of the code covers texts alone.
            yield Page(f"static/{file.relative_to(root).as_posix()}", (sha256_of(file),), partial(file.read_bytes))
