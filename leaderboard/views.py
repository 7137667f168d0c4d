"""The scales and protocols that have entries, in a fixed order; each has main tables."""

from __future__ import annotations

from dataclasses import dataclass

from leaderboard.addresses import table_path
from leaderboard.collection import Collection
from leaderboard.entries import Entry, Group
from srbench.datasets import CATALOGUE
from srbench.protocols import Protocol, get_protocol, protocol_names


@dataclass(frozen=True)
class View:
    """A scale and protocol with the entries that were scored so, and the datasets they were scored on."""

    scale: int
    protocol: Protocol
    entries: tuple[Entry, ...]
    datasets: tuple[str, ...]

    @property
    def path(self) -> str:
        """The page of its main table."""
        return table_path(self.scale, self.protocol.name)

    @property
    def name(self) -> str:
        """Its name on pages and in data files: `×4 matlab-y`."""
        return f"×{self.scale} {self.protocol.name}"

    @property
    def stem(self) -> str:
        """The start of the names of its data files: `x4-matlab-y`."""
        return f"x{self.scale}-{self.protocol.name}"

    def group(self, dataset: str) -> Group:
        """Return the key of the scores on one of its datasets."""
        return self.scale, self.protocol.name, dataset


def views(collection: Collection) -> list[View]:
    """Return all views, the default protocol first and small scales before large ones."""
    found: dict[tuple[str, int], dict[str, Entry]] = {}
    sets: dict[tuple[str, int], set[str]] = {}
    for entry in collection:
        for scale, protocol, dataset in entry.means:
            found.setdefault((protocol, scale), {})[entry.id] = entry
            sets.setdefault((protocol, scale), set()).add(dataset)
    ordered = {key: tuple(sorted(names, key=dataset_rank)) for key, names in sets.items()}
    return [
        View(scale, get_protocol(name), tuple(found[name, scale].values()), ordered[name, scale])
        for name in protocol_names()
        for scale in get_protocol(name).preparation.scales
        if (name, scale) in found
    ]


def dataset_names(collection: Collection) -> list[str]:
    """Return every dataset that an entry was scored on, in the catalogue's order."""
    return sorted({dataset for entry in collection for _, _, dataset in entry.means}, key=dataset_rank)


def group_rank(group: tuple[int, str, str]) -> tuple[int, int, tuple[int, str]]:
    """Return the sort key of groups on a page: by protocol, then scale, then dataset."""
    scale, protocol, dataset = group
    return protocol_names().index(protocol), scale, dataset_rank(dataset)


def dataset_rank(dataset: str) -> tuple[int, str]:
    """Return the sort key of datasets: the catalogue's order, then other names."""
    order = list(CATALOGUE)
    return order.index(dataset) if dataset in CATALOGUE else len(order), dataset
