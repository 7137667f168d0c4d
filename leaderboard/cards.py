"""The cards of the front page: the short answers to what most visitors ask."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from leaderboard.addresses import model_path, protocol_path
from leaderboard.bam_verdict import bam_verdict
from leaderboard.boards import Board
from leaderboard.collection import Collection
from leaderboard.entries import Entry
from leaderboard.rendering import db2, thousands
from leaderboard.study_pages import read_studies
from leaderboard.views import dataset_rank

BAM_PATH = "bam.html"
"""The page that answers whether BAM helps."""

_PROTOCOLS = "matlab-y", "bam2021"
_MOST_LEADERS = 3


@dataclass(frozen=True)
class Card:
    """A question, its answer in one line, a second line with details, and the page that explains the answer."""

    title: str
    answer: str
    detail: str
    path: str


def cards(collection: Collection, board: Board) -> tuple[Card, ...]:
    """Return the cards whose question the entries can answer."""
    return (*_best(board), _bam(collection), *_protocols(collection))


def _best(board: Board) -> Iterator[Card]:
    if not board.first_tier:
        return
    scale, dataset = board.view.scale, board.ranked_on
    leader = board.first_tier[0]
    names = ", ".join(entry.title for entry in board.first_tier[:_MOST_LEADERS])
    others = len(board.first_tier) - _MOST_LEADERS
    psnr = leader.means[board.view.group(dataset)].psnr
    size = leader.at("parameters", scale)
    yield Card(
        f"Best at ×{scale}",
        names + (f" and {others} more" if others > 0 else ""),
        f"{db2(psnr)} dB on {dataset}" + (f", {thousands(size)} parameters" if size else ""),
        model_path(leader.id),
    )


def _bam(collection: Collection) -> Card:
    studies, _ = read_studies(collection.root)
    verdict = bam_verdict(studies)
    return Card("Does BAM help?", verdict.short, verdict.sentence, BAM_PATH)


def _protocols(collection: Collection) -> Iterator[Card]:
    """The largest difference between two protocols of one entry with weights of its authors."""
    found = [one for entry in collection if entry.record.model.tag == "authors" for one in _gaps(entry)]
    if not found:
        return
    gap, entry, (scale, dataset) = max(found, key=lambda one: (one[0], one[1].id))
    first, second = (entry.means[scale, name, dataset].psnr for name in _PROTOCOLS)
    yield Card(
        "Same weights, two protocols",
        f"{gap:+.2f} dB".replace("-", "−"),
        f"{entry.title} ×{scale}, {dataset}: {db2(first)} by {_PROTOCOLS[0]}, {db2(second)} by {_PROTOCOLS[1]}",
        protocol_path(_PROTOCOLS[1]),
    )


def _gaps(entry: Entry) -> Iterator[tuple[float, Entry, tuple[int, str]]]:
    for scale, protocol, dataset in sorted(entry.means, key=lambda group: (group[0], dataset_rank(group[2]))):
        if protocol == _PROTOCOLS[0] and (scale, _PROTOCOLS[1], dataset) in entry.means:
            first, second = (entry.means[scale, name, dataset].psnr for name in _PROTOCOLS)
            if first is not None and second is not None:
                yield second - first, entry, (scale, dataset)
