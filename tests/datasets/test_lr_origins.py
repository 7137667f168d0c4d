"""LR files are used only where what made them is known: MATLAB's under `given`, named ones under `any`."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result

from srbench.cli import main
from srbench.datasets import Set5, open_dataset
from srbench.datasets import lr_origins as module
from srbench.datasets.lr_origins import given_origins
from srbench.errors import ComparisonError, DatasetError
from srbench.images import decode, save_png
from srbench.resize import imresize
from srbench.run_comparison import compare_runs
from srbench.scores import read_run

OPENCV = "OpenCV bicubic (no antialiasing)"


def evaluate(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["evaluate", "--scale", "4", "--dataset", "Set5", *map(str, arguments)])


@pytest.fixture
def opencv_root(test_data: Path, tmp_path: Path) -> Path:
    """A data root with Set5's HR and LR that OpenCV's bicubic made of it."""
    folder = tmp_path / "root/Set5"
    folder.mkdir(parents=True)
    (folder / "HR").symlink_to(test_data / "data/Set5/HR")
    for path in (folder / "HR").iterdir():
        hr = decode(path)
        hr = hr[: hr.shape[0] // 4 * 4, : hr.shape[1] // 4 * 4]
        small = cv2.resize(hr, (hr.shape[1] // 4, hr.shape[0] // 4), interpolation=cv2.INTER_CUBIC)
        save_png(folder / f"LR_bicubic/X4/{path.stem}x4.png", np.asarray(small, np.uint8))
    return tmp_path / "root"


def test_opencv_lr_is_refused_as_given_and_named_as_any(
    opencv_root: Path, test_data: Path, mirror: Path, tmp_path: Path
) -> None:
    # Issue: IMDN on Set5 ×4 scores 32.210 dB with made LR and 23.647 dB with LR from OpenCV.
    network = ("--model", "zoo:imdn@authors", "--data-root", opencv_root)
    refused = evaluate(*network, "--lr", "given")
    assert (
        refused.exit_code == 1
        and f"Set5/baby: expected given LR at ×4 that MATLAB's bicubic made of this HR, got {OPENCV}" in refused.stderr
    )
    assert "--lr any" in refused.stderr
    found = evaluate(*network, "--lr", "any", "--format", "json", "--output", tmp_path / "any")
    document = json.loads(found.stdout)
    assert document["datasets"]["Set5"]["psnr_y"] == pytest.approx(23.647, abs=0.001)
    assert document["record"]["lr_origins"] == {"Set5": {OPENCV: 5}}
    run = read_run(tmp_path / "any")
    assert set(run.scores["lr_origin"]) == {OPENCV}
    assert f"LR any ({OPENCV})" in evaluate("--model", "bicubic", "--data-root", opencv_root, "--lr", "any").stdout
    made = evaluate(*network, "--output", tmp_path / "made", "--format", "json")
    assert json.loads(made.stdout)["datasets"]["Set5"]["psnr_y"] == pytest.approx(32.210, abs=0.001)
    with pytest.raises(ComparisonError, match="LR files of any origin"):
        compare_runs(run, read_run(tmp_path / "made"))
    with pytest.raises(DatasetError, match="OpenCV"):
        Set5(4, data_root=opencv_root, lr="given")


def test_matlab_lr_is_accepted_with_either_border(test_data: Path, tmp_path: Path) -> None:
    assert (
        "LR given (MATLAB bicubic, symmetric border)"
        in evaluate("--model", "bicubic", "--data-root", test_data / "data", "--lr", "given").stdout
    )
    folder = tmp_path / "root/Set5"
    for path in (test_data / "data/Set5/HR").iterdir():
        hr = decode(path)
        save_png(folder / f"HR/{path.name}", hr)
        # The complete image gives an LR with sides rounded up; some published sets cut it afterwards.
        lr = imresize(hr, 1 / 4, border="replicate")[: hr.shape[0] // 4, : hr.shape[1] // 4]
        save_png(folder / f"LR_bicubic/X4/{path.stem}x4.png", lr)
    result = evaluate("--model", "bicubic", "--data-root", tmp_path / "root", "--lr", "given")
    assert "LR given (MATLAB bicubic, replicate border)" in result.stdout


def test_an_origin_is_looked_up_again_only_after_a_change(opencv_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = open_dataset("Set5", data_root=opencv_root)
    first = given_origins(images, scale=4)
    calls: list[str] = []
    detect = module.given_origin
    monkeypatch.setattr(
        module, "given_origin", lambda images, name, *, scale: calls.append(name) or detect(images, name, scale=scale)
    )
    assert given_origins(images, scale=4) == first and not calls
    bird = opencv_root / "Set5/LR_bicubic/X4/birdx4.png"
    save_png(bird, decode(bird)[:, ::-1])
    assert not given_origins(images, scale=4)["bird"].exact
    assert calls == ["bird"]


def test_the_first_five_images_without_lr_are_named(opencv_root: Path) -> None:
    for path in (opencv_root / "Set5/LR_bicubic/X4").iterdir():
        path.rename(path.with_name(f"other-{path.name}"))
    result = evaluate("--model", "bicubic", "--data-root", opencv_root, "--lr", "any")
    assert result.exit_code == 1
    assert "got none for baby, bird, butterfly, head, woman; such a file is named" in result.stderr
