"""Build `bam.html`, which shows whether BAM helps: studies, pairs of single trainings, and the paper's printed
gains."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from markupsafe import Markup

from leaderboard.bam_claims import COPIED_UNDER, PAPER_PAGE, PRINTED_UNDER, BamClaim, bam_claims, measured
from leaderboard.bam_verdict import MIN_SEEDS, StudyOutcome, Verdict, bam_verdict
from leaderboard.boards import RANKING_SETS
from leaderboard.collection import Collection
from leaderboard.entries import Group
from leaderboard.matching import Pair, matched_pairs
from leaderboard.pages import Page
from leaderboard.rendering import render, short_signed, signed
from leaderboard.study_pages import read_studies, study_path
from srbench.charts import Axis, Interval, PartsBar, interval_chart, parts_chart
from srbench.errors import counted
from srbench.statistics import PairedDifference
from srbench.zoo.weights_catalogue import entry_of

PATH = "bam.html"
PROTOCOL = "matlab-y"
"""The protocol under which pairs are shown."""

_REACH = 0.4
_MARGIN = 0.02
_DIFFERENCE = Axis("BAM minus base, dB", form=short_signed)
_GAIN = Axis("printed gain of BAM, dB", form=short_signed)
_PARTS = "protocol", "the rest"


@dataclass(frozen=True)
class PairResult:
    """A pair of single trainings at one scale: their difference on the set that is shown first, and on other sets."""

    pair: Pair
    scale: int
    differences: tuple[tuple[str, PairedDifference], ...]

    @property
    def shown(self) -> tuple[str, PairedDifference]:
        """The dataset and difference of the forest plot: see `leaderboard.boards.RANKING_SETS`."""
        by_name = dict(self.differences)
        name = next((one for one in RANKING_SETS if one in by_name), self.differences[-1][0])
        return name, by_name[name]

    @property
    def label(self) -> str:
        """`IMDN ×4`, as the forest plot names it."""
        return f"{short_title(self.pair.base.title)} ×{self.scale}"

    @property
    def training(self) -> tuple[str | None, int | None, int | None]:
        """Recipe, steps and seed at this scale.

        They come from the record of weights that were trained here. An entry states them for all its scales together.
        """
        record = self.pair.variant.record
        sha256 = next(run.weights_sha256 for run in record.runs if run.scale == self.scale)
        weights = entry_of(sha256) if sha256 else None
        made = (weights and weights.training) or record.training
        return (made.recipe, made.steps, made.seed) if made else (None, None, None)


def pages(collection: Collection) -> Iterator[Page]:
    """Return `bam.html`."""
    yield Page(PATH, partial(_page, collection))


def pair_results(collection: Collection) -> list[PairResult]:
    """Return every pair of a base and its network with BAM, a result per scale, by title and scale."""
    pairs = {(one.base.id, one.variant.id): one for found in matched_pairs(collection).values() for one in found}
    results = [one for pair in pairs.values() for one in _by_scale(pair, pair.differences(collection))]
    return sorted(results, key=lambda one: (one.label.casefold(), one.pair.variant.id))


def single_trainings(results: Sequence[PairResult]) -> str:
    """Return in a sentence what the pairs of single trainings show; empty without any."""
    shown = [one.shown for one in results]
    means = [found.mean for _, found in shown if found.mean is not None]
    if not means:
        return ""
    lower, names = sum(mean < 0 for mean in means), " or ".join(dict.fromkeys(name for name, _ in shown))
    return (
        f"In {lower} of {counted(len(means), 'pair')} that were trained once each, the mean PSNR on {names} is lower "
        f"with BAM; the differences are {signed(min(means))} to {signed(max(means))} dB. Such a pair does not show "
        "whether BAM helps: it compares two single trainings, and a different seed or learning rate may reverse the "
        "difference. Pairs of one network are not independent where ×2 and ×3 were trained from ×4."
    )


def short_title(title: str) -> str:
    """Return an entry's title without the part about its training: `IMDN` for `IMDN, trained by srbench`."""
    return title.split(",")[0]


def _by_scale(pair: Pair, found: Sequence[tuple[Group, PairedDifference]]) -> Iterator[PairResult]:
    own = [(scale, dataset, one) for (scale, protocol, dataset), one in found if protocol == PROTOCOL]
    for scale in sorted({scale for scale, _, _ in own}):
        yield PairResult(pair, scale, tuple((name, one) for at, name, one in own if at == scale))


def _page(collection: Collection) -> str:
    studies, _ = read_studies(collection.root)
    verdict, results, claims = bam_verdict(studies), pair_results(collection), bam_claims(collection)
    split = measured(claims)
    return render(
        "bam.html.j2",
        path=PATH,
        verdict=verdict,
        min_seeds=MIN_SEEDS,
        study_path=study_path,
        results=results,
        sentence=single_trainings(results),
        forest=_forest(verdict, results),
        claims=claims,
        measured=split,
        chart=_claims_chart(split),
        protocol=PROTOCOL,
        margin=_MARGIN,
        reach=_REACH,
        printed_under=PRINTED_UNDER,
        copied_under=COPIED_UNDER,
        paper=PAPER_PAGE,
    )


def _forest(verdict: Verdict, results: Sequence[PairResult]) -> Markup:
    """Studies as filled points with intervals over seeds, pairs as hollow points with intervals over images."""
    rows = [_of_study(one) for one in verdict.outcomes]
    sets = list(dict.fromkeys((*RANKING_SETS, *(one.shown[0] for one in results))))
    by_set = sorted(results, key=lambda one: sets.index(one.shown[0]))  # one heading for each set
    rows += [row for one in by_set if (row := _of_pair(one))]
    if not rows:
        return Markup()
    words = "; ".join(f"{row.group}, {row.label}: {signed(row.mean)}" for row in rows)
    drawn = interval_chart(
        rows,
        title="BAM minus base: every study and every pair",
        x=_DIFFERENCE,
        margin=_MARGIN,
        reach=_REACH,
        description=words,
    )
    return Markup(drawn)  # the functions that write SVG escape all text


def _of_study(one: StudyOutcome) -> Interval:
    low, mean, high = one.difference.ends
    return Interval(
        one.study.short_title,
        low,
        mean,
        high,
        strong=True,
        group=f"Studies: {one.difference.endpoint}, over seeds",
    )


def _of_pair(one: PairResult) -> Interval | None:
    name, found = one.shown
    if found.mean is None or found.interval is None:
        return None
    low, high = found.interval
    return Interval(one.label, low, found.mean, high, hollow=True, group=f"One training each: {name} PSNR, over images")


def _claims_chart(split: Sequence[BamClaim]) -> Markup:
    bars = [
        PartsBar(f"{one.network} ×{one.scale} {one.dataset}", one.protocol, one.gain)
        for one in split
        if one.protocol is not None
    ]
    if not bars:
        return Markup()
    words = "; ".join(
        f"{bar.label}: {signed(bar.total)}, of which {signed(bar.first)} from the protocol" for bar in bars
    )
    return Markup(parts_chart(bars, title="Printed gains of BAM", x=_GAIN, parts=_PARTS, description=words))
