"""List which datasets are under a data root, without opening an image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from srbench.datasets.catalogue import CATALOGUE, DatasetEntry, Split
from srbench.datasets.imageset import data_root as root_of
from srbench.datasets.imageset import find_place
from srbench.datasets.stores import images_in, row_count


@dataclass(frozen=True)
class Listed:
    """A split's state: `found` images of `expected` in `size` bytes at `place`; None where it is missing or unknown.

    `download_bytes` is the size of a download as far as it is known; with `at_least`, there are more files of unknown
    size.
    """

    name: str
    split: str
    found: int
    expected: int | None
    size: int
    place: Path | None
    licence: str
    source: str
    hidden: bool = False
    download_bytes: int = 0
    at_least: bool = False

    @property
    def state(self) -> str:
        """`hidden`, `missing`, `complete`, `incomplete`, or `present` where the number of images is not known."""
        if self.hidden:
            return "hidden"
        if not self.found:
            return "missing"
        if self.expected is None:
            return "present"
        return "complete" if self.found == self.expected else "incomplete"


def list_datasets(data_root: Path | None = None) -> list[Listed]:
    """Return every split of every dataset, in the order of the catalogue. Raises DatasetError for a damaged one."""
    root = root_of(data_root)
    rows = []
    for entry in CATALOGUE.values():
        rows += [_listed(entry, split, root) for split in entry.splits]
        if entry.hidden:
            name = entry.hidden.split()[0]
            rows.append(Listed(entry.name, name, 0, None, 0, None, entry.licence, "never published", hidden=True))
    return rows


def _listed(entry: DatasetEntry, split: Split, root: Path) -> Listed:
    place = find_place(entry, split, root)
    found = size = 0
    if place is not None and place.is_file():
        found, size = row_count(place), place.stat().st_size
    elif place is not None:
        files = images_in(place)
        found, size = len(files), sum(path.stat().st_size for path in files.values())
    sources = entry.sources_of(split)
    titles = "; ".join(source.title for source in sources) or "import only"
    facts = (entry.name, split.name, found, split.count, size, place, entry.licence, titles)
    sized = next((source for source in sources if source.known_bytes), None)
    if sized is None:
        return Listed(*facts)
    at_least = not sized.is_exact and not sized.stated_bytes
    return Listed(*facts, download_bytes=sized.known_bytes, at_least=at_least)


def size_text(size: int) -> str:
    """Return a number of bytes as text in MB; in GB if it is at least 1000 MB."""
    return f"{size / 1e6:.1f} MB" if size < 1e9 else f"{size / 1e9:.1f} GB"
