"""The page of an entry: its model, how its scores were made and checked, and the scores of every image."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import cast

from markupsafe import Markup

from leaderboard.addresses import address_safe, model_path, scores_anchor
from leaderboard.boards import RANKING_SETS, Board, all_boards
from leaderboard.citing import bibtex, commands
from leaderboard.collection import Collection
from leaderboard.data_files import scores_path
from leaderboard.entries import Entry, Group, Mean
from leaderboard.families import ALL
from leaderboard.further_metrics import further_metrics, groups_of
from leaderboard.matching import Pair, matched_pairs, partners
from leaderboard.pages import Page
from leaderboard.plots import frames_per_second
from leaderboard.ranking import forms
from leaderboard.rendering import render
from leaderboard.views import dataset_rank, group_rank
from srbench.charts import INLINE, Axis, histogram_chart
from srbench.protocols import get_protocol, protocol_names
from srbench.records.submission import ClaimedMean
from srbench.scores import Row
from srbench.statistics import PairedDifference
from srbench.submissions import LEVELS
from srbench.submissions.catalogue_checks import BASELINES
from srbench.submissions.crops import CORNERS, SCALE, crop_named

_EXTREMES = 3
_MOST_ROWS = 1200
"""How many rows a page shows completely; the four usual sets at three scales, three of them twice, have 1,014."""
_FEW_ROWS = 20
_CHART_FROM = 10


@dataclass(frozen=True)
class GroupScores:
    """The per-image scores of one group, lowest PSNR first. `rows` have image, psnr, ssim, aliased, psnr_lr.

    `left_out` counts the rows that a very large entry's page leaves out.
    """

    group: Group
    mean: Mean
    rows: tuple[Row, ...]
    left_out: int
    all_psnr: tuple[float, ...]

    @property
    def anchor(self) -> str:
        """The HTML id of these scores. Means in the main tables link to it."""
        return scores_anchor(*self.group)

    @property
    def worst(self) -> tuple[Row, ...]:
        """The images with the lowest PSNR."""
        return self.rows[:_EXTREMES]

    @cached_property
    def best(self) -> tuple[Row, ...]:
        """The images with the highest PSNR, the highest first; empty if the table is short enough to show all
        images."""
        return self.rows[: -_EXTREMES - 1 : -1] if len(self.rows) > 2 * _EXTREMES else ()

    @property
    def aliased(self) -> bool:
        """Whether the protocol computes the texture-aliasing score."""
        return any(row["aliased"] is not None for row in self.rows)

    def histogram(self) -> Markup | None:
        """Return a histogram of PSNR over the images as SVG; None below ten finite values."""
        values = [value for value in self.all_psnr if math.isfinite(value)]
        if len(values) < _CHART_FROM:
            return None
        scale, protocol, dataset = self.group
        title = f"PSNR of the images of {dataset} ×{scale}, {protocol}"
        words = f"{len(values)} images, from {min(values):.2f} to {max(values):.2f} dB"
        # Names of datasets come from entries; the functions that write SVG escape them.
        return Markup(histogram_chart(values, title=title, x=Axis("PSNR, dB"), description=words, layout=INLINE))


@dataclass(frozen=True)
class Place:
    """The rank of an entry in one table of all entries, and its PSNR on `dataset`.

    This is the set that the table ranks by, or another one if the entry was not scored on it.
    """

    board: Board
    rank: int | None
    dataset: str
    psnr: float | None

    @property
    def ranked(self) -> int:
        """The number of ranked entries in this table."""
        return sum(line.rank is not None for line in self.board.lines)


@dataclass(frozen=True)
class ComparedClaim:
    """A claim of the submitter, and what was measured: protocol, mean and PSNR difference for every protocol."""

    claim: ClaimedMean
    measured: tuple[tuple[str, Mean, float | None], ...]

    @property
    def scores(self) -> str:
        """PSNR / SSIM with as many digits as papers print, or with all digits of the claim if it has more."""
        psnr, ssim = self.claim.psnr, self.claim.ssim
        return _digits(psnr, 2) + (f" / {_digits(ssim, 4)}" if ssim is not None else "")


def pages(collection: Collection) -> Iterator[Page]:
    """Return the page of each entry, and the files of its SR crops."""
    pairs, others = matched_pairs(collection), partners(collection)
    found = _places(collection)
    titles = {entry.id: entry.title for entry in collection}
    for entry in collection:
        other = others.get(entry.id)
        partner = (other, titles[other]) if other else None
        page = partial(_page, collection, entry, pairs.get(entry.id, []), found.get(entry.id, []), partner)
        yield Page(model_path(entry.id), page)
        for name in entry.submission.samples:
            file = entry.submission.folder / "samples" / name
            yield Page(sample_path(entry, name), file.read_bytes)


def sample_path(entry: Entry, name: str) -> str:
    """Return the path of an SR crop of an entry in the site."""
    return f"samples/{address_safe(entry.id)}/{address_safe(name)}"


def small_crops(entry: Entry) -> list[tuple[str, str]]:
    """Return the name and path of each small crop; the gallery has the large ones."""
    stems = {name: name.rpartition(".")[0] for name in entry.submission.samples}
    return [(stem, sample_path(entry, name)) for name, stem in stems.items() if stem in CORNERS]


def large_crops(entry: Entry) -> list[tuple[str, str, int]]:
    """Return the name with the scale, the path and the side in pixels of each large crop: `brick ×3`."""
    found = [(crop_named(name.rpartition(".")[0]), sample_path(entry, name)) for name in entry.submission.samples]
    return [(f"{crop.image} ×{crop.scale}", path, crop.side) for crop, path in found if crop and crop.is_large]


def score_tables(entry: Entry) -> list[GroupScores]:
    """Return the per-image scores of an entry, a table per group: by protocol, then scale, then dataset."""
    rows = entry.rows()
    few = sum(map(len, rows.values())) > _MOST_ROWS
    ordered = sorted(entry.means, key=group_rank)
    return [_score_table(group, entry.means[group], rows[group], few=few) for group in ordered]


def compared_claims(entry: Entry) -> list[ComparedClaim]:
    """Return each claim of an entry with the means at its scale and dataset, the nearest first."""
    found = []
    for claim in entry.record.claims:
        measured = [
            (protocol, mean, None if mean.psnr is None else mean.psnr - claim.psnr)
            for (scale, protocol, dataset), mean in entry.means.items()
            if (scale, dataset) == (claim.scale, claim.dataset)
        ]
        measured.sort(key=lambda one: math.inf if one[2] is None else abs(one[2]))
        found.append(ComparedClaim(claim, tuple(measured)))
    return found


def _places(collection: Collection) -> dict[str, list[Place]]:
    """Return by entry id its ranks under the default protocol, ×4 first and the others by scale."""
    found: dict[str, list[Place]] = {}
    boards = [one for one in all_boards(collection) if one.family is ALL]
    default = [one for one in boards if one.view.protocol.name == protocol_names()[0]]
    for board in sorted(default, key=lambda one: (one.view.scale != SCALE, one.view.scale)):
        for line in board.lines:
            means = line.entry.means
            scored = (name for name in (board.ranked_on, *RANKING_SETS) if board.view.group(name) in means)
            dataset = next(scored, board.ranked_on)
            mean = means.get(board.view.group(dataset))
            found.setdefault(line.entry.id, []).append(Place(board, line.rank, dataset, mean.psnr if mean else None))
    return found


def _by_view(tables: Sequence[GroupScores]) -> list[tuple[int, str, list[GroupScores]]]:
    """Return the tables by scale and protocol: ×4 under the default protocol first."""
    found: dict[tuple[int, str], list[GroupScores]] = {}
    for table in tables:
        found.setdefault((table.group[0], table.group[1]), []).append(table)
    return [(*view, found[view]) for view in sorted(found, key=_view_rank)]


def _differences_by_view(
    differences: Sequence[tuple[Group, PairedDifference]],
) -> list[tuple[int, str, list[tuple[str, PairedDifference]]]]:
    """Return differences by dataset for each scale and protocol, in the order of `_by_view`."""
    found: dict[tuple[int, str], list[tuple[str, PairedDifference]]] = {}
    for (scale, protocol, dataset), one in differences:
        found.setdefault((scale, protocol), []).append((dataset, one))
    return [(*view, found[view]) for view in sorted(found, key=_view_rank)]


def _view_rank(view: tuple[int, str]) -> tuple[int, bool, int]:
    scale, protocol = view
    return protocol_names().index(protocol), scale != SCALE, scale


def _page(
    collection: Collection,
    entry: Entry,
    pairs: Sequence[Pair],
    places: Sequence[Place],
    partner: tuple[str, str] | None,
) -> str:
    scales = sorted({scale for scale, _, _ in entry.means})
    used = {protocol for _, protocol, _ in entry.means}
    protocols = [name for name in protocol_names() if name in used]
    return render(
        "model.html.j2",
        path=model_path(entry.id),
        entry=entry,
        document=entry.document,
        model=entry.document["model"],
        scales=scales,
        results=[(get_protocol(name), *_results(entry, name)) for name in protocols],
        tables=_by_view(score_tables(entry)),
        places=places,
        partner=partner,
        commands=commands(entry),
        bibtex=bibtex(entry),
        claims=compared_claims(entry),
        metrics=further_metrics(entry),
        groups_of=groups_of,
        speeds=[(scale, frames_per_second(entry, scale)) for scale in scales],
        panels=[(pair, _differences_by_view(pair.differences(collection))) for pair in pairs],
        learnt=entry.document["model"]["spec"] not in BASELINES,
        forms=forms(entry, protocols[0]),
        samples=small_crops(entry),
        large_samples=large_crops(entry),
        sample_scale=SCALE,
        data=scores_path(entry.id),
        checked=entry.level != LEVELS[0],
    )


def _digits(value: float, least: int) -> str:
    return max(f"{value:.{least}f}", str(value), key=len)


def _results(entry: Entry, protocol: str) -> tuple[list[int], list[tuple[str, list[Mean | None]]]]:
    """Return the scales of a protocol, and a row of means over them for each dataset."""
    scales = sorted({scale for scale, name, _ in entry.means if name == protocol})
    datasets = sorted({dataset for _, name, dataset in entry.means if name == protocol}, key=dataset_rank)
    rows = [(dataset, [entry.means.get((scale, protocol, dataset)) for scale in scales]) for dataset in datasets]
    return scales, rows


def _score_table(group: Group, mean: Mean, rows: Sequence[Row], *, few: bool) -> GroupScores:
    psnr, ssim = get_protocol(group[1]).columns[:2]
    ordered = sorted(rows, key=lambda row: math.inf if row[psnr] is None else cast(float, row[psnr]))
    ends = [*ordered[:_FEW_ROWS], *ordered[-_FEW_ROWS:]]
    shown = ends if few and len(ordered) > len(ends) else ordered
    scored = [cast(float, row[psnr]) for row in ordered if row[psnr] is not None]
    return GroupScores(
        group,
        mean,
        tuple(_row(row, psnr, ssim) for row in shown),
        len(ordered) - len(shown),
        tuple(scored),
    )


def _row(row: Row, psnr: str, ssim: str) -> Row:
    return {
        "image": row["image"],
        "psnr": row[psnr],
        "ssim": row[ssim],
        "aliased": row["psnr_y_aliased"],
        "psnr_lr": row["psnr_lr"],
    }
