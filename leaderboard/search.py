"""`search.html`: the name of every model, paper, dataset, protocol and study as a list that a script filters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from leaderboard.addresses import dataset_path, model_path, protocol_path
from leaderboard.collection import Collection
from leaderboard.pages import Page
from leaderboard.rendering import render
from leaderboard.reported_pages import papers
from leaderboard.study_pages import read_studies, study_path
from leaderboard.views import dataset_names
from srbench.datasets import CATALOGUE
from srbench.protocols import protocol_names

PATH = "search.html"


@dataclass(frozen=True)
class Found:
    """An item of the search: its kind, name, further search words, and page."""

    kind: str
    name: str
    words: str
    path: str


def pages(collection: Collection) -> Iterator[Page]:
    """Return `search.html`."""
    yield Page(PATH, partial(_page, collection))


def search_index(collection: Collection) -> Iterator[Found]:
    """Return all items that the search can find, by kind."""
    for entry in collection:
        paper = entry.record.paper
        yield Found("model", entry.title, f"{entry.id} {paper.title if paper else ''}", model_path(entry.id))
    for printed in papers():
        yield Found("paper", printed.title, printed.id, printed.path)
    for name in dict.fromkeys([*CATALOGUE, *dataset_names(collection)]):
        aliases = CATALOGUE[name].aliases if name in CATALOGUE else ()
        yield Found("dataset", name, " ".join(aliases), dataset_path(name))
    for name in protocol_names():
        yield Found("protocol", name, "", protocol_path(name))
    for study in read_studies(collection.root)[0]:
        yield Found("study", study.title, study.slug, study_path(study))


def _page(collection: Collection) -> str:
    return render("search.html.j2", path=PATH, found=list(search_index(collection)))
