"""The first page, and the page that says how to read, cite and extend the site."""

from __future__ import annotations

from collections.abc import Iterator

from leaderboard.addresses import INDEX
from leaderboard.collection import Collection
from leaderboard.entries import Entry
from leaderboard.pages import Page
from leaderboard.rendering import LEVELS, render
from leaderboard.views import View, views
from srbench.protocols import Protocol
from srbench.statistics import MIN_IMAGES

_NEWEST = 8


def pages(collection: Collection) -> Iterator[Page]:
    """`index.html` and `about.html`."""
    found = views(collection)
    recent = newest(collection, _NEWEST)
    levels = {level: sum(entry.level == level for entry in collection) for level in LEVELS}
    yield Page(
        INDEX,
        lambda: render(
            "index.html.j2",
            path=INDEX,
            protocols=_by_protocol(found),
            newest=recent,
            levels_held=levels,
            entries=len(collection),
            scores=sum(mean.n for entry in collection for mean in entry.means.values()),
        ),
    )
    yield Page("about.html", lambda: render("about.html.j2", path="about.html", min_images=MIN_IMAGES))


def newest(collection: Collection, number: int) -> list[Entry]:
    """The entries with the latest dates, the latest first; by id where dates are equal."""
    ordered = sorted(collection, key=lambda entry: entry.id)
    return sorted(ordered, key=lambda entry: entry.date, reverse=True)[:number]


def _by_protocol(found: list[View]) -> list[tuple[Protocol, list[View]]]:
    protocols = {view.protocol.name: view.protocol for view in found}
    return [(protocol, [view for view in found if view.protocol.name == name]) for name, protocol in protocols.items()]
