"""Pairs of entries that differ only in their attention. Other pairs say nothing about the attention."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from leaderboard.collection import Collection
from leaderboard.entries import Entry, Group
from leaderboard.families import is_baseline
from leaderboard.views import group_rank
from srbench.statistics import PairedDifference, corrected_by_holm, paired_difference

_TRAINING = ("data", "recipe", "recipe_sha256", "fingerprint", "steps")
_NEEDED = ("data", "recipe")
_LENGTH = ("steps", "recipe_sha256")
"""One of them has to be known: a recipe's hash covers its steps, which differ where each scale has a recipe."""

MOST_PAIRS = 10
"""The largest number of pairs that are shown for one entry."""


@dataclass(frozen=True)
class Pair:
    """A base and the same network with BAM, trained on equal data by an equal recipe for as many steps."""

    base: Entry
    variant: Entry

    def differences(self, collection: Collection) -> list[tuple[Group, PairedDifference]]:
        """Variant minus base, PSNR in dB over the images, for each group that both have with equal inputs.

        `p_holm` is corrected over the datasets of one scale and protocol, as `srbench compare` does it.
        """
        shared = [
            group
            for group, mean in sorted(self.variant.means.items(), key=lambda one: group_rank(one[0]))
            if group in self.base.means and self.base.means[group].inputs == mean.inputs
        ]
        psnr = {
            entry.id: {group: collection.values(entry, group)[0] for group in shared}
            for entry in (self.base, self.variant)
        }
        found = [paired_difference(psnr[self.variant.id][group], psnr[self.base.id][group]) for group in shared]
        families = [list(family) for _, family in groupby(zip(shared, found, strict=True), key=lambda one: one[0][:2])]
        return [
            (group, corrected)
            for family in families
            for (group, _), corrected in zip(family, corrected_by_holm([one for _, one in family]), strict=True)
        ]


def matched_pairs(collection: Collection) -> dict[str, list[Pair]]:
    """Return by entry id the pairs of the entry: at most `MOST_PAIRS`, in the order of ids."""
    alike: dict[tuple[object, ...], list[Entry]] = {}
    for entry in collection:
        if (key := _key(entry)) is not None:
            alike.setdefault(key, []).append(entry)
    found: dict[str, list[Pair]] = {}
    for pair in (pair for entries in alike.values() for pair in _pairs(entries)):
        for side in (pair.base, pair.variant):
            pairs = found.setdefault(side.id, [])
            if len(pairs) < MOST_PAIRS:
                pairs.append(pair)
    return found


def partners(collection: Collection) -> dict[str, str]:
    """Return by entry id the id of the entry to compare it with first.

    It is the matched base or variant; else an entry of the same network; else an interpolation, if there is one.
    """
    pairs = matched_pairs(collection)
    found: dict[str, str] = {}
    same: dict[str, list[Entry]] = {}
    for entry in collection:
        same.setdefault(str(entry.record.model.network), []).append(entry)
    baseline = next((entry.id for entry in collection if is_baseline(entry)), None)
    for entry in collection:
        matched = [side.id for pair in pairs.get(entry.id, ()) for side in (pair.base, pair.variant)]
        alike = [one.id for one in same[str(entry.record.model.network)][:MOST_PAIRS] if entry.record.model.network]
        choices = [*matched, *alike, *([baseline] if baseline else [])]
        other = next((one for one in choices if one != entry.id), None)
        if other is not None:
            found[entry.id] = other
    return found


def _pairs(entries: list[Entry]) -> Iterator[Pair]:
    """Return each variant with a few bases that were trained equally."""
    bases = [entry for entry in entries if _attention(entry) != "bam"][:MOST_PAIRS]
    for variant in (entry for entry in entries if _attention(entry) == "bam"):
        yield from (Pair(base, variant) for base in bases)


def _key(entry: Entry) -> tuple[object, ...] | None:
    """Return the facts that two entries must share to be a pair; None if one of the facts is unknown."""
    training, model = entry.document["training"], entry.document["model"]
    if not training or not model["network"] or any(training.get(name) is None for name in _NEEDED):
        return None
    if all(training.get(name) is None for name in _LENGTH):
        return None
    options = tuple(sorted(entry.document["options"].items()))
    return _base(entry), tuple(training.get(name) for name in (*_TRAINING, "seed", "form", "init")), options


def _base(entry: Entry) -> str:
    """Return the network's name without its attention: `imdn` for `imdn-bam`."""
    return str(entry.document["model"]["network"]).lower().removesuffix(f"-{_attention(entry)}")


def _attention(entry: Entry) -> str:
    return str(entry.document["model"]["attention"] or "none").lower()
