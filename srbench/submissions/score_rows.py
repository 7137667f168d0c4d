"""Check the rows of a submission's score table against what its `submission.json` says about them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

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

RowMeans = dict[str, float | None]
"""The means of `psnr`, `ssim` and `psnr_lr`: None where an image lacks the score."""

Value = TypeVar("Value")

_ORIGIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._:()+,-]{0,99}", re.ASCII)
_LARGEST_PSNR = 200.0
_LARGEST = 1e9  # bound for metrics that this installation does not know
_MEAN_TOLERANCE = 1e-6


class _ScoreLine(NamedTuple):
    """The values of one row of the table that the checks use; the scores of Y or those of RGB are None."""

    scale: int
    protocol: str
    dataset: str
    image: str
    protocol_version: int
    lr_source: str
    psnr_y: float | None
    ssim_y: float | None
    psnr_rgb: float | None
    ssim_rgb: float | None
    psnr_lr: float | None

    @property
    def key(self) -> MeanKey:
        return self.scale, self.protocol, self.dataset

    @property
    def psnr(self) -> float | None:
        return self.psnr_rgb if self.psnr_y is None else self.psnr_y

    @property
    def ssim(self) -> float | None:
        return self.ssim_rgb if self.psnr_y is None else self.ssim_y


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
    weights: dict[int, str | None] = {}
    pixels: dict[str, str] = {}
    for number, run in enumerate(record.runs):
        if weights.setdefault(run.scale, run.weights_sha256) != run.weights_sha256:
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
    lines = _lines(columns)
    _require_coverage(lines, expected)
    _require_scores(lines)
    _require_means(lines, record)


def dataset_means(table: pa.Table) -> list[PlainRecord]:
    """Return the means of a score table of one scale by dataset and protocol, as `runs[].means` has them."""
    means = _means(_lines({name: table[name].to_pylist() for name in table.column_names}))
    return [
        {"dataset": dataset, "protocol": protocol, **{name: json_number(value) for name, value in values.items()}}
        for (_, protocol, dataset), values in means.items()
    ]


def _lines(columns: Mapping[str, Sequence[object]]) -> list[_ScoreLine]:
    return list(map(_ScoreLine, *(columns[name] for name in _ScoreLine._fields)))


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


def _means(lines: Iterable[_ScoreLine]) -> dict[MeanKey, RowMeans]:
    values: dict[MeanKey, dict[str, list[float | None]]] = {}
    for line in lines:
        scores = values.setdefault(line.key, {"psnr": [], "ssim": [], "psnr_lr": []})
        scores["psnr"].append(line.psnr)
        scores["ssim"].append(line.ssim)
        scores["psnr_lr"].append(line.psnr_lr)
    return {key: {name: _mean(found) for name, found in scores.items()} for key, scores in values.items()}


def _mean(scores: list[float | None]) -> float | None:
    known = [score for score in scores if score is not None]
    return sum(known) / len(known) if len(known) == len(scores) else None


def _require_means(lines: Iterable[_ScoreLine], record: SubmissionRecord) -> None:
    found = _means(lines)
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


def _paired(found: RowMeans, stated: MeanFacts) -> Iterator[tuple[str, float | None, float | None]]:
    yield "psnr", found["psnr"], stated.psnr
    yield "ssim", found["ssim"], stated.ssim
    yield "psnr_lr", found["psnr_lr"], stated.psnr_lr


def _differs(first: float | None, second: float | None) -> bool:
    if first is None or second is None or math.isinf(first) or math.isinf(second):
        return first != second
    return abs(first - second) > _MEAN_TOLERANCE


def _is_psnr(value: float | None) -> bool:
    return value is None or value == math.inf or -_LARGEST_PSNR <= value <= _LARGEST_PSNR


def _require_each(name: str, values: list[Value], fits: Callable[[Value], bool]) -> None:
    for value in dict.fromkeys(values):  # most columns hold few different values
        if not fits(value):
            row = values.index(value)
            raise SubmissionError(
                f"scores.parquet, row {row}, {name}: expected a value that is possible here, got {shown(value)}"
            )


def _require_coverage(lines: Iterable[_ScoreLine], expected: Mapping[MeanKey, ExpectedRows]) -> None:
    seen: dict[MeanKey, set[str]] = {key: set() for key in expected}
    for line in lines:
        scale, protocol, dataset = line.key
        rows = expected.get(line.key)
        if rows is None or (rows.protocol_version, rows.lr_source) != (line.protocol_version, line.lr_source):
            raise SubmissionError(
                f"scores.parquet: expected only what submission.json lists, got {shown(dataset)} "
                f"×{scale} under {shown(protocol)} v{line.protocol_version} with LR {shown(line.lr_source)}"
            )
        images = seen[line.key]
        if line.image in images:
            raise SubmissionError(f"scores.parquet: {dataset}/{line.image} ×{scale} under {protocol} is there twice")
        images.add(line.image)
    for (scale, protocol, dataset), images in seen.items():
        wanted = expected[scale, protocol, dataset].images
        if len(images) != wanted:
            raise SubmissionError(
                f"scores.parquet: expected {wanted} images of {dataset} ×{scale} under {protocol}, got {len(images)}"
            )


def _require_scores(lines: Iterable[_ScoreLine]) -> None:
    for line in lines:
        if (line.psnr_y is None) == (line.psnr_rgb is None):
            raise SubmissionError(f"scores.parquet: expected {line.image} to have a PSNR either of Y or of RGB")
        if line.psnr == math.inf and line.ssim is not None and line.ssim < 1 - 1e-9:
            raise SubmissionError(f"scores.parquet: {line.image} has an infinite PSNR and an SSIM below 1")
        if line.lr_source == "made" and line.psnr_lr is None:
            raise SubmissionError(
                f"scores.parquet: expected psnr_lr of {line.image}, whose LR was made; evaluate it again"
            )
