from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from srbench.cli import main
from srbench.datasets.preview import CELL, contact_sheet
from srbench.errors import DatasetError, ProtocolError
from srbench.images import decode, save_png


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three images: the quarters of each are red, green, blue and white; the third is 50 % larger."""
    colours = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]], np.uint8)
    for number, side in enumerate((100, 100, 150)):
        image = colours.repeat(side, 0).repeat(side, 1)
        save_png(tmp_path / "in" / f"{number}.png", image)
    return tmp_path / "in"


def test_the_sheet_shows_hr_lr_bicubic_and_the_five_crops(folder: Path, tmp_path: Path) -> None:
    sheet = decode(contact_sheet(f"folder:{folder}", scale=4, output=tmp_path / "out" / "sheet.png", count=2))
    assert sheet.shape[1] == 8 + 8 * (CELL + 8)
    assert sheet.shape[0] == 8 + 2 * (14 + CELL + 8)
    red, green, blue, white = [255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]
    quarter, top = CELL // 4, 8 + 14

    def colours(column: int) -> list[list[int]]:
        left = 8 + column * (CELL + 8)
        return [sheet[top + y, left + x].tolist() for y in (quarter, 3 * quarter) for x in (quarter, 3 * quarter)]

    assert colours(0) == colours(1) == colours(2) == colours(7) == [red, green, blue, white]
    assert [colours(column) for column in range(3, 7)] == [[red] * 4, [green] * 4, [blue] * 4, [white] * 4]


def test_the_weight_is_white_along_the_edges_and_black_inside(folder: Path, tmp_path: Path) -> None:
    sheet = decode(contact_sheet(f"folder:{folder}", scale=2, output=tmp_path / "s.png", count=1, weight=True))
    left, top = 8 + 3 * (CELL + 8), 8 + 14
    assert sheet.shape[1] == 8 + 9 * (CELL + 8)
    weight = sheet[top : top + CELL, left : left + CELL, 0]
    assert weight[CELL // 2].min() > 40
    assert (weight[CELL // 4, CELL // 4], weight[-CELL // 4, -CELL // 4]) == (0, 0)


def test_no_more_rows_than_images(folder: Path, tmp_path: Path) -> None:
    sheet = decode(contact_sheet(f"folder:{folder}", scale=2, output=tmp_path / "sheet.png", count=9))
    assert sheet.shape[0] == 8 + 3 * (14 + CELL + 8)


def test_nonsense_is_refused_before_anything_is_written(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="at least 1 image"):
        contact_sheet(f"folder:{folder}", scale=2, output=tmp_path / "sheet.png", count=0)
    with pytest.raises(ProtocolError, match="×5"):
        contact_sheet(f"folder:{folder}", scale=5, output=tmp_path / "sheet.png")
    assert not (tmp_path / "sheet.png").exists()


def test_two_folders_of_one_name_are_not_drawn_over_each_other(folder: Path, tmp_path: Path) -> None:
    other = shutil.copytree(folder, tmp_path / "other" / folder.name)
    arguments = ["data", "preview", f"folder:{folder}", f"folder:{folder}", "--scale", "2", "--output", str(tmp_path)]
    result = CliRunner().invoke(main, [*arguments, f"folder:{other}"])
    assert (result.exit_code, list(tmp_path.glob("*_x2.png"))) == (1, [])
    assert f"{folder.name}_x2.png would be the sheet of folder:{folder} and of folder:{other}" in result.stderr
    assert CliRunner().invoke(main, arguments).stdout == f"{tmp_path / folder.name}_x2.png\n"
