from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from srbench.cli import main
from srbench.figures.plot_data import differences_of, points_of
from srbench.run_folders import group_runs, read_runs
from srbench.score_tables.tabulate import tabulate
from srbench.zoo.costs import COSTS
from tests.score_tables.runs import write_run

pytest.importorskip("matplotlib", reason="needs the extra figures")
PLACE = (4, "Set5")


def srbench(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    return [
        write_run(tmp_path / "a", "zoo:imdn@authors", {"Set5": [30.0, 32.0]}, parameters=715_176),
        write_run(tmp_path / "b", "zoo:pan@authors", {"Set5": [31.0, 32.5]}, parameters=272_419),
        write_run(tmp_path / "c", "bicubic", {"Set5": [28.0, 29.0]}),
    ]


def test_points_are_means_over_parameters_and_macs(runs: list[Path]) -> None:
    table = tabulate(group_runs(read_runs(runs)), protocol="matlab-y")
    points, left_out = points_of(table, PLACE, "psnr_y", "parameters")
    assert [(point.x, point.y) for point in points] == [(715.176, 31.0), (272.419, 31.75)]
    assert left_out == ["bicubic: parameters not known"]
    macs = points_of(table, PLACE, "psnr_y", "macs")[0]
    assert [point.x * 1e9 for point in macs] == [COSTS["imdn", 4].macs, COSTS["pan", 4].macs]


def test_differences_are_paired_by_image(runs: list[Path]) -> None:
    table = tabulate(group_runs(read_runs(runs)), protocol="matlab-y")
    first, second = differences_of(table, PLACE, "psnr_y", table.rows[2])
    assert np.array_equal(first.values, [2.0, 3.0]) and np.array_equal(second.values, [3.0, 3.5])


@pytest.mark.parametrize("words", [[], ["--over", "macs"], ["--over", "seconds"], ["--differences"]])
def test_every_plot_is_a_file_with_its_labels(runs: list[Path], tmp_path: Path, words: list[str]) -> None:
    result = srbench("plot", *runs[:2], "-o", tmp_path / "x.svg", "--name", "zoo:imdn@authors=$x_1$ & <b>", *words)
    assert (result.exit_code, result.stderr) == (0, "")
    text = (tmp_path / "x.svg").read_text()
    assert text.startswith("<?xml") and len(re.findall("<path", text)) > 10


def test_runs_on_other_images_are_refused(runs: list[Path], tmp_path: Path) -> None:
    other = write_run(tmp_path / "d", "d", {"Set5": [30.0, 31.0, 32.0]})
    result = srbench("plot", runs[0], other, "--differences", "-o", tmp_path / "x.png")
    assert result.exit_code == 1
    assert "on the same images of Set5, got only one for i002; evaluate both on all images" in result.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--dataset", "Set14"], "expected a dataset and a scale of the runs (Set5 ×4), got Set14 ×any"),
        (["--metric", "psnr_rgb"], "unknown metric of these runs 'psnr_rgb'"),
        (["--differences", "--base", "z"], "unknown model of these runs 'z'"),
    ],
)
def test_mistakes_name_what_the_runs_have(runs: list[Path], tmp_path: Path, words: list[str], message: str) -> None:
    result = srbench("plot", *runs, "-o", tmp_path / "x.png", *words)
    assert result.exit_code == 1 and message in result.stderr
