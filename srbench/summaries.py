"""The means of a run under one protocol, per dataset: the document that `--format json` prints."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import pandas as pd
from pydantic import JsonValue

from srbench.scores import Record, json_number, mean


@dataclass(frozen=True)
class FiniteMean:
    """The mean of one metric without the images whose score is infinite or missing, and the names of those images."""

    mean: float
    n: int
    infinite: tuple[str, ...]
    missing: tuple[str, ...]

    def to_json(self) -> dict[str, JsonValue]:
        """Return the fields, ready for JSON."""
        return {"mean": self.mean, "n": self.n, "infinite": [*self.infinite], "missing": [*self.missing]}


@dataclass(frozen=True)
class DatasetSummary:
    """The means of one dataset under one protocol.

    Attributes:
        n: the number of scored images.
        n_expected: the number of images that the dataset has.
        means: the mean of each metric by name. None if images or scores are missing, infinite if a score is.
        finite_means: for metrics with infinite or missing scores, the mean of the other images.
        warnings: what a reader has to know before trusting the scores.
    """

    n: int
    n_expected: int
    means: Mapping[str, float | None]
    finite_means: Mapping[str, FiniteMean] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether all images of the dataset were scored, and no others."""
        return self.n == self.n_expected > 0

    def to_json(self) -> dict[str, JsonValue]:
        """Return the summary, ready for JSON."""
        finite: JsonValue = {name: others.to_json() for name, others in self.finite_means.items()}
        return {
            "n": self.n,
            "n_expected": self.n_expected,
            **{name: json_number(value) for name, value in self.means.items()},
            **({"finite_means": finite} if finite else {}),
            "warnings": [*self.warnings],
        }


@dataclass(frozen=True)
class ProtocolSummary:
    """The scores of one model under one protocol, with the record of the run."""

    model: str
    scale: int
    protocol: str
    datasets: Mapping[str, DatasetSummary]
    record: Record

    def to_json(self) -> dict[str, JsonValue]:
        """Return the summary, ready for JSON."""
        return {
            "model": self.model,
            "scale": self.scale,
            "protocol": self.protocol,
            "datasets": {name: summary.to_json() for name, summary in self.datasets.items()},
            "record": dict(self.record),
        }


def summarise(scores: pd.DataFrame, record: Record, protocol: str, columns: tuple[str, ...]) -> ProtocolSummary:
    """Return the means of a run under one protocol.

    Args:
        scores: the score table of the run.
        record: the record of the run, which names its datasets.
        protocol: the name of the protocol.
        columns: the metrics that the protocol computes. `psnr_lr` and the further metrics of the record are added.
    """
    rows = scores[scores["protocol"] == protocol]
    shown = (*columns, "psnr_lr", *record.get("metrics", {}))
    datasets = {
        name: _of_dataset(
            rows[rows["dataset"] == name],
            facts["n_expected"],
            shown,
            tuple(record.get("warnings", {}).get(name, {}).get(protocol, ())),
        )
        for name, facts in record["datasets"].items()
    }
    return ProtocolSummary(record["model"]["spec"], record["scale"], protocol, datasets, record)


def _of_dataset(
    scores: pd.DataFrame, n_expected: int, columns: tuple[str, ...], warnings: tuple[str, ...]
) -> DatasetSummary:
    if not len(scores) == n_expected > 0:
        return DatasetSummary(len(scores), n_expected, dict.fromkeys(columns), warnings=warnings)
    means = {column: mean(scores[column]) for column in columns}
    return DatasetSummary(len(scores), n_expected, means, dict(_finite_means(scores, columns)), warnings)


def _finite_means(scores: pd.DataFrame, columns: tuple[str, ...]) -> Iterator[tuple[str, FiniteMean]]:
    for column in columns:
        missing, infinite = scores[column].isna(), scores[column].abs() == math.inf
        usable = scores[column][~missing & ~infinite]
        if 0 < len(usable) < len(scores):
            names = tuple(scores["image"][infinite]), tuple(scores["image"][missing])
            yield column, FiniteMean(float(usable.mean()), len(usable), *names)
