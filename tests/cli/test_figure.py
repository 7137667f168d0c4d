from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from srbench.cli import main
from srbench.datasets import open_dataset

pytest.importorskip("matplotlib", reason="needs the extra figures")

BOX = ["--image", "Sample/chelsea", "--box", "100,60,64,48"]


def srbench(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def figure(output: Path, *words: object) -> Result:
    return srbench("figure", "--model", "bicubic:pillow", "--scale", "4", "-o", output, *words)


def test_png_contains_the_pixels_of_the_hr_crop(tmp_path: Path) -> None:
    result = figure(tmp_path / "a.png", *BOX)
    assert (result.exit_code, result.stderr) == (0, "")
    drawn = np.asarray(Image.open(tmp_path / "a.png").convert("RGB"))
    assert drawn.shape[1] == pytest.approx(6.875 * 300, abs=1)
    crop = open_dataset("Sample").hr("chelsea")[60:108, 100:164]
    # Enlarged by repetition, so that each colour of the crop occurs in the figure.
    colours = {tuple(colour) for colour in drawn.reshape(-1, 3).tolist()}
    assert {tuple(colour) for colour in crop.reshape(-1, 3).tolist()} <= colours


@pytest.mark.parametrize("suffix", ["pdf", "svg"])
def test_vector_files_are_equal_each_time(tmp_path: Path, suffix: str) -> None:
    names = ["--name", "bicubic:pillow=$a_b$ & é", "--width", "column", "--scores", "box"]
    paths = [tmp_path / f"{number}.{suffix}" for number in range(2)]
    for path in paths:
        assert figure(path, *BOX, *names).exit_code == 0
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_auto_takes_one_texture_of_each_image(tmp_path: Path) -> None:
    result = figure(tmp_path / "a.png", "--auto", "2", "--image", "Sample/brick", "--image", "Sample/coffee")
    assert result.exit_code == 0, result.output
    chosen = [line for line in result.stderr.splitlines() if line.startswith("chosen: ")]
    assert len(chosen) == 2 and len({line.split()[2] for line in chosen}) == 2


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--image", "Sample/chelsea", "--box", "400,250,96,64"], 1, "expected a box inside 448×300 pixels"),
        (["--image", "chelsea", "--box", "0,0,9,9"], 1, "expected DATASET/NAME"),
        (["--image", "Sample/chelsea"], 2, "one --box for each --image, got 1 images and 0 boxes"),
        ([*BOX, "--auto", "1"], 2, "--auto chooses the boxes"),
        ([*BOX, "--font", "Nope"], 1, "expected a font that matplotlib finds, got 'Nope'"),
        ([*BOX, "--name", "bicubic:pillow=模"], 1, "choose a font with these signs (--font), or another label"),
        ([*BOX, "--name", "bicubic:pillow=a\x07b"], 1, "expected a label of printable signs"),
        ([*BOX, "--width", "wide"], 1, "expected a width of column, text"),
        (["--auto", "1", "--image", "Sample/chelsea", "--size", "4000,40"], 1, "contains a box of 4000×40 pixels"),
    ],
)
def test_mistakes_are_reported_without_a_traceback(tmp_path: Path, words: list[str], code: int, message: str) -> None:
    result = figure(tmp_path / "a.png", *words)
    assert (result.exit_code, message in result.stderr) == (code, True), result.stderr
    assert not (tmp_path / "a.png").exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.jpg", "expected a file name that ends with .png, .pdf, .svg, got 'a.jpg'"),
        ("file/a.png", "is no folder that may be written"),
        ("folder.png", "expected a file, got a folder"),
    ],
)
def test_output_that_cannot_be_written_is_found_first(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.png").mkdir()
    result = figure(tmp_path / name, *BOX)
    assert result.exit_code == 1 and message in result.stderr


def test_missing_matplotlib_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import srbench.figures.canvas as canvas

    monkeypatch.setattr(canvas, "find_spec", lambda name: None)
    assert "pip install 'sisr-bench[figures]'" in figure(tmp_path / "a.png", *BOX).stderr
