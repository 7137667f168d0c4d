"""Build the pages about the site: how to read and cite it, how to submit, and the page for wrong addresses."""

from __future__ import annotations

from collections.abc import Iterator

from leaderboard.addresses import INDEX
from leaderboard.collection import Collection
from leaderboard.entries import Entry
from leaderboard.pages import Page
from leaderboard.rendering import LEVELS, NOT_FOUND, render
from srbench.statistics import MIN_IMAGES

_NEWEST = 8


def pages(collection: Collection) -> Iterator[Page]:
    """Return `about.html`, `submit.html` and `404.html`, and `index.html` where no main table can be the home page."""
    yield Page("submit.html", lambda: render("submit.html.j2", path="submit.html", example=_example(collection)))
    yield Page(NOT_FOUND, lambda: render("404.html.j2", path=NOT_FOUND))
    levels = {level: sum(entry.level == level for entry in collection) for level in LEVELS}
    yield Page(
        "about.html",
        lambda: render(
            "about.html.j2",
            path="about.html",
            min_images=MIN_IMAGES,
            newest=newest(collection, _NEWEST),
            levels_held=levels,
            entries=len(collection),
            scores=sum(mean.n for entry in collection for mean in entry.means.values()),
        ),
    )
    if not any(entry.means for entry in collection):
        yield Page(INDEX, lambda: render("empty.html.j2", path=INDEX))


def _example(collection: Collection) -> Entry | None:
    """Return an entry to show as an example: the first one that a maintainer ran again."""
    return next((entry for entry in collection if entry.level == "model-rerun"), next(iter(collection), None))


def newest(collection: Collection, number: int) -> list[Entry]:
    """Return the entries with the latest dates, the latest first; by id where dates are equal."""
    ordered = sorted(collection, key=lambda entry: entry.id)
    return sorted(ordered, key=lambda entry: entry.date, reverse=True)[:number]
