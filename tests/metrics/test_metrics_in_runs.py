"""Metrics that no protocol computes, in evaluations: their columns, records, keys and failures."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

from srbench.cli import main
from srbench.datasets import open_dataset
from srbench.errors import ImageError, MetricError, ResultsError, SrbenchError, UnknownNameError
from srbench.evaluation import Plan, as_metrics
from srbench.images import save_png
from srbench.metrics.metric_entries import METRICS, Metric
from srbench.protocols import get_protocol
from srbench.result import evaluate
from srbench.runs import execute
from srbench.scores import SCHEMA, Row, read_run, to_frame
from srbench.upscalers.bicubic import MatlabBicubic


@pytest.fixture
def fast_niqe(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace what each metric computes by the mean of the SR image: these tests are about columns, not scores."""
    monkeypatch.setattr(Metric, "load", lambda metric, device: lambda sr, hr: float(sr.mean()))


def make_plan(names: tuple[str, ...] = ()) -> Plan:
    """Return the evaluation of bicubic on the embedded images with these metrics."""
    sets = [open_dataset("Sample")]
    return Plan(MatlabBicubic(scale=4), sets, [get_protocol("matlab-y")], metrics=as_metrics(names))


@pytest.mark.usefixtures("fast_niqe")
def test_metric_adds_one_float_column(tmp_path: Path) -> None:
    execute(make_plan(("niqe",)), tmp_path)
    run = read_run(tmp_path)
    assert list(run.scores.columns) == [*SCHEMA.names, "niqe"]
    assert run.scores["niqe"].dtype == np.float64 and run.scores["niqe"].notna().all()
    assert run.record["metrics"] == {"niqe": {"version": 1, "direction": "lower"}}


@pytest.mark.usefixtures("fast_niqe")
def test_run_without_metrics_keeps_its_key_and_columns() -> None:
    rows, record = execute(make_plan(), None) or ([], {})
    assert "metrics" not in make_plan().key() and "metrics" not in record
    assert list(to_frame(rows).columns) == SCHEMA.names


@pytest.mark.usefixtures("fast_niqe")
def test_other_metrics_do_not_resume_a_run(tmp_path: Path) -> None:
    execute(make_plan(("niqe",)), tmp_path)
    with pytest.raises(ResultsError, match="metrics"):
        execute(make_plan(), tmp_path)


@pytest.mark.usefixtures("fast_niqe")
def test_resumed_run_has_identical_metric_scores(tmp_path: Path) -> None:
    plan = make_plan(("niqe",))
    rows, _ = execute(plan, None) or ([], {})

    def stop_after_one(batches: Iterable[list[Row]], kept: int, total: int) -> Iterator[list[Row]]:
        for number, batch in enumerate(batches):
            if number == 1:
                raise KeyboardInterrupt
            yield batch

    with pytest.raises(KeyboardInterrupt):
        execute(plan, tmp_path, progress=stop_after_one)
    resumed, _ = execute(plan, tmp_path) or ([], {})
    assert [row["niqe"] for row in resumed] == [row["niqe"] for row in rows]


def test_failing_metric_names_the_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Metric, "load", lambda metric, device: lambda sr, hr: float("nan"))
    with pytest.raises(ImageError, match=r"Sample/.*expected a finite niqe, got nan"):
        execute(make_plan(("niqe",)), None)


def test_image_too_small_for_niqe_is_named(tmp_path: Path, random_image: NDArray[np.uint8]) -> None:
    save_png(tmp_path / "small.png", random_image)
    with pytest.raises(ImageError, match="small: expected an image of at least two blocks of 96×96 pixels"):
        evaluate("bicubic", f"folder:{tmp_path}", scale=2, metric=["niqe"])


def test_protocol_score_is_refused_as_metric() -> None:
    with pytest.raises(MetricError, match="leave out --metric psnr_y"):
        make_plan(("psnr_y",))


def test_several_metrics_in_one_string_are_refused() -> None:
    with pytest.raises(SrbenchError, match=r"pass metric=\['niqe', 'dists'\]"):
        evaluate("bicubic", "Sample", scale=4, metric="niqe,dists")


def test_unknown_metric_offers_close_matches() -> None:
    with pytest.raises(UnknownNameError, match="lpips_alex"):
        as_metrics(["lpips_alx"])


@pytest.mark.long
@pytest.mark.usefixtures("fast_niqe")
def test_csv_has_a_column_per_metric() -> None:
    line = ["evaluate", "--model", "bicubic", "--scale", "4", "--dataset", "Sample", "--metric", "niqe"]
    result = CliRunner().invoke(main, [*line, "--format", "csv"])
    (row,) = csv.DictReader(result.stdout.splitlines())
    (mean,) = evaluate("bicubic", "Sample", scale=4, metric="niqe").scores.groupby("dataset")["niqe"].mean()
    assert float(row["niqe"]) == pytest.approx(mean, rel=1e-12)


@pytest.mark.usefixtures("fast_niqe")
def test_table_names_version_and_convention_of_metrics() -> None:
    line = ["evaluate", "--model", "bicubic", "--scale", "4", "--dataset", "Sample", "--metric", "niqe"]
    output = CliRunner().invoke(main, line).stdout
    assert f"NIQE: niqe, version 1, lower is better; {METRICS['niqe'].convention}" in output
