"""The Atom feed of new entries."""

from __future__ import annotations

from collections.abc import Iterator

from leaderboard.addresses import link, model_path
from leaderboard.collection import Collection
from leaderboard.home import newest
from leaderboard.pages import Page
from leaderboard.rendering import render

FEED = "feed.xml"
_SHOWN = 30


def pages(collection: Collection) -> Iterator[Page]:
    """Return `feed.xml`, the newest entries. It has the dates of the entries, so equal entries give an equal feed."""
    entries = newest(collection, _SHOWN)
    yield Page(
        FEED,
        lambda: render("feed.xml.j2", path=FEED, entries=entries, address=lambda entry: link(model_path(entry.id))),
    )
