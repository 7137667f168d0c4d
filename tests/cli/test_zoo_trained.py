"""`srbench zoo publish` and `card`, and what the command line says of weights that were trained here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from srbench.cli import main
from srbench.training import publishing
from srbench.training.publishing import Published
from srbench.zoo.trained import record_of
from srbench.zoo.weights_catalogue import CATALOGUE
from tests.zoo.test_trained import RECORD

_OURS = [entry for entry in CATALOGUE if entry.tag == "srbench"]


def test_publish_prints_what_was_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = tmp_path / "imdn-bam-x4.safetensors"
    weights.write_bytes(b"xyz")
    asked: dict[str, Any] = {}

    def stand_in(folder: Path, **options: Any) -> Published:
        asked.update(options, folder=folder)
        bicubic = {"Set5": {"psnr_y": 28.429, "ssim_y": 0.8111, "images": 5}}
        record: Any = {**RECORD, "bicubic": bicubic, "half_precision": {"psnr_y_change": {"Set5": -1e-05}}}
        return Published(weights, record)

    monkeypatch.setattr(publishing, "publish", stand_in)
    result = CliRunner().invoke(main, ["zoo", "publish", str(tmp_path), "--licence", "MIT", "--replace"])
    assert result.exit_code == 0, result.output
    assert asked == {"folder": tmp_path, "licence": "MIT", "replace": True, "data_root": None}
    assert result.stdout.splitlines() == [
        f"{weights}: 3 bytes, sha256 cccccccccccc…",
        "dataset  scale  images  PSNR / SSIM      bicubic          change by half precision",
        "Set5     ×4     5       30.500 / 0.8600  28.429 / 0.8111  -0.00001 dB",
    ]


def test_publishing_what_is_no_training_is_explained(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["zoo", "publish", str(tmp_path)])
    assert result.exit_code == 1 and "expected the folder of a finished training" in result.stderr


def test_a_card_needs_weights_of_our_own(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["zoo", "card", "rlfn"])
    assert result.exit_code == 1 and "weights tag of rlfn 'srbench'; known: authors" in result.stderr
    result = CliRunner().invoke(main, ["zoo", "card", "imdn@authors", "--scale", "4"])
    assert (result.exit_code, result.stdout) == (1, "")
    assert "imdn@authors: expected weights that were trained here" in result.stderr


def test_costs_are_those_of_the_size_that_is_named() -> None:
    runner = CliRunner()
    short = runner.invoke(main, ["zoo", "list"]).stdout
    assert "@authors (×4) @srbench" in next(line for line in short.splitlines() if line.startswith("s-lwsr32"))
    assert "those of the paper's size; `zoo info` has those of carn-m@authors, span@ntire2024, " in short
    whole = [line.split() for line in runner.invoke(main, ["zoo", "list", "-v"]).stdout.splitlines()]
    assert [row[2:6] for row in whole if row[0] == "carn-m" and row[2] == "×4"] == [
        ["×4", "1161.3", "93.0", "@srbench"],
        ["×4", "414.8", "32.5", "@authors"],
    ]
    info = runner.invoke(main, ["zoo", "info", "carn-m"]).stdout
    assert "×4          1161.3 K parameters, 93.0 G MACs for 1280×720, at the paper's size\n" in info
    assert "size        ×2 414.8 K parameters, 91.2 G MACs; ×3 414.8 K" in info
    assert "size  " not in runner.invoke(main, ["zoo", "info", "imdn"]).stdout
    known = json.loads(runner.invoke(main, ["zoo", "info", "carn-m", "--format", "json"]).stdout)["weights"]
    (weights,) = (one for one in known if one["tag"] == "authors")
    assert weights["costs"]["4"] == {"parameters": 414_811, "macs": 32_489_683_200, "flops": 64_979_366_400}


@pytest.mark.parametrize("entry", _OURS, ids=lambda entry: entry.file.name)
def test_card_and_info_of_what_was_trained_here(entry: Any, tmp_path: Path) -> None:
    record = record_of(entry.file.name)
    arguments = ["zoo", "card", entry.name, "--scale", str(record["scale"])]
    printed = CliRunner().invoke(main, arguments).stdout
    assert CliRunner().invoke(main, [*arguments, "-o", str(tmp_path / "README.md")]).exit_code == 0
    assert (tmp_path / "README.md").read_text() == printed and record["file"]["sha256"] in printed
    info = CliRunner().invoke(main, ["zoo", "info", f"{entry.name}@srbench"]).stdout
    made = record["training"]
    assert f"recipe      {made['recipe']} (sha256 {made['recipe_sha256'][:12]}…), {made['steps']} steps" in info
    assert "bytes, here" in info
