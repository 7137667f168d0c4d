"""`srbench zoo publish` and `card`, and what the command line says of weights that were trained here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from srbench.cli import main
from srbench.training import publishing
from srbench.training.publishing import Published
from srbench.zoo.catalogue import CATALOGUE
from srbench.zoo.trained import record_of
from tests.zoo.test_trained import RECORD

_OURS = [entry for entry in CATALOGUE if entry.tag == "srbench"]


def test_publish_prints_what_was_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = tmp_path / "imdn-bam-x4.safetensors"
    weights.write_bytes(b"xyz")
    asked: dict[str, Any] = {}

    def stand_in(folder: Path, **options: Any) -> Published:
        asked.update(options, folder=folder)
        bicubic = {"Set5": {"psnr_y": 28.429, "ssim_y": 0.8111, "images": 5}}
        return Published(weights, {**RECORD, "bicubic": bicubic, "half_precision": {"psnr_y_change": {"Set5": -1e-05}}})

    monkeypatch.setattr(publishing, "publish", stand_in)
    result = CliRunner().invoke(main, ["zoo", "publish", str(tmp_path), "--licence", "MIT", "--replace"])
    assert result.exit_code == 0, result.output
    assert asked == {"folder": tmp_path, "licence": "MIT", "replace": True, "data_root": None}
    assert result.stdout.splitlines() == [
        f"{weights}: 3 bytes, sha256 cccccccccccc…",
        "dataset  images  PSNR / SSIM      bicubic          change by half precision",
        "Set5     5       30.500 / 0.8600  28.429 / 0.8111  -0.00001 dB",
    ]


def test_publishing_what_is_no_training_is_explained(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["zoo", "publish", str(tmp_path)])
    assert result.exit_code == 1 and "expected the folder of a finished training" in result.stderr


def test_a_card_needs_weights_of_our_own(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["zoo", "card", "edsr-base"])
    assert result.exit_code == 1 and "weights tag of edsr-base 'srbench'; known: super-image" in result.stderr


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
