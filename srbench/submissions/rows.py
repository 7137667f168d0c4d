"""The rows of a submission's score table, held against what its `submission.json` says they are."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pyarrow as pa

from srbench.errors import SubmissionError
from srbench.files import SHA256
from srbench.scores import json_number
from srbench.submissions.kinds import shown
from srbench.submissions.reading import MAX_ROWS
from srbench.submissions.schema import NAME

Cell = tuple[int, str, str]
"""Scale, protocol and dataset: what one mean is over."""

_NAME = re.compile(NAME.expression, re.ASCII)
_ORIGIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._:()+,-]{0,99}", re.ASCII)
_LARGEST_PSNR = 200.0
_MEAN_TOLERANCE = 1e-6


def expected_cells(document: Mapping[str, Any]) -> dict[Cell, tuple[int, int, str]]:
    """By scale, protocol and dataset: the number of images, the protocol's version and the LR source.

    Raises:
        SubmissionError: incomplete sets, one cell in two runs, one scale with two weights, or one set with two pixels.
    """
    cells: dict[Cell, tuple[int, int, str]] = {}
    weights: dict[int, Any] = {}
    pixels: dict[str, str] = {}
    for number, run in enumerate(document["runs"]):
        found = (run["weights_sha256"], run["images_sha256"])
        if weights.setdefault(run["scale"], found) != found:
            raise SubmissionError(
                f"runs[{number}]: expected the weights of the other runs at ×{run['scale']}, got "
                "others; one submission is one model"
            )
        for dataset, facts in run["datasets"].items():
            if facts["n"] != facts["n_expected"]:
                raise SubmissionError(
                    f"runs[{number}]: expected all {facts['n_expected']} images of {dataset}, got "
                    f"{facts['n']}; evaluate the whole set"
                )
            if pixels.setdefault(dataset, facts["fingerprint"]) != facts["fingerprint"]:
                raise SubmissionError(f"runs[{number}]: expected the pixels that {dataset} has in the other runs")
            for protocol, how in run["protocols"].items():
                cell = (run["scale"], protocol, dataset)
                if cell in cells:
                    raise SubmissionError(f"runs[{number}]: {dataset} ×{cell[0]} under {protocol} is in two runs")
                cells[cell] = (facts["n"], how["version"], how["lr_source"])
    if (total := sum(count for count, _, _ in cells.values())) > MAX_ROWS:
        raise SubmissionError(f"runs: expected at most {MAX_ROWS:,} scores, got {total:,}")
    return cells


def check_rows(table: pa.Table, document: Mapping[str, Any]) -> None:
    """Raises SubmissionError unless each image of each cell is there once, every value is possible and means fit."""
    cells = expected_cells(document)
    columns = {name: table[name].to_pylist() for name in table.column_names}
    _require_each("model", columns["model"], lambda value: value == document["model"]["spec"])
    _require_each("image", columns["image"], lambda value: bool(value and _NAME.fullmatch(value)))
    for name in ("hr_sha256", "lr_sha256"):
        _require_each(name, columns[name], lambda value: bool(value and SHA256.fullmatch(value)))
    _require_each("lr_origin", columns["lr_origin"], lambda value: value is None or bool(_ORIGIN.fullmatch(value)))
    _require_each("seconds", columns["seconds"], lambda value: value is None or 0 <= value < math.inf)
    for name in columns:
        if name.startswith("psnr"):
            _require_each(name, columns[name], _is_psnr)
        elif name.startswith("ssim"):
            _require_each(name, columns[name], lambda value: value is None or -1 <= value <= 1 + 1e-9)
    _require_coverage(columns, cells)
    _require_scores(columns)
    _require_means(columns, document)


def dataset_means(table: pa.Table) -> list[dict[str, Any]]:
    """The means of a score table of one scale, by dataset and protocol, as `runs[].means` holds them."""
    means = _means({name: table[name].to_pylist() for name in table.column_names})
    return [{"dataset": dataset, "protocol": protocol, **values} for (_, protocol, dataset), values in means.items()]


def _means(columns: Mapping[str, list[Any]]) -> dict[Cell, dict[str, float | str | None]]:
    """PSNR, SSIM and psnr_lr of each cell: null where an image lacks one, "inf" where one is infinite."""
    values: dict[Cell, dict[str, list[float | None]]] = {}
    names = ("scale", "protocol", "dataset", "psnr_y", "ssim_y", "psnr_rgb", "ssim_rgb", "psnr_lr")
    for scale, protocol, dataset, psnr_y, ssim_y, psnr_rgb, ssim_rgb, psnr_lr in _lines(columns, names):
        cell = values.setdefault((scale, protocol, dataset), {"psnr": [], "ssim": [], "psnr_lr": []})
        cell["psnr"].append(psnr_rgb if psnr_y is None else psnr_y)
        cell["ssim"].append(ssim_rgb if psnr_y is None else ssim_y)
        cell["psnr_lr"].append(psnr_lr)
    return {cell: {name: _mean(scores) for name, scores in found.items()} for cell, found in values.items()}


def _mean(scores: list[float | None]) -> float | str | None:
    known = [score for score in scores if score is not None]
    return json_number(sum(known) / len(known) if len(known) == len(scores) else None)


def _require_means(columns: Mapping[str, list[Any]], document: Mapping[str, Any]) -> None:
    found = _means(columns)
    for number, run in enumerate(document["runs"]):
        stated = {(run["scale"], mean["protocol"], mean["dataset"]): mean for mean in run["means"]}
        cells = {(run["scale"], protocol, dataset) for protocol in run["protocols"] for dataset in run["datasets"]}
        if stated.keys() != cells or len(stated) != len(run["means"]):
            raise SubmissionError(f"runs[{number}].means: expected one for each dataset and protocol")
        for (scale, protocol, dataset), mean in stated.items():
            for name, value in found[scale, protocol, dataset].items():
                if _differs(value, mean[name]):
                    raise SubmissionError(
                        f"runs[{number}].means: expected {name} of {dataset} ×{scale} under "
                        f"{protocol} as its rows give it, {value}, got {mean[name]}"
                    )


def _differs(first: Any, second: Any) -> bool:
    if isinstance(first, float) and isinstance(second, float | int):
        return abs(first - second) > _MEAN_TOLERANCE
    return bool(first != second)


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


def _require_coverage(columns: Mapping[str, list[Any]], cells: Mapping[Cell, tuple[int, int, str]]) -> None:
    seen: dict[Cell, set[str]] = {cell: set() for cell in cells}
    names = ("scale", "protocol", "dataset", "image", "protocol_version", "lr_source")
    for scale, protocol, dataset, image, version, source in _lines(columns, names):
        cell = (scale, protocol, dataset)
        if cell not in cells or cells[cell][1:] != (version, source):
            raise SubmissionError(
                f"scores.parquet: expected only what submission.json lists, got {shown(dataset)} "
                f"×{scale} under {shown(protocol)} v{version} with LR {shown(source)}"
            )
        if image in seen[cell]:
            raise SubmissionError(f"scores.parquet: {dataset}/{image} ×{scale} under {protocol} is there twice")
        seen[cell].add(image)
    for (scale, protocol, dataset), images in seen.items():
        if len(images) != cells[scale, protocol, dataset][0]:
            raise SubmissionError(
                f"scores.parquet: expected {cells[scale, protocol, dataset][0]} images of {dataset} "
                f"×{scale} under {protocol}, got {len(images)}"
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
