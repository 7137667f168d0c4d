"""Collect the metrics of an entry other than PSNR and SSIM, such as LPIPS, for its page and the data files.

No verification compares these scores, so they are always marked as claimed, and nothing is ranked by them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from leaderboard.entries import Entry, Group
from leaderboard.rendering import MISSING, number
from leaderboard.views import group_rank
from srbench import scores
from srbench.metrics.metric_entries import METRICS
from srbench.records.shared import MetricFacts
from srbench.scores import Row


@dataclass(frozen=True)
class FurtherMetric:
    """A metric of an entry, with its mean by group; a mean is None unless every image has the score.

    `known` is true if this version of srbench has the metric with the same version and direction. Otherwise title,
    version and direction are those that the entry states.
    """

    name: str
    title: str
    version: int
    direction: str
    digits: int
    known: bool
    convention: str
    means: dict[Group, float | None]

    @property
    def key(self) -> tuple[str, int, str]:
        """What identifies the metric: name, version and direction."""
        return self.name, self.version, self.direction

    @property
    def arrow(self) -> str:
        """An arrow for the head of a table: upwards where higher values are better."""
        return "↑" if self.direction == "higher" else "↓"

    def shown(self, group: Group) -> str:
        """Return a mean with the metric's number of decimals."""
        return number(self.means.get(group), self.digits)


def further_metrics(entry: Entry) -> list[FurtherMetric]:
    """Return the metrics of an entry in the order of its runs, one for each name, version and direction."""
    stated: dict[tuple[str, MetricFacts], list[int]] = {}
    for run in entry.record.runs:
        for name, facts in (run.metrics or {}).items():
            stated.setdefault((name, facts), []).append(run.scale)
    rows = entry.rows() if stated else {}
    return [_metric(entry, name, facts, scales, rows) for (name, facts), scales in stated.items()]


@dataclass(frozen=True)
class MetricTable:
    """The further metrics of several entries in one group: the metrics, and a row of texts for each entry."""

    group: Group
    heads: tuple[FurtherMetric, ...]
    rows: tuple[tuple[Entry, tuple[str, ...]], ...]


def metric_table(entries: Sequence[Entry], group: Group) -> MetricTable | None:
    """Return the further metrics of the entries that have any in a group, in their order; None without any.

    Metrics of the same name but another version or direction have columns of their own.
    """
    found = {entry.id: {one.key: one for one in further_metrics(entry) if group in one.means} for entry in entries}
    heads = {key: one for of_entry in found.values() for key, one in of_entry.items()}
    rows = tuple(
        (entry, tuple(found[entry.id][key].shown(group) if key in found[entry.id] else MISSING for key in heads))
        for entry in entries
        if found[entry.id]
    )
    return MetricTable(group, tuple(heads.values()), rows) if rows else None


def groups_of(metrics: Sequence[FurtherMetric]) -> list[Group]:
    """Return the groups for which at least one of the metrics has a mean, in the order of pages."""
    return sorted({group for metric in metrics for group in metric.means}, key=group_rank)


def _metric(
    entry: Entry, name: str, facts: MetricFacts, scales: Sequence[int], rows: dict[Group, list[Row]]
) -> FurtherMetric:
    means = {group: _mean(entry, group, name, rows[group]) for group in rows if group[0] in scales}
    entry_of = METRICS.get(name)
    if entry_of and (entry_of.version, entry_of.direction) == (facts.version, facts.direction):
        title, digits, convention = entry_of.title, entry_of.digits, entry_of.convention
        return FurtherMetric(name, title, facts.version, facts.direction, digits, True, convention, means)
    return FurtherMetric(name, name, facts.version, facts.direction, 4, False, "", means)


def _mean(entry: Entry, group: Group, name: str, rows: Sequence[Row]) -> float | None:
    values = [row[name] for row in rows]
    complete = len(values) == entry.means[group].n_expected and None not in values
    return scores.mean(pd.Series(values, dtype=float)) if complete else None
