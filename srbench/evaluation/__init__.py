"""The evaluation loop: dataset × upscaler × protocol -> scores.

Protocols that share a preparation share one forward pass; rows that are already stored are not computed again.
"""

from __future__ import annotations

from collections.abc import Iterable

from srbench.evaluation.evaluation_plan import Plan, count_forward_passes, row_ids
from srbench.evaluation.record import describe
from srbench.evaluation.scheduling import run
from srbench.metrics.metric_entries import Metric, get_metric

__all__ = ["Plan", "as_metrics", "count_forward_passes", "describe", "row_ids", "run"]


def as_metrics(names: Iterable[str]) -> list[Metric]:
    """Return the metrics of these names, each once. Raise UnknownNameError for a name that no metric has."""
    return [get_metric(name) for name in dict.fromkeys(names)]
