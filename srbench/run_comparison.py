"""Compare two finished runs image by image; refuse runs that are not comparable."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from srbench.errors import ComparisonError, listed
from srbench.metrics.metric_entries import METRICS
from srbench.scores import Record, read_run
from srbench.statistics import PairedDifference, corrected_by_holm, paired_difference

STATEMENT = "This holds for two checkpoints on these images, not for their architectures."
"""The limit of every comparison: with another training of either network the difference may be reversed."""

_CHECK_SCORE = "psnr_lr"
"""It shows whether an SR image belongs to its LR, and is no measure of quality."""
_IMAGE_KEY = ["protocol", "scale", "dataset", "image"]
_SAME = {"protocol_version": "protocol version", "hr_sha256": "HR", "lr_sha256": "LR"}
# each changes the score, so runs that differ in one of them are compared only on request
_FORMS = ("precision", "tile", "self_ensemble", "optimise")
_TRAINING = ("recipe", "training_data", "steps")  # without these facts, two trainings cannot be shown to be equal
_TRAINING_HASHES = ("recipe_sha256", "training_fingerprint")  # two recipes or two sets may have the same name


class ScoredRun(Protocol):
    """Scores with their record: a run that was read, or the `Result` of an evaluation."""

    @property
    def scores(self) -> pd.DataFrame:
        """The score table."""

    @property
    def record(self) -> Record:
        """How the scores were made."""


@dataclass(frozen=True, repr=False)
class Comparison:
    """The comparison under one protocol and scale: `datasets[dataset][metric]`; `unmatched` lists other differences."""

    model_a: str
    model_b: str
    scale: int
    protocol: str
    datasets: dict[str, dict[str, PairedDifference]]
    unmatched: tuple[str, ...]
    lower_is_better: tuple[str, ...] = ()

    def __repr__(self) -> str:
        head = f"{self.model_a} minus {self.model_b}, ×{self.scale}, {self.protocol}"
        return "\n".join([head, *(f"  {name}: {_means(table)}" for name, table in self.datasets.items())])


def _means(table: dict[str, PairedDifference]) -> str:
    means = ", ".join(f"{metric} {found.mean:+.4f}" for metric, found in table.items() if found.mean is not None)
    return f"{means or 'no mean'} (n = {next(iter(table.values())).n})"


def compare_runs(
    a: ScoredRun | Path | str, b: ScoredRun | Path | str, *, unmatched: bool = False, common: bool = False
) -> list[Comparison]:
    """Compare two runs image by image, one `Comparison` per protocol and scale, in the order of run A.

    Every metric that both runs have is compared, except the check score `psnr_lr`.

    Args:
        a, b: results of `srbench.evaluate`, runs of `srbench.read_run`, or folders of finished runs.
        unmatched: compare runs that differ in precision, tile, self-ensemble or training, and list the differences.
        common: compare only the datasets that both runs have, under the protocols and at the scales of both.

    Raises:
        ComparisonError: protocol, scale, images, HR or LR differ; without `unmatched`, options or training differ; with
            `common`, the runs have no dataset in common.
    """
    a, b = _scored_run(a, "a"), _scored_run(b, "b")
    left, right = _indexed(a, "A"), _indexed(b, "B")
    if common:
        left, right = _in_common(left, right)
    _require_same_inputs(left, right)
    differs = tuple(unmatched_settings(a.record, b.record))
    if differs and not unmatched:
        raise ComparisonError(f"the runs are not made alike: {'; '.join(differs)}; --unmatched compares them anyway")
    pairs = left.add_suffix("_a").join(right.add_suffix("_b"))
    directions = _directions(a.record, b.record)
    return [
        _comparison(rows, differs, directions) for _, rows in pairs.groupby(level=["protocol", "scale"], sort=False)
    ]


def _scored_run(run: ScoredRun | Path | str, name: str) -> ScoredRun:
    if isinstance(run, str | Path):
        return read_run(run)
    if not (hasattr(run, "scores") and hasattr(run, "record")):
        raise ComparisonError(
            f"{name}: expected a Result, a run or its folder, got {type(run).__name__}; pass one of them"
        )
    return run


def _directions(a: Record, b: Record) -> dict[str, str]:
    """Return for each metric whether higher or lower is better.

    Raise ComparisonError if two runs have different versions of it.

    Metrics that this srbench does not know are described by the records.
    """
    known = {name: metric.direction for name, metric in METRICS.items() if metric.from_protocol}
    in_a, in_b = a.get("metrics") or {}, b.get("metrics") or {}
    for name, facts in in_a.items():
        if name in in_b and in_b[name] != facts:
            raise ComparisonError(
                f"the versions of {name} differ: {facts['version']} in A, {in_b[name]['version']} in B; "
                "evaluate both alike"
            )
    return {**known, **{name: facts["direction"] for name, facts in in_a.items() if name in in_b}}


def _comparison(rows: pd.DataFrame, differs: tuple[str, ...], directions: dict[str, str]) -> Comparison:
    return Comparison(
        model_a=str(rows["model_a"].iloc[0]),
        model_b=str(rows["model_b"].iloc[0]),
        scale=int(rows.index.get_level_values("scale")[0]),
        protocol=str(rows.index.get_level_values("protocol")[0]),
        datasets=(tables := _tables(rows, directions)),
        unmatched=differs,
        lower_is_better=tuple(name for name in next(iter(tables.values()), {}) if directions[name] == "lower"),
    )


def _tables(rows: pd.DataFrame, directions: dict[str, str]) -> dict[str, dict[str, PairedDifference]]:
    metrics = [
        metric
        for metric in directions
        if metric != _CHECK_SCORE and _scored(rows, f"{metric}_a") and _scored(rows, f"{metric}_b")
    ]
    tables = {
        str(dataset): {metric: _difference(images, metric, directions[metric]) for metric in metrics}
        for dataset, images in rows.groupby(level="dataset", sort=False)
    }
    for metric in metrics:
        corrected = corrected_by_holm([table[metric] for table in tables.values()])
        for table, found in zip(tables.values(), corrected, strict=True):
            table[metric] = found
    return tables


def _difference(images: pd.DataFrame, metric: str, direction: str) -> PairedDifference:
    found = paired_difference(_values(images, f"{metric}_a"), _values(images, f"{metric}_b"))
    if direction == "lower":
        return replace(found, won=found.lost, lost=found.won)
    return found


def _scored(rows: pd.DataFrame, column: str) -> bool:
    return column in rows and bool(rows[column].notna().any())


def _values(rows: pd.DataFrame, column: str) -> NDArray[np.float64]:
    return rows[column].to_numpy(dtype=np.float64, na_value=math.nan)


def _indexed(run: ScoredRun, which: str) -> pd.DataFrame:
    scores = run.scores.set_index(_IMAGE_KEY)
    if scores.empty:
        raise ComparisonError(f"run {which} holds no scores; evaluate it first")
    if scores.index.has_duplicates:
        twice = scores.index[scores.index.duplicated()][0]
        raise ComparisonError(f"run {which} scores {_spell(twice)} twice; a comparison needs one row per image")
    return scores


def _in_common(left: pd.DataFrame, right: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows of both runs in the datasets, protocols and scales that both have."""
    cells = [_without_images(scores).unique() for scores in (left, right)]
    shared = cells[0].intersection(cells[1])
    if shared.empty:
        found = ["; ".join(f"{name} ×{scale}, {protocol}" for protocol, scale, name in one) for one in cells]
        raise ComparisonError(
            f"expected a dataset that both runs have, got {found[0]} in A and {found[1]} in B; evaluate both on one set"
        )
    first, second = (scores[_without_images(scores).isin(shared)] for scores in (left, right))
    return first, second


def _without_images(scores: pd.DataFrame) -> pd.MultiIndex:
    return pd.MultiIndex.from_frame(scores.index.to_frame()[_IMAGE_KEY[:-1]])


def _require_same_inputs(left: pd.DataFrame, right: pd.DataFrame) -> None:
    for level in ("protocol", "scale"):
        in_a, in_b = _level(left, level), _level(right, level)
        if in_a != in_b:
            raise ComparisonError(
                f"the {level}s differ: A has {', '.join(in_a)}, B has {', '.join(in_b)}; evaluate both alike"
            )
    alone = left.index.symmetric_difference(right.index)
    if len(alone):
        raise ComparisonError(f"the images differ: only one run has {_some(alone)}; evaluate both on the same images")
    theirs = right.reindex(left.index)
    unlike = left.index[(left["lr_source"] == "any").to_numpy() != (theirs["lr_source"] == "any").to_numpy()]
    if len(unlike):
        raise ComparisonError(
            f"only one run used LR files of any origin (--lr any) for {_some(unlike)}; such scores form a group of "
            "their own: evaluate both runs with the same --lr"
        )
    for column, what in _SAME.items():
        unequal = left.index[left[column].to_numpy() != theirs[column].to_numpy()]
        if len(unequal):
            raise ComparisonError(f"the {what} differs for {_some(unequal)}; evaluate both runs on the same {what}")


def _level(scores: pd.DataFrame, level: str) -> list[str]:
    return sorted({str(value) for value in scores.index.get_level_values(level)})


def _some(keys: Iterable[tuple[object, ...]]) -> str:
    return listed([_spell(key) for key in keys], 3)


def _spell(key: tuple[object, ...]) -> str:
    protocol, scale, dataset, image = key
    return f"{dataset}/{image} (×{scale}, {protocol})"


def unmatched_settings(a: Record, b: Record) -> Iterator[str]:
    """Yield in words the differences between runs A and B, and, for a base and its variant, between their trainings.

    `a` and `b` are run records.
    """
    for name in _FORMS:
        in_a, in_b = a["key"].get(name), b["key"].get(name)
        if in_a != in_b:
            yield f"{name.replace('_', '-')} is {in_a} in A and {in_b} in B"
    if _base_and_variant(a["model"], b["model"]):
        forms = [model.get("form", "authors") for model in (a["model"], b["model"])]
        if forms[0] != forms[1]:
            yield f"the form of A is {forms[0]}, of B {forms[1]}"
        starts = [model.get("init") or {} for model in (a["model"], b["model"])]
        if starts[0].get("origin") != starts[1].get("origin"):
            sources = [start.get("source", "scratch") for start in starts]
            yield f"A was trained from {sources[0]}, B from {sources[1]}, which are no pair"
        for name in (*_TRAINING, *_TRAINING_HASHES):
            in_a, in_b = a["model"].get(name), b["model"].get(name)
            if in_a != in_b or (in_a is None and name in _TRAINING):
                yield f"the {name.replace('_', ' ')} of A is {in_a or 'unknown'}, of B {in_b or 'unknown'}"


def _base_and_variant(a: Record, b: Record) -> bool:
    """Return whether two models are one network with different attention, such as imdn and imdn-bam."""
    if a.get("network") and b.get("network"):
        return bool(a["network"] == b["network"] and a.get("attention") != b.get("attention"))
    shorter, longer = sorted((model["spec"].partition("@")[0] for model in (a, b)), key=len)
    return bool(longer.startswith(f"{shorter}-"))
