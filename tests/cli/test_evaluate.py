"""`srbench evaluate` through its real parser: exact output, the contract's files, a killed run, and mistakes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from srbench.cli import main
from srbench.images import save_png
from srbench.journal import JOURNAL_NAME
from srbench.scores import SCHEMA, read_run
from tests.call_counting_model import FACTORY

SET5_TABLE = """\
bicubic ×4

dataset  images  matlab-y         matlab-y aliased  bam2021          matlab-y psnr_lr  bam2021 psnr_lr
-------  ------  ---------------  ----------------  ---------------  ----------------  ---------------
Set5     5       28.429 / 0.8111  23.908            28.472 / 0.8117  37.304            37.256

PSNR dB / SSIM under matlab-y v1 (crop, MATLAB bicubic LR, 8-bit output, MATLAB Y, shave = scale); LR made
PSNR dB / SSIM under bam2021 v1 (HR resized and LR made by Pillow, output not rounded, the BAM code's Y, \
shave = scale); LR made
aliased: PSNR dB where the HR holds texture above the LR's Nyquist limit (psnr_y_aliased, version 1)
"""


def srbench(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["evaluate", *map(str, arguments)])


@pytest.fixture
def five(tmp_path: Path) -> Path:
    """A data root with all five names of Set5, tiny."""
    random = np.random.default_rng(0)
    (tmp_path / "root/Set5/HR").mkdir(parents=True)
    for name in ("baby", "bird", "butterfly", "head", "woman"):
        save_png(tmp_path / f"root/Set5/HR/{name}.png", random.integers(0, 256, (40, 37, 3), dtype=np.uint8))
    return tmp_path / "root"


def test_table_is_exact(test_data: Path) -> None:
    result = srbench(
        "--model",
        "bicubic",
        "--scale",
        4,
        "--dataset",
        "Set5",
        "--data-root",
        test_data / "data",
        "--protocol",
        "matlab-y",
        "--protocol",
        "bam2021",
    )
    assert (result.exit_code, result.stdout) == (0, SET5_TABLE)


def test_the_default_weights_of_rcan_bam_are_far_above_bicubic(test_data: Path) -> None:
    result = srbench("--model", "zoo:rcan-bam", "--scale", 3, "--dataset", "Set5", "--data-root", test_data / "data")
    first, *_, row = result.stdout.partition("\n\nPSNR")[0].splitlines()
    assert re.match(
        r"zoo:rcan-bam@srbench ×3, weights rcan-bam-x3.safetensors \(sha256 7d4cb4d85ee5…\), trained on "
        r"BSDS400_train, 380 of 400 images, recipe cpu-deep\[precision=bf16, steps=4000, validate_every=2000\]",
        first,
    )
    name, images, psnr, *_ = row.split()
    assert (name, images) == ("Set5", "5") and float(psnr) > 30.40 + 1.5


def test_json_of_one_protocol_is_one_document(five: Path) -> None:
    result = srbench("--model", "bicubic", "--scale", 2, "--dataset", "Set5", "--data-root", five, "--format", "json")
    document: dict[str, Any] = json.loads(result.stdout)
    assert set(document) == {"model", "scale", "protocol", "datasets", "record"}
    assert (document["model"], document["scale"], document["protocol"]) == ("bicubic", 2, "matlab-y")
    assert set(document["datasets"]["Set5"]) == {
        "n",
        "n_expected",
        "psnr_y",
        "ssim_y",
        "psnr_y_aliased",
        "psnr_lr",
        "warnings",
    }
    assert isinstance(document["datasets"]["Set5"]["psnr_y"], float)
    assert document["record"]["lr_source"] == "made"


def test_json_of_two_protocols_is_a_list(five: Path) -> None:
    result = srbench(
        "--model",
        "bicubic",
        "--scale",
        2,
        "--dataset",
        "Set5",
        "--data-root",
        five,
        "--format",
        "json",
        "--protocol",
        "matlab-rgb",
        "--protocol",
        "matlab-y",
    )
    documents = json.loads(result.stdout)
    assert [document["protocol"] for document in documents] == ["matlab-rgb", "matlab-y"]
    assert "psnr_rgb" in documents[0]["datasets"]["Set5"]


def test_infinite_means_are_the_string_inf(five: Path) -> None:
    result = srbench(
        "--model",
        f"images:{five / 'Set5/HR'}",
        "--scale",
        2,
        "--dataset",
        "Set5",
        "--data-root",
        five,
        "--format",
        "json",
    )
    assert result.exit_code == 1, "HR is 40×37 and its crop 40×36: the size must not be forgiven"
    for path in (five / "Set5/HR").iterdir():
        save_png(path, np.zeros((40, 36, 3), np.uint8))
    result = srbench(
        "--model",
        f"images:{five / 'Set5/HR'}",
        "--scale",
        2,
        "--dataset",
        "Set5",
        "--data-root",
        five,
        "--format",
        "json",
    )
    assert json.loads(result.stdout)["datasets"]["Set5"]["psnr_y"] == "inf"


def test_csv_has_a_line_per_dataset_and_protocol(five: Path) -> None:
    result = srbench(
        "--model",
        "bicubic",
        "--scale",
        2,
        "--dataset",
        "Set5",
        "--dataset",
        f"folder:{five}/Set5/HR",
        "--data-root",
        five,
        "--format",
        "csv",
        "--protocol",
        "matlab-y",
        "--protocol",
        "matlab-rgb",
    )
    lines = result.stdout.splitlines()
    assert lines[0] == "model,scale,protocol,dataset,n,n_expected,psnr,ssim,psnr_y_aliased,psnr_lr"
    assert len(lines) == 5


def test_missing_or_additional_image_makes_the_mean_null(five: Path) -> None:
    (five / "Set5/HR/head.png").unlink()
    result = srbench("--model", "bicubic", "--scale", 2, "--dataset", "Set5", "--data-root", five, "--format", "json")
    facts = json.loads(result.stdout)["datasets"]["Set5"]
    assert (result.exit_code, facts["n"], facts["n_expected"], facts["psnr_y"]) == (0, 4, 5, None)
    assert "4 of 5" in result.stderr
    for name in ("head", "sixth"):
        save_png(five / f"Set5/HR/{name}.png", np.zeros((40, 37, 3), np.uint8))
    result = srbench("--model", "bicubic", "--scale", 2, "--dataset", "Set5", "--data-root", five, "--format", "json")
    facts = json.loads(result.stdout)["datasets"]["Set5"]
    assert (facts["n"], facts["n_expected"], facts["psnr_y"]) == (6, 5, None)
    assert "6 instead of 5" in result.stderr


def test_without_a_dataset_the_sample_is_scored(tmp_path: Path) -> None:
    result = srbench("--model", "bicubic", "--scale", 4, "--data-root", tmp_path, "--format", "json")
    assert list(json.loads(result.stdout)["datasets"]) == ["Sample"]
    assert json.loads(result.stdout)["datasets"]["Sample"]["n"] == 7
    assert "srbench data download" in result.stderr


def test_output_folder_accepts_only_the_same_run(five: Path, tmp_path: Path) -> None:
    arguments = ("--model", "bicubic", "--dataset", "Set5", "--data-root", five, "--output", tmp_path / "run")
    first = srbench(*arguments, "--scale", 2)
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["run.json", "scores.parquet"]
    scores = read_run(tmp_path / "run").scores
    assert list(scores.columns) == SCHEMA.names
    assert sorted(scores["image"]) == ["baby", "bird", "butterfly", "head", "woman"]
    assert srbench(*arguments, "--scale", 2).stdout == first.stdout
    for lacking in (("baby", "bird", "butterfly", "head", "woman"), ("head",)):
        images = [tmp_path / f"sr/Set5/{name}.png" for name in lacking]
        for image in images:
            image.unlink(missing_ok=True)
        assert srbench(*arguments, "--scale", 2, "--save-images", tmp_path / "sr").stdout == first.stdout
        assert all(image.is_file() for image in images)
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["run.json", "scores.parquet"]
    finished = srbench("--model", f"images:{tmp_path / 'sr'}", *arguments[2:-2], "--scale", 2).stdout
    assert finished.partition("\n")[2] == first.stdout.partition("\n")[2]
    other = srbench(*arguments, "--scale", 3)
    assert other.exit_code == 1
    assert "scale: 2 there, 3 now" in other.stderr


def test_killed_run_resumes_without_repeating_images(
    five: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "noting_model.py").write_text(FACTORY)
    monkeypatch.delitem(sys.modules, "noting_model", raising=False)
    arguments = [
        "--model",
        "python:noting_model:make",
        "--scale",
        "2",
        "--dataset",
        "Set5",
        "--data-root",
        str(five),
        "--device",
        "cpu",
        "--output",
    ]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path]), "SECONDS_A_CALL": "0.15"}
    journal = tmp_path / "run" / JOURNAL_NAME
    process = subprocess.Popen(
        [sys.executable, "-m", "srbench", "evaluate", *arguments, "run"],
        cwd=tmp_path,
        env=environment,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 60
    while not journal.exists() or journal.read_bytes().count(b"\n") < 3:
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (tmp_path / "run/scores.parquet").exists()
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert srbench(*arguments, "run").exit_code == 0
    calls = len((tmp_path / "calls").read_text())
    assert 5 <= calls <= 7, "five images and at most those in flight when it was killed"
    assert srbench(*arguments, "plain").exit_code == 0
    resumed, plain = (read_run(tmp_path / name).scores.drop(columns="seconds") for name in ("run", "plain"))
    assert resumed.equals(plain)
    assert len(plain) == 5
    (tmp_path / "noting_model.py").write_text(FACTORY.replace("interpolate(lr", "interpolate(lr / 2"))
    monkeypatch.delitem(sys.modules, "noting_model")
    edited = srbench(*arguments, "plain")
    assert (edited.exit_code, "source_sha256: " in edited.stderr) == (1, True), "an edited model is another"


@pytest.mark.parametrize(
    ("arguments", "code", "named"),
    [
        (["--model", "bicubic", "--scale", "5"], 2, "'5' is not one of"),
        (["--model", "bicubic"], 2, "Missing option '--scale'"),
        (["--model", "bicubik", "--scale", "2"], 1, "did you mean bicubic"),
        (["--model", "bicubic", "--scale", "2", "--protocol", "matlab-z"], 1, "matlab-y"),
        (["--model", "bicubic", "--scale", "2", "--dataset", "Set6"], 1, "Set5"),
        (["--model", "bicubic", "--scale", "2", "--dataset", "Set5", "--data-root", "nowhere"], 1, "nowhere"),
        (["--model", "zoo:imdn@authors", "--scale", "8"], 1, "8"),
        (["--model", "bicubic", "--scale", "2", "--tile", "0"], 2, "--tile"),
    ],
    ids=["scale", "no-scale", "model", "protocol", "dataset", "root", "lacking-scale", "tile"],
)
def test_mistakes_have_exit_code_and_next_step(arguments: list[str], code: int, named: str) -> None:
    result = srbench(*arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert named in result.stderr
    assert "Traceback" not in result.stderr


def test_image_that_does_not_decode_is_named(five: Path) -> None:
    (five / "Set5/HR/bird.png").write_bytes(b"")
    result = srbench("--model", "bicubic", "--scale", 2, "--dataset", "Set5", "--data-root", five)
    assert result.exit_code == 1
    assert "Set5/bird" in result.stderr
    assert "Traceback" not in result.stderr


def test_unexpected_error_shows_traceback_only_with_debug(five: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> None:
        raise ZeroDivisionError("by design")

    monkeypatch.setattr("srbench.cli.evaluate.get_protocol", broken)
    arguments = ["evaluate", "--model", "bicubic", "--scale", "2", "--dataset", "Set5", "--data-root", str(five)]
    result = CliRunner().invoke(main, arguments)
    assert (result.exit_code, "by design" in result.stderr, "--debug" in result.stderr) == (1, True, True)
    assert isinstance(CliRunner().invoke(main, ["--debug", *arguments]).exception, ZeroDivisionError)


def test_help_lists_every_command() -> None:
    result = CliRunner().invoke(main, ["--help"])
    for name in ("evaluate", "compare", "data", "zoo", "speed"):
        assert f"  {name} " in result.stdout


def test_closed_output_pipe_ends_silently() -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as closed:
        command = [sys.executable, "-m", "srbench", "zoo", "list"]
        result = subprocess.run(command, stdout=closed, stderr=subprocess.PIPE, text=True, check=False)
    assert (result.returncode, result.stderr) == (1, "")
