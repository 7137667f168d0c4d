from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from srbench.cli import main
from srbench.cli.compare import _cells
from srbench.statistics import PairedDifference
from tests.score_tables import runs as runs_with_scores

TABLE = """\
A  zoo:net-a@authors
B  zoo:net-b@authors
×4, protocol matlab-y

dataset  n   metric  A - B      95% interval          p        p (Holm)  A wins  B wins
Set5     3   psnr_y  +0.067 dB  -                     -        -         67%     33%
Set5     3   ssim_y  +0.00000   -                     -        -         0%      0%
Set14    12  psnr_y  -0.055 dB  -0.078 to -0.032      0.00098  0.00098   0%      92%
Set14    12  ssim_y  +0.00000   +0.00000 to +0.00000  1        1         0%      0%

95% interval: Student's t over the images. p: Wilcoxon's signed-rank test.
p (Holm): corrected over the datasets of this table, for each metric.
Below 10 images neither an interval nor a p-value is given.
This holds for two checkpoints on these images, not for their architectures.
"""


def write_run(folder: Path, spec: str, scores: Mapping[str, Sequence[float]], *, protocol: str = "matlab-y") -> Path:
    return runs_with_scores.write_run(folder, spec, dict(scores), protocol=protocol, ssim=0.9)


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, Path]:
    base = {"Set5": [30.0, 31.0, 32.0], "Set14": [30.0] * 12}
    other = {"Set5": [30.1, 31.2, 31.9], "Set14": [30.0 - 0.01 * index for index in range(12)]}
    a = write_run(tmp_path / "a", "zoo:net-a@authors", other)
    return a, write_run(tmp_path / "b", "zoo:net-b@authors", base)


def srbench(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_table(runs: tuple[Path, Path]) -> None:
    result = srbench("compare", *runs)
    assert result.exit_code == 0
    assert result.stdout == TABLE
    assert _cells("psnr_y", PairedDifference(12, -1e-5, (-2e-5, 0.0), None, None, 0.5, 0.5))[:2] == [
        "+0.000 dB",
        "+0.000 to +0.000",
    ]


def test_json_from_the_parquet_files(runs: tuple[Path, Path]) -> None:
    result = srbench("compare", *(run / "scores.parquet" for run in runs), "--format", "json")
    document = json.loads(result.stdout)
    assert (document["model_a"], document["scale"], document["protocol"]) == ("zoo:net-a@authors", 4, "matlab-y")
    small, large = document["datasets"]["Set5"]["psnr_y"], document["datasets"]["Set14"]["psnr_y"]
    assert small["mean_difference"] == pytest.approx(0.2 / 3)
    assert (small["interval_95"], small["p_holm"]) == (None, None)
    assert large["mean_difference"] == pytest.approx(-0.055)
    assert large["interval_95"][0] < -0.055 < large["interval_95"][1] < 0
    assert "two checkpoints" in document["statement"]


def test_another_protocol_is_an_error_that_names_both(runs: tuple[Path, Path], tmp_path: Path) -> None:
    other = write_run(tmp_path / "c", "zoo:net-b@authors", {"Set5": [30.0]}, protocol="bam2021")
    result = srbench("compare", runs[0], other, "--unmatched")
    assert result.exit_code == 1
    assert result.stderr == "Error: the protocols differ: A has matlab-y, B has bam2021; evaluate both alike\n"


def test_one_run_alone_is_misuse(runs: tuple[Path, Path], tmp_path: Path) -> None:
    assert srbench("compare").exit_code == srbench("compare", runs[0]).exit_code == 2
    assert srbench("compare", tmp_path / "none", runs[0]).exit_code == 2
    (tmp_path / "empty").mkdir()
    assert srbench("compare", tmp_path / "empty", runs[0]).exit_code == 1


def test_models_of_a_sweep_are_compared_with_one_base(runs: tuple[Path, Path], tmp_path: Path) -> None:
    third = write_run(tmp_path / "c", "bicubic", {"Set5": [29.0, 30.0, 31.0], "Set14": [28.0] * 12})
    folder = tmp_path / "runs"
    folder.mkdir()
    for run in (*runs, third):
        run.rename(folder / run.name)
    found = json.loads(srbench("compare", folder, "--base", "bicubic", "--format", "json").stdout)
    assert [(one["model_a"], one["model_b"]) for one in found] == [
        ("zoo:net-a@authors", "bicubic"),
        ("zoo:net-b@authors", "bicubic"),
    ]
    assert found[1]["datasets"]["Set14"]["psnr_y"]["mean_difference"] == pytest.approx(2.0)
    assert srbench("compare", folder, "--base", "bicubic").stdout == srbench("compare", folder).stdout  # the last one


def test_common_compares_only_the_sets_of_both(runs: tuple[Path, Path], tmp_path: Path) -> None:
    small = write_run(tmp_path / "c", "bicubic", {"Set14": [29.0] * 12, "BSD100": [25.0] * 3})
    assert "the images differ: only one run has BSD100/i0" in srbench("compare", runs[0], small).stderr
    document = json.loads(srbench("compare", runs[0], small, "--common", "--format", "json").stdout)
    assert list(document["datasets"]) == ["Set14"]
    assert document["datasets"]["Set14"]["psnr_y"]["mean_difference"] == pytest.approx(1 - 0.055)
    other = write_run(tmp_path / "d", "bicubic", {"BSD100": [25.0] * 3})
    assert "expected a dataset that both runs have" in srbench("compare", runs[0], other, "--common").stderr


def test_a_folder_with_one_model_has_no_base(runs: tuple[Path, Path], tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    write_run(folder / "one", "a", {"Set5": [30.0]})
    write_run(folder / "two", "a", {"Set14": [30.0]})
    assert "expected runs of at least two models, got a alone" in srbench("compare", folder).stderr
