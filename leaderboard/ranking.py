"""Which entries are ranked together, and which of them stand first and second."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np

from leaderboard.collection import Collection
from leaderboard.entries import Entry, Group, Mean
from srbench.protocols import get_protocol
from srbench.statistics import MIN_IMAGES, hold_zero
from srbench.submissions import LEVELS

Mark = Literal["first", "second"]
"""First: the highest mean and all that are not told from it; second: the same among the rest."""

METRICS = ("psnr", "ssim")
"""The means that are ranked, in the order of `leaderboard.entries.Values`."""

DECIMALS = (3, 4)
"""To how many decimals means of few images are compared, by metric: as many as the tables print."""

_PLAIN = {"precision": "fp32", "tile": None, "self_ensemble": False, "optimise": "none", "lr_source": "made"}


def forms(entry: Entry, protocol: str) -> tuple[str, ...]:
    """How an entry was made otherwise than the main group, in words; each combination is a group of its own.

    Of a folder of SR images nobody knows how they were made, so they are a group too.
    """
    options = entry.document["options"]
    from_images = entry.document["model"]["spec"].startswith("images:")
    if options == _PLAIN and not from_images:
        return ()
    given = options["lr_source"] == "given" and not get_protocol(protocol).preparation.ships_lr
    found = {
        "from images": from_images,
        "self-ensemble": options["self_ensemble"],
        "tiled": options["tile"] is not None,
        f"{options['precision']}": options["precision"] != "fp32",
        f"optimised ({options['optimise']})": options["optimise"] != "none",
        "other LR files": given,
        "LR of any origin": options["lr_source"] == "any",
    }
    return tuple(word for word, holds in found.items() if holds)


def apart(entries: Iterable[Entry], protocol: str) -> dict[str, tuple[str, ...]]:
    """By entry id, why an entry stands apart from those that are ranked, in words; none for those.

    Beside what was made otherwise it is what is only claimed, wherever another entry is verified.
    """
    made = [(entry, forms(entry, protocol)) for entry in entries]
    verified = any(entry.level != LEVELS[0] and not words for entry, words in made)
    return {
        entry.id: (("not verified",) if verified and entry.level == LEVELS[0] else ()) + words for entry, words in made
    }


def ranked_entries(entries: Sequence[Entry], protocol: str) -> list[Entry]:
    """The main group: the entries that do not stand apart."""
    words = apart(entries, protocol)
    return [entry for entry in entries if not words[entry.id]]


def reference_inputs(entries: Sequence[Entry], group: Group) -> str | None:
    """The protocol version, HR and LR that a group is ranked on; None where nothing can be ranked.

    It is what most entries of the main group used, of those with the catalogue's pixels; the older wins a tie.
    """
    return _reference(ranked_entries(entries, group[1]), group)


def _reference(ranked: Iterable[Entry], group: Group) -> str | None:
    found: dict[str, list[tuple[str, str]]] = {}
    for entry in ranked:
        mean = entry.means.get(group)
        if mean and mean.canonical:
            found.setdefault(mean.inputs, []).append((entry.date, entry.id))
    return min(found, key=lambda inputs: (-len(found[inputs]), min(found[inputs])), default=None)


def of_other_inputs(mean: Mean, reference: str | None) -> bool:
    """Whether a mean is of other pixels or LR than its group is ranked on; where nothing is ranked, than is known."""
    return not mean.canonical if reference is None else mean.inputs != reference


def rank(collection: Collection, entries: Sequence[Entry], group: Group, metric: int) -> dict[str, Mark]:
    """Marks by entry id for one metric (an index into `METRICS`) of the entries of the main group."""
    ranked = ranked_entries(entries, group[1])
    reference = _reference(ranked, group)
    left = {
        entry.id: entry
        for entry in ranked
        if (mean := entry.means.get(group)) and mean.inputs == reference and _value(mean, metric) is not None
    }
    marks: dict[str, Mark] = {}
    for mark in ("first", "second"):
        level = _not_below(collection, list(left.values()), group, metric)
        marks.update(dict.fromkeys(level, mark))
        left = {name: entry for name, entry in left.items() if name not in level}
    return marks


def _not_below(collection: Collection, entries: list[Entry], group: Group, metric: int) -> set[str]:
    """The entry with the highest mean, and all that are not told from it."""
    if not entries:
        return set()
    best = max(entries, key=lambda entry: _mean_of(entry, group, metric))
    if best.means[group].n < MIN_IMAGES:
        highest = round(_mean_of(best, group, metric), DECIMALS[metric])
        return {entry.id for entry in entries if round(_mean_of(entry, group, metric), DECIMALS[metric]) == highest}
    highest = collection.values(best, group)[metric]
    others = [entry for entry in entries if entry is not best]
    values = np.array([collection.values(entry, group)[metric] for entry in others]).reshape(len(others), len(highest))
    tied = hold_zero(highest, values)
    return {best.id, *(entry.id for entry, held in zip(others, tied, strict=True) if held)}


def _mean_of(entry: Entry, group: Group, metric: int) -> float:
    value = _value(entry.means[group], metric)
    return -np.inf if value is None else value


def _value(mean: Mean, metric: int) -> float | None:
    return (mean.psnr, mean.ssim)[metric]
