from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from srbench.run_folders import ModelRuns, group_runs, read_runs
from srbench.score_tables.formats import ReportedRow, TableStyle, csv_scores, text_scores
from srbench.score_tables.tabulate import tabulate
from tests.score_tables.runs import write_run


def models_with(tmp_path: Path, column: str, values: dict[str, float]) -> list[ModelRuns]:
    """Runs of models on one image, with a further column of scores as a plugin's metric gives it."""
    found = read_runs([write_run(tmp_path / name, name, {"Set5": [30.0]}) for name in values])
    facts = {"metrics": {column: {"version": 1, "direction": "lower"}}}
    changed = []
    for one, value in zip(found, values.values(), strict=True):
        run = replace(one.run, scores=one.run.scores.assign(**{column: value}), record=one.run.record | facts)
        changed.append(replace(one, run=run))
    return group_runs(changed)


def test_lowest_lpips_is_marked_as_best(tmp_path: Path) -> None:
    models = models_with(tmp_path, "lpips_alex", {"a": 0.21, "b": 0.19})
    table = tabulate(models, protocol="matlab-y", metrics=["lpips_alex"], order="score")
    assert [row.label for row in table.rows] == ["b", "a"]
    text = text_scores(table, TableStyle(bases={"b": "a"}))
    assert "LPIPS (AlexNet) ↓" in text and "0.1900* (↓0.0200)" in text and "0.2100+" in text


def test_metric_of_a_missing_plugin_keeps_its_direction(tmp_path: Path) -> None:
    models = models_with(tmp_path, "softness", {"a": 3.0, "b": 1.0})
    table = tabulate(models, protocol="matlab-y", metrics=["softness", "psnr_y"])
    assert "1.0000* / 30.00*" in text_scores(table, TableStyle())
    assert csv_scores([table]).splitlines()[0].endswith("n_expected,softness,psnr_y")


def test_reported_psnr_stays_in_the_column_of_psnr(tmp_path: Path) -> None:
    models = models_with(tmp_path, "lpips_alex", {"a": 0.21})
    table = tabulate(models, protocol="matlab-y", metrics=["lpips_alex", "ssim_y", "psnr_y"])
    printed = ReportedRow("x", "a paper", "1", {(4, "Set5"): ("32.21", "0.8948")})
    assert "x (reported)  1           - / 0.8948 / 32.21" in text_scores(table, TableStyle(reported=[printed]))
