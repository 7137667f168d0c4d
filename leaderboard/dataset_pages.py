"""The pages of the datasets: description, pixels, the entries that were scored on it, and papers with scores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from leaderboard.addresses import address_safe, dataset_path
from leaderboard.collection import Collection
from leaderboard.entries import Entry
from leaderboard.pages import Page
from leaderboard.rendering import render
from leaderboard.reported_pages import papers
from leaderboard.views import dataset_names, group_rank
from srbench.datasets import CATALOGUE, known_images
from srbench.datasets.catalogue import DatasetEntry as Dataset
from srbench.datasets.pixel_variants import KINDS
from srbench.images import fingerprint

_ROWS = 100
"""Entries on each page of a dataset's list."""

_INDEX = "datasets/index.html"


@dataclass(frozen=True)
class Use:
    """An entry on a dataset: the pixels it was scored on, and its scales and protocols."""

    entry: Entry
    fingerprint: str
    variant: str
    places: tuple[tuple[int, str], ...]


def pages(collection: Collection) -> Iterator[Page]:
    """Return a page for each dataset of the catalogue and each that an entry was scored on, and their index."""
    scored = dataset_names(collection)
    names = [*CATALOGUE, *(name for name in scored if name not in CATALOGUE)]
    uses = {name: _uses(collection, name) for name in names}
    for name in names:
        count = max(1, -(-len(uses[name]) // _ROWS))
        paths = [dataset_path(name), *(_list_path(name, number) for number in range(2, count + 1))]
        for number, path in enumerate(paths):
            shown = uses[name][number * _ROWS : (number + 1) * _ROWS]
            yield Page(path, partial(_dataset, name, shown, paths, number))
    counts = {name: len(uses[name]) for name in names}
    yield Page(_INDEX, lambda: _index(counts))


def _list_path(name: str, number: int) -> str:
    """Return the path of a further page of a dataset's list of entries."""
    return f"datasets/{address_safe(name)}/entries-{number}.html"


def _uses(collection: Collection, dataset: str) -> list[Use]:
    found = []
    for entry in collection:
        groups = sorted((group for group in entry.means if group[2] == dataset), key=group_rank)
        places = tuple((scale, protocol) for scale, protocol, _ in groups)
        if places:
            facts = next(run["datasets"][dataset] for run in entry.document["runs"] if dataset in run["datasets"])
            found.append(Use(entry, facts["fingerprint"], facts["variant"], places))
    return found


def _dataset(name: str, uses: list[Use], paths: list[str], number: int) -> str:
    images = known_images(name)
    return render(
        "dataset.html.j2",
        path=paths[number],
        name=name,
        dataset=CATALOGUE.get(name),
        images=images,
        canonical=fingerprint(image.sha256 for image in images) if images else None,
        kinds=KINDS,
        edsr=any(image.edsr_sha256 for image in images),
        uses=uses,
        paths=paths,
        size=size_of(name),
        printed=_printed(name),
    )


def _printed(name: str) -> list[tuple[str, str, int]]:
    """Return the papers that print scores on a dataset: title, address and number of printed means."""
    counted = [
        (paper.title, paper.path, sum(row.reported.row["dataset"] == name for row in paper.rows)) for paper in papers()
    ]
    return [one for one in counted if one[2]]


def size_of(name: str) -> int | None:
    """Return the number of images in the evaluated split of a dataset; None if the catalogue does not have it."""
    dataset = CATALOGUE.get(name)
    return dataset.split().count if dataset else None


def _index(counts: dict[str, int]) -> str:
    rows: list[tuple[str, Dataset | None, int | None, int]] = [
        (name, CATALOGUE.get(name), size_of(name), number) for name, number in counts.items()
    ]
    return render("datasets.html.j2", path=_INDEX, rows=rows)
