"""Upscaling: awkward images, resume, tiles, several models, and the page that compares them."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image, ImageOps

from srbench.cli import main
from srbench.errors import ImageError, ResultsError, UpscalerError
from srbench.images import save_png
from srbench.resize import imresize
from srbench.upscaling import UpscaleReport, tile_choice, upscale
from srbench.upscaling.tile_choice import tile_side
from tests.upscaling.awkward_images import HEIGHT, ICC, REFUSED, UPSCALED, WIDTH, deep_photo, photo, write_awkward

_SCALE = 2


@pytest.fixture(scope="module")
def awkward(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, UpscaleReport, list[str]]:
    """The folder of twenty images, the folder of the results, the report, and the remarks."""
    folder = tmp_path_factory.mktemp("awkward")
    write_awkward(folder / "in")
    said: list[str] = []
    report = upscale("bicubic", folder / "in", scale=_SCALE, output=folder / "out", view=True, say=said.append)
    return folder / "in", folder / "out", report, said


def _open(path: Path) -> Image.Image:
    return Image.open(io.BytesIO(path.read_bytes()))


@pytest.mark.parametrize(("name", "mode"), UPSCALED.items())
def test_awkward_images_keep_mode_and_get_scaled_size(
    awkward: tuple[Path, Path, UpscaleReport, list[str]], name: str, mode: str
) -> None:
    source, output, _, _ = awkward
    stem = name if name.startswith("rgb16") else Path(name).stem  # two files are called rgb16
    upright = ImageOps.exif_transpose(_open(source / name))
    made = _open(output / f"{stem}.png")
    assert (made.mode, made.size) == (mode, (upright.width * _SCALE, upright.height * _SCALE))


@pytest.mark.parametrize(("name", "words"), REFUSED.items())
def test_refused_images_are_reported_and_not_written(
    awkward: tuple[Path, Path, UpscaleReport, list[str]], name: str, words: str
) -> None:
    source, output, report, _ = awkward
    assert words in report.failures[source / name]
    assert not (output / f"{Path(name).stem}.png").exists()
    assert len(report.failures) == len(REFUSED)


def test_exif_orientation_is_applied_to_the_pixels(awkward: tuple[Path, Path, UpscaleReport, list[str]]) -> None:
    source, output, _, _ = awkward
    upright = np.array(ImageOps.exif_transpose(_open(source / "exif6.jpg")))
    made = _open(output / "exif6.png")
    assert np.array_equal(np.array(made), imresize(upright, _SCALE))
    assert made.getexif().get(274, 1) == 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_eight_orientations_agree_with_pillow(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(photo()).save(tmp_path / "turned.png", exif=exif)
    upscale("bicubic", tmp_path / "turned.png", scale=_SCALE, output=tmp_path / "out")
    upright = np.array(ImageOps.exif_transpose(_open(tmp_path / "turned.png")))
    assert np.array_equal(np.array(_open(tmp_path / "out" / "turned.png")), imresize(upright, _SCALE))


def test_icc_profiles_are_kept_byte_by_byte(awkward: tuple[Path, Path, UpscaleReport, list[str]]) -> None:
    _, output, _, _ = awkward
    assert [_open(output / name).info.get("icc_profile") for name in ("icc.png", "exif6.png")] == [ICC, ICC]


@pytest.mark.parametrize("name", ["rgb16.png.png", "rgb16.tif.png", "gray16.png"])
def test_sixteen_bits_are_kept(awkward: tuple[Path, Path, UpscaleReport, list[str]], name: str) -> None:
    planes = cv2.imdecode(np.frombuffer((awkward[1] / name).read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
    assert planes is not None
    exact = imresize(deep_photo().astype(np.float64) / 65535, _SCALE) * 65535
    expected = exact[..., 0] if planes.ndim == 2 else exact[..., ::-1]
    assert planes.dtype == np.uint16
    assert np.abs(planes - expected).max() < 0.6  # float32 in between
    assert len(np.unique(planes)) > 40


def test_models_of_eight_bits_say_what_they_drop(tmp_path: Path) -> None:
    write_awkward(tmp_path / "in")
    said: list[str] = []
    upscale("bicubic:pillow", tmp_path / "in" / "rgb16.png", scale=_SCALE, output=tmp_path / "out", say=said.append)
    assert said == [
        "bicubic:pillow, rgb16.png: this model takes 8-bit input, so the 16-bit image becomes one of 8 bits"
    ]
    assert (tmp_path / "out" / "rgb16.png").read_bytes()[24] == 8


def test_colours_of_transparent_pixels_do_not_bleed(tmp_path: Path) -> None:
    planes = np.zeros((16, 16, 4), np.uint8)
    planes[:, :8] = (200, 100, 50, 255)
    planes[:, 8:] = (0, 255, 0, 0)
    Image.fromarray(planes).save(tmp_path / "half.png")
    upscale("bicubic", tmp_path / "half.png", scale=_SCALE, output=tmp_path / "out")
    made = np.array(_open(tmp_path / "out" / "half.png"))
    assert (made[..., :3] == (200, 100, 50)).all()
    assert (made[:, :12, 3] == 255).all() or made[:, :12, 3].min() > 230
    assert (made[:, -8:, 3] == 0).all()


def test_finished_outputs_are_not_made_again(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        save_png(tmp_path / "in" / name, photo())
    first = upscale("bicubic", tmp_path / "in", scale=_SCALE, output=tmp_path / "out")
    (tmp_path / "out" / "b.png").unlink()
    save_png(tmp_path / "in" / "a.png", photo()[::-1])
    save_png(tmp_path / "in" / "c.png", photo())
    second = upscale("bicubic", tmp_path / "in", scale=_SCALE, output=tmp_path / "out")
    third = upscale("bicubic", tmp_path / "in", scale=_SCALE, output=tmp_path / "out")
    names = [[path.name for path in report.written] for report in (first, second, third)]
    assert names == [["a.png", "b.png"], ["a.png", "b.png", "c.png"], []]  # a.png has another input
    assert len(third.kept) == 3


def test_folders_with_other_files_are_refused(tmp_path: Path) -> None:
    save_png(tmp_path / "in" / "a.png", photo())
    save_png(tmp_path / "out" / "holiday.png", photo())
    with pytest.raises(ResultsError, match=re.escape("got other files (holiday.png); choose another --output")):
        upscale("bicubic", tmp_path / "in", scale=_SCALE, output=tmp_path / "out")
    with pytest.raises(ResultsError, match="expected inputs outside of"):
        upscale("bicubic", tmp_path / "in", scale=_SCALE, output=tmp_path / "in")


def test_results_of_other_settings_are_refused(tmp_path: Path) -> None:
    save_png(tmp_path / "a.png", photo())
    upscale("bicubic", tmp_path / "a.png", scale=2, output=tmp_path / "out")
    with pytest.raises(ResultsError, match="expected a result of bicubic at ×3, got one of bicubic at ×2"):
        upscale("bicubic", tmp_path / "a.png", scale=3, output=tmp_path / "out")


def test_equal_stems_keep_their_endings(tmp_path: Path) -> None:
    save_png(tmp_path / "in" / "a.png", photo())
    Image.fromarray(photo()).save(tmp_path / "in" / "a.jpg")
    save_png(tmp_path / "in" / "deeper" / "a.png", photo())
    report = upscale("bicubic", tmp_path / "in", scale=_SCALE, output=tmp_path / "out")
    names = sorted(path.relative_to(tmp_path / "out").as_posix() for path in report.written)
    assert names == ["a.jpg.png", "a.png.png", "deeper/a.png"]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [("nothing", "got nothing there"), ("empty", "expected images"), ("twice", "different names")],
)
def test_unusable_inputs_are_explained(tmp_path: Path, inputs: str, message: str) -> None:
    (tmp_path / "empty").mkdir()
    for folder in ("one", "two"):
        save_png(tmp_path / folder / "a.png", photo())
    paths = [tmp_path / "one", tmp_path / "two"] if inputs == "twice" else [tmp_path / inputs]
    with pytest.raises(ImageError, match=message):
        upscale("bicubic", paths, scale=_SCALE, output=tmp_path / "out")


def test_folders_of_sr_images_are_no_model(tmp_path: Path) -> None:
    save_png(tmp_path / "sr" / "a.png", photo())
    with pytest.raises(UpscalerError, match="expected a model, got a folder of SR images"):
        upscale(f"images:{tmp_path / 'sr'}", tmp_path / "sr", scale=_SCALE, output=tmp_path / "out")


def test_chosen_tiles_are_said_and_change_nothing_local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_png(tmp_path / "a.png", photo(200, 150))
    model = tmp_path / "tiles_nearest.py"
    model.write_text("import torch\ndef make(scale):\n    return torch.nn.Upsample(scale_factor=scale)\n")
    spec = f"python:{model}:make"
    upscale(spec, tmp_path / "a.png", scale=_SCALE, output=tmp_path / "plain")
    monkeypatch.setattr(tile_choice, "SMALL_SIDE", 32)
    monkeypatch.setattr(tile_choice, "free_memory", lambda device: 1 << 20)
    said: list[str] = []
    upscale(spec, tmp_path / "a.png", scale=_SCALE, output=tmp_path / "tiled", say=said.append)
    assert said[0].endswith("150×200 pixels do not fit into memory, computed in tiles of 64 pixels (--tile)")
    plain, tiled = (np.array(_open(tmp_path / folder / "a.png")) for folder in ("plain", "tiled"))
    assert np.array_equal(plain, tiled)


@pytest.mark.parametrize(("pixels", "side"), [(1e6, None), (640 * 480, None), (300_000, 480), (20_000, 64), (-5, 64)])
def test_tiles_have_the_pixels_that_fit(pixels: float, side: int | None) -> None:
    assert tile_side(480, 640, pixels=pixels) == side
    assert side is None or side == 64 or (side + 64) ** 2 <= pixels


def test_page_names_every_file_and_loads_nothing_else(awkward: tuple[Path, Path, UpscaleReport, list[str]]) -> None:
    _, output, report, _ = awkward
    page = (output / "view.html").read_text()
    assert report.view == output / "view.html"
    assert not re.findall(r"https?:|//[a-z]|<link|@import", page)
    assert "<b>" not in page
    images = json.loads(re.search(r"const images = (\[.*\]);", page)[1])  # type: ignore[index]
    assert len(images) == len(UPSCALED)
    assert {image["width"] for image in images} == {_SCALE * WIDTH, _SCALE * HEIGHT, _SCALE}


def test_command_takes_several_models_and_exits_1_on_failures(tmp_path: Path) -> None:
    write_awkward(tmp_path / "in")
    words = ["--model", "bicubic", "bicubic:pillow", "--scale", "2", "--output", str(tmp_path / "out"), "--view"]
    good = CliRunner().invoke(main, ["upscale", *words, str(tmp_path / "in" / "icc.png")])
    assert (good.exit_code, good.stdout) == (
        0,
        f"{tmp_path / 'out'}: 2 written\ncompare them in {tmp_path / 'out' / 'view.html'}\n",
    )
    assert (tmp_path / "out" / "bicubic-pillow" / "icc.png").exists()
    bad = CliRunner().invoke(main, ["upscale", *words, str(tmp_path / "in" / "cmyk.jpg")])
    assert bad.exit_code == 1
    assert "got CMYK, the colours of a printer; convert it to RGB first" in bad.stderr
    assert CliRunner().invoke(main, ["upscale", *words]).exit_code == 2
