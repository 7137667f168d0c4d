"""The groups of entries that the main tables can be limited to: authors' weights, trained here, or all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from leaderboard.entries import Entry
from srbench.submissions.catalogue_checks import BASELINES

TRAINED_TAG = "srbench"
"""The weights tag of what was trained with srbench by its recipes."""


@dataclass(frozen=True)
class Family:
    """A group of entries: `slug` is a part of addresses, `title` and `meaning` are shown."""

    slug: str
    title: str
    meaning: str


ALL = Family("", "all", "authors’ weights and those trained here")
AUTHORS = Family("authors", "authors’ weights", "weights that the authors of a network published or submitted")
TRAINED = Family("trained", "trained here", "weights trained with srbench by its own recipes, much shorter than usual")
FAMILIES = (ALL, AUTHORS, TRAINED)
"""All groups, in the order of their tabs."""


def is_trained_here(entry: Entry) -> bool:
    """Return whether the weights were trained with srbench."""
    return entry.record.model.tag == TRAINED_TAG


def is_baseline(entry: Entry) -> bool:
    """Return whether the entry is an interpolation, which every group shows for reference."""
    return entry.record.model.spec in BASELINES


def members(entries: Iterable[Entry], family: Family) -> list[Entry]:
    """Return the entries of a group."""
    return [entry for entry in entries if family is ALL or is_baseline(entry) or _belongs(entry, family)]


def existing(entries: Sequence[Entry]) -> list[Family]:
    """Return the groups that have an entry; only `ALL` if another group would show the same entries."""
    found = [one for one in FAMILIES[1:] if any(_belongs(e, one) and not is_baseline(e) for e in entries)]
    return [ALL, *found] if len(found) > 1 else [ALL]


def _belongs(entry: Entry, family: Family) -> bool:
    return is_trained_here(entry) == (family is TRAINED)
