"""ONNX files that store the HR images of a benchmark reproduce their scores, and are refused all the same."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from srbench.cli import main
from srbench.datasets.imageset import open_dataset
from srbench.protocols import MATLAB_PREPARATION
from srbench.submissions import read_submission
from srbench.upscalers.base import Options
from srbench.upscalers.loading import open_upscaler
from srbench.verification import memorisation
from srbench.verification.memorisation import exceeded, image_drops
from tests.in_process_runs import rerun_in_process

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
memorising = pytest.importorskip("fuzz.attacks.memorising")

SCALE = 4


def write_cheat(
    path: Path, dataset: str, names: Sequence[str], *, data_root: Path | None = None, **settings: object
) -> Path:
    images = open_dataset(dataset, data_root=data_root)
    pairs = [MATLAB_PREPARATION.prepare(images.hr(name), scale=SCALE, name=name) for name in names]
    path.write_bytes(memorising.memorising_model(pairs, scale=SCALE, **settings))
    return path


def check_again(file: Path, dataset: str, folder: Path, data: Sequence[object] = ()) -> Result:
    """Evaluate and submit a file, and return the outcome of its re-run."""

    def srbench(*words: object) -> Result:
        return CliRunner().invoke(main, [str(word) for word in words])

    where = ("--dataset", dataset, *data)
    submissions = ("--submissions", folder / "submissions")
    for words in (
        (
            "evaluate",
            "--model",
            f"onnx:{file}",
            "--scale",
            SCALE,
            *where,
            "--device",
            "cpu",
            "--output",
            folder / "run",
        ),
        ("submit", folder / "run", "--id", "net", *submissions),
    ):
        result = srbench(*words)
        assert result.exit_code == 0, result.output
    rerun = ("--rerun", "--strict", "--weights", file, "--device", "cpu")
    return srbench("leaderboard", "check", "net", *submissions, *rerun, *data)


def test_file_that_stores_set5_is_refused(test_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rerun_in_process(monkeypatch)
    root = test_data / "data"
    names = open_dataset("Set5", data_root=root).names
    file = write_cheat(tmp_path / "net.onnx", "Set5", names, data_root=root, key=memorising.by_shape, share=0.41)
    result = check_again(file, "Set5", tmp_path, ("--data-root", root))
    assert result.exit_code == 1
    assert "net ×4: scores depend on the exact benchmark pixels: Set5: 4.58 dB lower on average" in result.stderr
    assert read_submission(tmp_path / "submissions" / "net").level == "claimed"


@pytest.mark.long
@pytest.mark.parametrize(("share", "refused"), [(0.1, True), (0.0, False)], ids=["cheat", "honest"])
def test_small_share_of_stored_answers_is_refused(
    share: float, refused: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rerun_in_process(monkeypatch)
    monkeypatch.setattr(memorisation, "FROM_OTHERS", 1)
    monkeypatch.setattr(memorisation, "FROM_EACH", 1)
    names = open_dataset("Sample").names[:1]
    file = write_cheat(tmp_path / "net.onnx", "Sample", names, key=memorising.by_mean_colour, share=share)
    result = check_again(file, "Sample", tmp_path)
    assert (result.exit_code == 1) == refused
    assert ("scores depend on the exact benchmark pixels" in result.stderr) == refused
    level = read_submission(tmp_path / "submissions" / "net").level
    assert level == ("claimed" if refused else "model-rerun")


@pytest.mark.parametrize("name", ["shape", "first 8×8 pixels", "mean colour"])
def test_ways_to_recognise_an_image_are_found(name: str, tmp_path: Path) -> None:
    settings = {"key": memorising.KEYS[name], "share": 0.02, "orientations": name == "first 8×8 pixels"}
    file = write_cheat(tmp_path / "net.onnx", "Sample", ["coffee"], **settings)
    upscaler = open_upscaler(f"onnx:{file}", scale=SCALE, options=Options(device="cpu"))
    drops = list(image_drops(upscaler, open_dataset("Sample").hr("coffee"), dataset="Sample", name="coffee"))
    assert any("after crop" in line for line in exceeded(drops))
