"""The gains that the BAM paper prints, split into the part that its protocol explains and the rest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from leaderboard.collection import Collection
from leaderboard.entries import Entry
from leaderboard.printed_scores import Reported, reported_rows
from leaderboard.views import dataset_rank

PAPER = "arXiv:2104.07566, table 1"
PAPER_PAGE = "papers/2104.07566.html"
"""The page with every printed mean of the paper."""
"""A part of the source's name in `reported/claims.csv`."""

PRINTED_UNDER, COPIED_UNDER = "bam2021", "matlab-y"
"""The protocol of the paper's own numbers, and the protocol of the numbers that it copied for its bases."""

_Key = tuple[str, int, str]
"""A base network in lower case, a scale and a dataset."""


@dataclass(frozen=True)
class BamClaim:
    """A printed gain of BAM over its base, in dB.

    `protocol` is the difference between the two protocols with the base's published weights, None if it was not
    measured; `blocked` says why.
    """

    network: str
    scale: int
    dataset: str
    base_psnr: float
    bam_psnr: float
    protocol: float | None
    entry: Entry | None
    blocked: str

    @property
    def gain(self) -> float:
        """The gain as printed."""
        return self.bam_psnr - self.base_psnr

    @property
    def rest(self) -> float | None:
        """The gain minus the part that the protocol explains."""
        return None if self.protocol is None else self.gain - self.protocol


def bam_claims(collection: Collection) -> list[BamClaim]:
    """Return every printed gain with both numbers, by network, scale and dataset."""
    rows = [one for one in reported_rows() if PAPER in one.row["source"]]
    bases = {_key(one, "network"): one for one in rows if not one.row["attention"]}
    variants = {_key(one, "base"): one for one in rows if one.row["attention"] == "BAM"}
    entries = _published(collection)
    found = [_claim(key, bases[key], variants[key], entries) for key in variants if key in bases]
    order = list(dict.fromkeys(one.network for one in found))
    return sorted(found, key=lambda one: (order.index(one.network), one.scale, dataset_rank(one.dataset)))


def _key(one: Reported, column: str) -> _Key:
    return one.row[column].lower(), int(one.row["scale"]), one.row["dataset"]


def _published(collection: Collection) -> dict[str, Entry]:
    """Return the entries of authors' weights, by network in lower case."""
    return {
        entry.record.model.network.lower(): entry
        for entry in collection
        if entry.record.model.tag == "authors" and entry.record.model.network
    }


def _claim(key: _Key, base: Reported, variant: Reported, entries: Mapping[str, Entry]) -> BamClaim:
    network, scale, dataset = key
    entry = entries.get(network)
    part, blocked = _protocol_part(entry, scale, dataset)
    return BamClaim(
        base.row["network"], scale, dataset, float(base.row["psnr"]), float(variant.row["psnr"]), part, entry, blocked
    )


def _protocol_part(entry: Entry | None, scale: int, dataset: str) -> tuple[float | None, str]:
    if entry is None:
        return None, "no authors' weights of the base in the zoo"
    psnr = [
        mean.psnr if (mean := entry.means.get((scale, name, dataset))) else None
        for name in (PRINTED_UNDER, COPIED_UNDER)
    ]
    if psnr[0] is None or psnr[1] is None:
        return None, "not scored under both protocols"
    return psnr[0] - psnr[1], ""


def measured(claims: Iterable[BamClaim]) -> list[BamClaim]:
    """Return the claims for which the part of the gain that the protocol explains was measured."""
    return [one for one in claims if one.protocol is not None]
