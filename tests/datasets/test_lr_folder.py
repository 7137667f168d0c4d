"""A user's own HR and LR files: which names pair, what a folder's set is called, and what does not pair is named."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from srbench.cli import main
from srbench.datasets import open_dataset
from srbench.errors import DatasetError
from srbench.images import save_png
from srbench.resize import imresize

NAMES = ("a", "b", "c", "d", "e", "f")


def evaluate(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["evaluate", "--model", "bicubic", "--scale", "4", *map(str, arguments)])


def make_pairs(root: Path, *, hr: str = "{name}", lr: str = "{name}x4") -> None:
    random = np.random.default_rng(0)
    for name in NAMES:
        image = random.integers(0, 256, (24, 24, 3), dtype=np.uint8)
        save_png(root / "hr" / f"{hr.format(name=name)}.png", image)
        save_png(root / "low" / f"{lr.format(name=name)}.png", imresize(image, 1 / 4))


@pytest.mark.parametrize(
    ("hr", "lr"),
    [
        ("{name}", "{name}"),
        ("{name}", "{name}x4"),
        ("{name}", "{name}_LR"),
        ("{name}_HR", "{name}_LR4"),
        ("{name}_HR_x4", "{name}_LRBI_x4"),
        ("img_{name}_SRF_4_HR", "img_{name}_SRF_4_LR"),
        ("{name}_gt", "{name}"),
        ("{name}", "X4/{name}x4"),
    ],
)
def test_usual_names_pair(tmp_path: Path, hr: str, lr: str) -> None:
    make_pairs(tmp_path, hr=hr, lr=lr)
    found = evaluate("--dataset", tmp_path / "hr", "--lr", "given", "--lr-dir", tmp_path / "low", "--format", "json")
    document = json.loads(found.stdout)
    assert document["datasets"]["hr"]["n"] == 6
    assert document["record"]["lr_origins"] == {"hr": {"MATLAB bicubic, symmetric border": 6}}


def test_a_pattern_names_other_files(tmp_path: Path) -> None:
    make_pairs(tmp_path, lr="small-4-{name}-v2")
    arguments = ("--dataset", tmp_path / "hr", "--lr", "any", "--lr-dir", tmp_path / "low")
    refused = evaluate(*arguments)
    assert refused.exit_code == 1
    assert (
        "HR without LR: a, b, c, d, e and 1 more; LR without HR: small-4-a-v2.png, small-4-b-v2.png," in refused.stderr
    )
    assert evaluate(*arguments, "--lr-pattern", "small-{scale}-{name}-v2").exit_code == 0
    assert "expected a file name with {name}" in evaluate(*arguments, "--lr-pattern", "x").stderr
    assert (
        "expected --lr-dir DIR with --lr given or --lr any, got --lr made"
        in evaluate(*arguments[:2], *arguments[4:]).stderr
    )


def test_an_lr_file_without_hr_and_two_for_one_are_refused(tmp_path: Path) -> None:
    make_pairs(tmp_path)
    save_png(tmp_path / "low/gx4.png", np.zeros((6, 6, 3), np.uint8))
    images = open_dataset(str(tmp_path / "hr")).with_lr(tmp_path / "low")
    with pytest.raises(DatasetError, match=r"got LR without HR: gx4\.png\."):
        images.require_given(4)
    save_png(tmp_path / "low/a_x4.png", np.zeros((6, 6, 3), np.uint8))
    with pytest.raises(DatasetError, match=r"one LR file for a, got a_x4\.png and ax4\.png"):
        images.with_lr(tmp_path / "low").require_given(4)


def test_a_folder_is_named_by_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = np.zeros((24, 24, 3), np.uint8)
    save_png(tmp_path / "MySet/HR/a.png", image)
    save_png(tmp_path / "MySet/LR/a.png", image[:6, :6])
    save_png(tmp_path / "myhr/a.png", image)
    save_png(tmp_path / "Set5/HR/a.png", image)
    monkeypatch.chdir(tmp_path)
    for spec, name in (
        ("MySet", "MySet"),
        ("MySet/HR", "MySet"),
        ("folder:MySet/HR", "MySet"),
        ("./myhr", "myhr"),
        ("myhr", "myhr"),
        (str(tmp_path / "myhr"), "myhr"),
        ("./Set5", "folder-Set5"),
    ):
        assert open_dataset(spec).name == name
    assert 4 in open_dataset("MySet").given_scales
    with pytest.raises(DatasetError, match="Set5"):
        open_dataset("Set5")
    with pytest.raises(DatasetError, match="nowhere: expected a folder of images"):
        open_dataset("./nowhere")


def test_real_pairs_of_cameras_are_scored_as_any(test_data: Path) -> None:
    found = evaluate("--dataset", test_data / "data/OSEDiff6", "--lr", "any", "--format", "json")
    document = json.loads(found.stdout)
    assert document["datasets"]["OSEDiff6"]["n"] == 6
    (origins,) = document["record"]["lr_origins"].values()
    assert not any(kind.startswith("MATLAB") for kind in origins)
    assert evaluate("--dataset", test_data / "data/OSEDiff6", "--lr", "given").exit_code == 1
