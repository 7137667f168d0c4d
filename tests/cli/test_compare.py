from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from srbench.cli import main
from srbench.cli.compare import _cells
from srbench.scores import RunFolder
from srbench.statistics import PairedDifference
from tests.records.complete import run_record

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


def write_run(folder: Path, spec: str, scores: dict[str, list[float]], *, protocol: str = "matlab-y") -> Path:
    run = RunFolder(folder, {"precision": "fp32", "tile": None, "self_ensemble": False})
    run.append(
        [
            {
                "model": spec,
                "dataset": dataset,
                "scale": 4,
                "protocol": protocol,
                "protocol_version": 1,
                "image": f"i{index}",
                "psnr_y": value,
                "ssim_y": 0.9,
                "psnr_lr": 50.0,
                "seconds": 0.1,
                "lr_source": "made",
                "hr_sha256": f"hr{index}",
                "lr_sha256": f"lr{index}",
            }
            for dataset, values in scores.items()
            for index, value in enumerate(values)
        ]
    )
    run.finish(run_record(model={"spec": spec, "weights_sha256": None, "parameters": None}))
    return folder


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


def test_misuse(tmp_path: Path) -> None:
    assert srbench("compare", tmp_path).exit_code == 2
    assert srbench("compare", tmp_path, tmp_path).exit_code == 1
