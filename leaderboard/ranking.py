"""Choose the entries that are ranked together, and rank them in tiers that do not differ significantly."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np

from leaderboard.collection import Collection
from leaderboard.entries import Entry, Group, Mean
from srbench.protocols import get_protocol
from srbench.statistics import top_tier
from srbench.submissions import LEVELS

Mark = Literal["first", "second"]
"""First: the entries of the highest tier; second: those of the next one."""

MARKS: tuple[Mark, ...] = ("first", "second")

METRICS = ("psnr", "ssim")
"""The means that are ranked, in the order of `leaderboard.entries.GroupValues`."""

TIE = (0.01, 0.0001)
"""Means this close share a tier, by metric: the last digit that papers print."""

_PLAIN = {"precision": "fp32", "tile": None, "self_ensemble": False, "optimise": "none", "lr_source": "made"}


def forms(entry: Entry, protocol: str) -> tuple[str, ...]:
    """Return in words how the making of an entry differs from the main group.

    Each combination of differences is a group.

    How a folder of SR images was made is not known, so such entries are a separate group too.
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
    """Return by entry id why an entry is not ranked with the main group, in words; empty for the main group.

    The reasons are those of `forms`. A claimed entry is not ranked either, if another entry is verified.
    """
    made = [(entry, forms(entry, protocol)) for entry in entries]
    verified = any(entry.level != LEVELS[0] and not words for entry, words in made)
    return {
        entry.id: (("not verified",) if verified and entry.level == LEVELS[0] else ()) + words for entry, words in made
    }


def ranked_entries(entries: Sequence[Entry], protocol: str) -> list[Entry]:
    """Return the main group: the entries that are ranked."""
    words = apart(entries, protocol)
    return [entry for entry in entries if not words[entry.id]]


def reference_inputs(entries: Sequence[Entry], group: Group) -> str | None:
    """Return the protocol version, HR and LR that a group is ranked on; None if no entry can be ranked.

    They are those of most entries of the main group that used the catalogue's pixels; the oldest entry breaks a tie.
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
    """Return whether the pixels or LR of a mean differ from `reference`, or from the catalogue if `reference` is
    None."""
    return not mean.canonical if reference is None else mean.inputs != reference


def rank(collection: Collection, entries: Sequence[Entry], group: Group, metric: int) -> dict[str, Mark]:
    """Return marks by entry id for one metric (an index into `METRICS`): the first two tiers of the main group."""
    found = tiers(collection, entries, group, metric, most=2)
    return {name: mark for mark, tier in zip(MARKS, found, strict=False) for name in tier}


def places(tiers_of_ids: Sequence[Sequence[str]]) -> dict[str, int]:
    """Return ranks by entry id: 1 plus the number of entries in higher tiers."""
    found: dict[str, int] = {}
    for tier in tiers_of_ids:
        found.update(dict.fromkeys(tier, len(found) + 1))
    return found


def tiers(
    collection: Collection, entries: Sequence[Entry], group: Group, metric: int, *, most: int | None = None
) -> list[list[str]]:
    """Return the ids of the main group in tiers, the best first; at most `most` tiers.

    `srbench.statistics.top_tier` is the rule, with `TIE`.
    """
    left = _ranked_here(entries, group, metric)
    found: list[list[str]] = []
    while left and (most is None or len(found) < most):
        tier = _top_tier(collection, left, group, metric)
        found.append([entry.id for entry in tier])
        left = [entry for entry in left if entry.id not in found[-1]]
    return found


def _ranked_here(entries: Sequence[Entry], group: Group, metric: int) -> list[Entry]:
    """Return the entries of the main group with a mean on the ranked pixels, the highest mean first."""
    ranked = ranked_entries(entries, group[1])
    reference = _reference(ranked, group)
    found = [
        entry
        for entry in ranked
        if (mean := entry.means.get(group)) and mean.inputs == reference and _value(mean, metric) is not None
    ]
    return sorted(found, key=lambda entry: (-_mean_of(entry, group, metric), entry.id))


def _top_tier(collection: Collection, ordered: Sequence[Entry], group: Group, metric: int) -> list[Entry]:
    found = top_tier(
        [_mean_of(entry, group, metric) for entry in ordered],
        lambda chosen: np.stack([collection.values(ordered[index], group)[metric] for index in chosen]),
        n=ordered[0].means[group].n,
        tie=TIE[metric],
    )
    return [entry for entry, shares in zip(ordered, found, strict=True) if shares]


def _mean_of(entry: Entry, group: Group, metric: int) -> float:
    value = _value(entry.means[group], metric)
    return -np.inf if value is None else value


def _value(mean: Mean, metric: int) -> float | None:
    return (mean.psnr, mean.ssim)[metric]
