"""Comparison and submission of runs with metrics that no protocol computes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from srbench.cli import main
from srbench.errors import ComparisonError
from srbench.metrics.metric_entries import METRICS, Metric
from srbench.run_comparison import compare_runs
from srbench.scores import Run, read_run
from srbench.submissions.create import draft_submission, write_submission
from srbench.submissions.read import read_submission
from tests.submissions.generated import plain_document


def _constant(function: str) -> Metric:
    return replace(METRICS["niqe"], name="constant", factory=f"tests.metrics.constant_metrics:{function}")


def _evaluated(images: str, output: Path, *options: str) -> Run:
    args = ["evaluate", "--model", "bicubic", "--scale", "2", "--dataset", images, "--output", str(output), *options]
    result = CliRunner().invoke(main, args)
    assert result.exit_code == 0, result.output
    return read_run(output)


def test_comparison_has_metrics_of_both_runs_with_direction(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(METRICS, "constant", _constant("one"))
        first = _evaluated("Sample", tmp_path / "a", "--metric", "constant", "--metric", "niqe")
        second = _evaluated("Sample", tmp_path / "b", "--metric", "constant")
    (found,) = compare_runs(first, second)  # this srbench does not know the metric "constant"
    assert found.datasets["Sample"]["constant"].mean == 0
    assert found.lower_is_better == ("constant",)
    assert "niqe" not in found.datasets["Sample"]


@pytest.mark.long
def test_comparison_refuses_other_versions_of_a_metric(tmp_path: Path) -> None:
    first = _evaluated("Sample", tmp_path / "a", "--metric", "niqe")
    other = {**first.record, "metrics": {"niqe": {"version": 2, "direction": "lower"}}}
    with pytest.raises(ComparisonError, match="versions of niqe differ: 1 in A, 2 in B"):
        compare_runs(first, replace(first, record=other))


def test_submission_keeps_metrics_this_srbench_does_not_know(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(METRICS, "constant", _constant("one"))
        run = _evaluated("Sample", tmp_path / "run", "--metric", "constant")
    write_submission(tmp_path, draft_submission([run], id="net-00001"))
    entry = read_submission(tmp_path / "net-00001")
    assert entry.scores["constant"].tolist() == [1.0] * 7
    assert plain_document(entry)["runs"][0]["metrics"] == {"constant": {"version": 1, "direction": "lower"}}
