"""Sweeps: what they list is trained once, alone or together, and goes on after a failure."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from click.testing import CliRunner

from srbench.cli import main
from srbench.errors import SrbenchError, TrainingError
from srbench.training.trainer import train
from srbench.training.training_sweep import Outcome, read_sweep, require_all, run_jobs
from tests.training.small import SMALL, small_job


def write_sweep(folder: Path, images: Path, **changes: object) -> Path:
    recipe = folder / "small.toml"
    recipe.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in SMALL.items() if key != "name"))
    values = {
        "networks": ["pan", "pan-bam"],
        "scales": [2],
        "seeds": [1, 2],
        "recipe": str(recipe),
        "train_set": f"folder:{images}",
        "set": ["steps=2", "validate_every=2"],
        **changes,
    }
    path = folder / "sweep.toml"
    lines = (f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in values.items() if value is not None)
    path.write_text("".join(lines), errors="surrogateescape")
    return path


def test_a_sweep_trains_its_grid_and_is_not_repeated(images: Path, tmp_path: Path) -> None:
    command = [
        "train",
        "--sweep",
        str(write_sweep(tmp_path, images)),
        "--output",
        str(tmp_path / "out"),
        "--device",
        "cpu",
    ]
    first = CliRunner().invoke(main, command)
    assert first.exit_code == 0, first.output
    lines = first.stdout.splitlines()
    assert [line.split()[:4] for line in lines[1:]] == [
        ["pan", "×2", "1", "2"],
        ["pan-bam", "×2", "1", "2"],
        ["pan", "×2", "2", "2"],
        ["pan-bam", "×2", "2", "2"],
    ]
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert sum("held-out" not in path.parts for path in made) == 4 * 4
    again = CliRunner().invoke(main, command)
    assert again.stdout == first.stdout
    # Of the processes that torchrun starts the first one tells.
    assert CliRunner(env={"RANK": "1"}).invoke(main, command).output == ""
    together = CliRunner(env={"WORLD_SIZE": "2"}).invoke(main, [*command, "--jobs", "2"])
    assert together.exit_code == 1 and "--jobs: expected 1 under torchrun, whose 2 processes" in together.stderr
    assert {path: path.stat().st_mtime_ns for path in made} == made


SINGLE = ["--model", "pan", "--scale", "2", "--recipe", "budget-cpu", "--train-set", "Set5", "--output", "out"]


class Deadly:
    """Ends the process that it is sent to."""

    def __reduce__(self) -> tuple[object, tuple[int]]:
        return os._exit, (9,)


@pytest.mark.long
def test_parallel_trainings_equal_serial_ones_even_if_a_process_dies(images: Path, tmp_path: Path) -> None:
    jobs = [small_job(images, tmp_path / f"together-{seed}", network="pan", seed=seed) for seed in (1, 3, 2)]
    jobs[1] = replace(jobs[1], data_root=cast(Path, Deadly()))
    first, dead, last = run_jobs(jobs, workers=2)
    assert dead.record is None and dead.problem.startswith("its process died") and dead.job is jobs[1]
    together = require_all([first, last])
    alone = train(small_job(images, tmp_path / "alone", network="pan", seed=2))
    # The threads of a process decide in which order numbers are added.
    assert together[1]["psnr"] == pytest.approx(alone["psnr"], abs=1e-3) != together[0]["psnr"]


def test_one_that_fails_does_not_stop_the_others(images: Path, tmp_path: Path) -> None:
    jobs = [small_job(images, tmp_path / str(seed), network="pan", seed=seed) for seed in (1, 2)]
    train(small_job(images, tmp_path / "1", network="pan", seed=3))  # the first job's folder holds a different training
    outcomes = run_jobs(jobs)
    assert [outcome.record is None for outcome in outcomes] == [True, False]
    with pytest.raises(TrainingError, match=r"1 of 2 trainings failed \(1: .*seed 3 there, 1 asked for"):
        require_all(outcomes)
    with pytest.raises(TrainingError, match="a folder of its own"):
        run_jobs(read_sweep(write_sweep(tmp_path, images, networks=["imdn", "imdn-cca"]), tmp_path))

    assert require_all([Outcome(jobs[0], {"psnr": 1.0})]) == [{"psnr": 1.0}]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"networks": []}, "expected a list of str for networks"),
        ({"scales": ["2"]}, "expected a list of int for scales"),
        ({"networks": ["pam"]}, "did you mean pan"),
        ({"seed": 3}, "unknown sweep key 'seed'; did you mean seeds"),
        ({"networks": None, "network": ["pan"]}, "unknown sweep key 'network'; did you mean networks"),
        ({"scales": [2, 7]}, r"expected scales of pan, which has \(2, 3, 4\), got \[7\]"),
        ({"seeds": [-1]}, "seed: expected a whole number from 0 to"),
        ({"set": ["learning_rate=Infinity"]}, "learning_rate: expected a finite number above 0, got inf"),
        ({"train_set": "\udcff"}, "expected a sweep in TOML, got none .*can't decode byte"),
        ({"set": ["stepz=3"]}, "did you mean steps"),
    ],
)
def test_sweeps_that_make_no_sense(images: Path, tmp_path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(SrbenchError, match=message):
        read_sweep(write_sweep(tmp_path, images, **changes), tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "imdn"], "missing --scale, --recipe, --train-set, --output, or --sweep and --output"),
        ([*SINGLE, "--jobs", "2"], "--jobs: for the trainings of a --sweep"),
        (["--sweep", "x.toml"], "missing --output, the folder for the folders"),
        (["--sweep", "x.toml", "--output", "out", "--model", "imdn"], "--model: with --sweep its file says that"),
    ],
)
def test_options_that_do_not_go_together_are_misuse(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(main, ["train", *arguments])
    assert result.exit_code == 2 and message in result.stderr
