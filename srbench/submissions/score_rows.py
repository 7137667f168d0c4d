"""Check the rows of a submission's score table against what its `submission.json` says about them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from srbench.errors import SubmissionError
from srbench.files import SHA256
from srbench.records.fields import NAME
from srbench.records.messages import shown
from srbench.records.record_model import PlainRecord
from srbench.records.submission import MeanFacts, SubmissionRecord, SubmittedRun
from srbench.scores import json_number
from srbench.submissions.untrusted_files import MAX_ROWS

MeanKey = tuple[int, str, str]
"""Scale, protocol and dataset of one mean."""

Means = dict[str, float | None]
"""The means of `psnr`, `ssim` and `psnr_lr`: None where an image lacks the score."""

_ORIGIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._:()+,-]{0,99}", re.ASCII)
_LARGEST_PSNR = 200.0
_LARGEST = 1e9  # of a metric about which only its record is known
_MEAN_TOLERANCE = 1e-6


@dataclass(frozen=True)
class ExpectedRows:
    """The rows of one mean: how many images, which version of the protocol, and where the LR came from."""

    images: int
    protocol_version: int
    lr_source: str


def expected_rows(record: SubmissionRecord) -> dict[MeanKey, ExpectedRows]:
    """Return the rows that the table must have.

    Raises:
        SubmissionError: incomplete sets, one mean in two runs, one scale with two weights, or one set with two pixels.
    """
    expected: dict[MeanKey, ExpectedRows] = {}
    weights: dict[int, tuple[str | None, str | None]] = {}
    pixels: dict[str, str] = {}
    for number, run in enumerate(record.runs):
        found = (run.weights_sha256, run.images_sha256)
        if weights.setdefault(run.scale, found) != found:
            raise SubmissionError(
                f"runs[{number}]: expected the weights of the other runs at ×{run.scale}, got "
                "others; one submission is one model"
            )
        _require_complete_sets(run, number, pixels)
        for key, rows in _rows_of(run):
            if key in expected:
                scale, protocol, dataset = key
                raise SubmissionError(f"runs[{number}]: {dataset} ×{scale} under {protocol} is in two runs")
            expected[key] = rows
    if (total := sum(rows.images for rows in expected.values())) > MAX_ROWS:
        raise SubmissionError(f"runs: expected at most {MAX_ROWS:,} scores, got {total:,}")
    return expected


def count_rows(record: SubmissionRecord) -> int:
    """Return the number of rows that the table must have. Errors as for `expected_rows`."""
    return sum(rows.images for rows in expected_rows(record).values())


def metric_names(record: SubmissionRecord) -> list[str]:
    """Return the names of the metrics that the runs have in addition to those of the protocols."""
    return list(dict.fromkeys(name for run in record.runs for name in run.metrics or {}))


def check_rows(table: pa.Table, record: SubmissionRecord) -> None:
    """Raise SubmissionError unless each image has its rows once, every value is possible and the means fit."""
    expected = expected_rows(record)
    columns = {name: table[name].to_pylist() for name in table.column_names}
    _require_each("model", columns["model"], lambda value: value == record.model.spec)
    _require_each("image", columns["image"], lambda value: bool(value and NAME.fits(value)))
    for name in ("hr_sha256", "lr_sha256"):
        _require_each(name, columns[name], lambda value: bool(value and SHA256.fullmatch(value)))
    _require_each("lr_origin", columns["lr_origin"], lambda value: value is None or bool(_ORIGIN.fullmatch(value)))
    _require_each("seconds", columns["seconds"], lambda value: value is None or 0 <= value < math.inf)
    for name in columns:
        if name.startswith("psnr"):
            _require_each(name, columns[name], _is_psnr)
        elif name.startswith("ssim"):
            _require_each(name, columns[name], lambda value: value is None or -1 <= value <= 1 + 1e-9)
    for name in metric_names(record):
        _require_each(name, columns[name], lambda value: value is None or value == math.inf or abs(value) < _LARGEST)
    _require_coverage(columns, expected)
    _require_scores(columns)
    _require_means(columns, record)


def dataset_means(table: pa.Table) -> list[PlainRecord]:
    """Return the means of a score table of one scale by dataset and protocol, as `runs[].means` has them."""
    means = _means({name: table[name].to_pylist() for name in table.column_names})
    return [
        {"dataset": dataset, "protocol": protocol, **{name: json_number(value) for name, value in values.items()}}
        for (_, protocol, dataset), values in means.items()
    ]


def _rows_of(run: SubmittedRun) -> Iterator[tuple[MeanKey, ExpectedRows]]:
    for dataset, facts in run.datasets.items():
        for name, protocol in run.protocols.items():
            yield (run.scale, name, dataset), ExpectedRows(facts.n, protocol.version, protocol.lr_source)


def _require_complete_sets(run: SubmittedRun, number: int, pixels: dict[str, str]) -> None:
    for dataset, facts in run.datasets.items():
        if facts.n != facts.n_expected:
            raise SubmissionError(
                f"runs[{number}]: expected all {facts.n_expected} images of {dataset}, got {facts.n}; "
                "evaluate the complete set"
            )
        if pixels.setdefault(dataset, facts.fingerprint) != facts.fingerprint:
            raise SubmissionError(f"runs[{number}]: expected the pixels that {dataset} has in the other runs")


def _means(columns: Mapping[str, list[Any]]) -> dict[MeanKey, Means]:
    values: dict[MeanKey, dict[str, list[float | None]]] = {}
    names = ("scale", "protocol", "dataset", "psnr_y", "ssim_y", "psnr_rgb", "ssim_rgb", "psnr_lr")
    for scale, protocol, dataset, psnr_y, ssim_y, psnr_rgb, ssim_rgb, psnr_lr in _lines(columns, names):
        scores = values.setdefault((scale, protocol, dataset), {"psnr": [], "ssim": [], "psnr_lr": []})
        scores["psnr"].append(psnr_rgb if psnr_y is None else psnr_y)
        scores["ssim"].append(ssim_rgb if psnr_y is None else ssim_y)
        scores["psnr_lr"].append(psnr_lr)
    return {key: {name: _mean(found) for name, found in scores.items()} for key, scores in values.items()}


def _mean(scores: list[float | None]) -> float | None:
    known = [score for score in scores if score is not None]
    return sum(known) / len(known) if len(known) == len(scores) else None


def _require_means(columns: Mapping[str, list[Any]], record: SubmissionRecord) -> None:
    found = _means(columns)
    for number, run in enumerate(record.runs):
        stated = {(run.scale, mean.protocol, mean.dataset): mean for mean in run.means}
        if stated.keys() != {key for key, _ in _rows_of(run)} or len(stated) != len(run.means):
            raise SubmissionError(f"runs[{number}].means: expected one for each dataset and protocol")
        for (scale, protocol, dataset), mean in stated.items():
            for name, value, claimed in _paired(found[scale, protocol, dataset], mean):
                if _differs(value, claimed):
                    raise SubmissionError(
                        f"runs[{number}].means: expected {name} of {dataset} ×{scale} under "
                        f"{protocol} as its rows give it, {value}, got {claimed}"
                    )


def _paired(found: Means, stated: MeanFacts) -> Iterator[tuple[str, float | None, float | None]]:
    yield "psnr", found["psnr"], stated.psnr
    yield "ssim", found["ssim"], stated.ssim
    yield "psnr_lr", found["psnr_lr"], stated.psnr_lr


def _differs(first: float | None, second: float | None) -> bool:
    if first is None or second is None or math.isinf(first) or math.isinf(second):
        return first != second
    return abs(first - second) > _MEAN_TOLERANCE


def _is_psnr(value: float | None) -> bool:
    return value is None or value == math.inf or -_LARGEST_PSNR <= value <= _LARGEST_PSNR


def _lines(columns: Mapping[str, list[Any]], names: tuple[str, ...]) -> Iterator[tuple[Any, ...]]:
    return zip(*(columns[name] for name in names), strict=True)


def _require_each(name: str, values: list[Any], fits: Callable[[Any], bool]) -> None:
    for value in dict.fromkeys(values):  # most columns hold few different values
        if not fits(value):
            row = values.index(value)
            raise SubmissionError(
                f"scores.parquet, row {row}, {name}: expected a value that is possible here, got {shown(value)}"
            )


def _require_coverage(columns: Mapping[str, list[Any]], expected: Mapping[MeanKey, ExpectedRows]) -> None:
    seen: dict[MeanKey, set[str]] = {key: set() for key in expected}
    names = ("scale", "protocol", "dataset", "image", "protocol_version", "lr_source")
    for scale, protocol, dataset, image, version, source in _lines(columns, names):
        rows = expected.get((scale, protocol, dataset))
        if rows is None or (rows.protocol_version, rows.lr_source) != (version, source):
            raise SubmissionError(
                f"scores.parquet: expected only what submission.json lists, got {shown(dataset)} "
                f"×{scale} under {shown(protocol)} v{version} with LR {shown(source)}"
            )
        images = seen[scale, protocol, dataset]
        if image in images:
            raise SubmissionError(f"scores.parquet: {dataset}/{image} ×{scale} under {protocol} is there twice")
        images.add(image)
    for (scale, protocol, dataset), images in seen.items():
        wanted = expected[scale, protocol, dataset].images
        if len(images) != wanted:
            raise SubmissionError(
                f"scores.parquet: expected {wanted} images of {dataset} ×{scale} under {protocol}, got {len(images)}"
            )


def _require_scores(columns: Mapping[str, list[Any]]) -> None:
    names = ("image", "psnr_y", "ssim_y", "psnr_rgb", "ssim_rgb", "psnr_lr", "lr_source")
    for image, psnr_y, ssim_y, psnr_rgb, ssim_rgb, psnr_lr, source in _lines(columns, names):
        if (psnr_y is None) == (psnr_rgb is None):
            raise SubmissionError(f"scores.parquet: expected {image} to have a PSNR either of Y or of RGB")
        psnr, ssim = (psnr_rgb, ssim_rgb) if psnr_y is None else (psnr_y, ssim_y)
        if psnr == math.inf and ssim is not None and ssim < 1 - 1e-9:
            raise SubmissionError(f"scores.parquet: {image} has an infinite PSNR and an SSIM below 1")
        if source == "made" and psnr_lr is None:
            raise SubmissionError(f"scores.parquet: expected psnr_lr of {image}, whose LR was made; evaluate it again")
