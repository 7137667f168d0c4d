"""Folders of SR images as other programs write them: each image is found by its name, and no wrong one is taken."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from srbench.cli import main
from srbench.errors import UpscalerError
from srbench.images import encode_png, save_png
from srbench.upscalers.base import Options
from srbench.upscalers.image_folder import ImageFolderUpscaler
from srbench.upscalers.loading import open_upscaler
from tests.datasets.layouts import image

_NAMES = ("101085", "baby", "img_001", "img_001_b", "café")
_LR = np.zeros((3, 4, 3), dtype=np.uint8)

LAYOUTS: dict[str, tuple[int, str, str | None]] = {
    "plain": (4, "{name}.png", None),
    "save-images": (4, "BSD100/{name}.png", None),
    "other-name-of-the-set": (4, "b100/X4/{name}_SR.png", None),
    "basicsr": (4, "visualization/B100/{name}_EDSR_Mx4_f64b16_DIV2K_official-3ba7b086.png", None),
    "swinir": (4, "{name}_SwinIR.png", None),
    "realesrgan": (4, "{name}_out.png", None),
    "small-sr": (3, "{name}_sr.png", None),
    "gan": (4, "{name}_fake.png", None),
    "dash-scale": (2, "BSD100/{name}-x2.png", None),
    "hr-scale": (2, "{name}_HR_x2.png", None),
    "upper-scale": (2, "{name}_X2.PNG", None),
    "scale-and-method": (4, "{name}_x4_MyNet.png", None),
    "edsr-test": (4, "results-BSD100/{name}_x4_SR.png", None),
    "rcan": (4, "SR/BI/RCAN/BSD100/x4/{name}_RCAN_BIX4.png", None),
    "method-of-own": (4, "BSD100/{name}_my_net_v2.png", None),
    "pattern": (4, "iter/{name}/{name}_5000.png", "iter/{name}/{name}_5000.png"),
    "pattern-all-fields": (3, "{dataset}-x3/{name}.result.bmp", "{dataset}-x{scale}/{name}.result"),
    "pattern-star": (4, "{name}_0123_net.png", "{name}_0*_net.png"),
}
"""Scale, path of each file, and the pattern that is needed."""


def _write(folder: Path, path: str, scale: int) -> None:
    for seed, name in enumerate(_NAMES):
        target = folder / path.replace("{name}", name).replace("{dataset}", "BSD100")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(encode_png(image(seed, height=3 * scale, width=4 * scale)))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_layout_gives_each_image(layout: str, tmp_path: Path) -> None:
    scale, path, pattern = LAYOUTS[layout]
    _write(tmp_path, path, scale)
    upscaler = open_upscaler(f"images:{tmp_path}", scale=scale, options=Options(pattern=pattern))
    for seed, name in enumerate(_NAMES):
        found = upscaler.checked(_LR, dataset="BSD100", name=name)
        assert np.array_equal(found, image(seed, height=3 * scale, width=4 * scale)), name
    assert len(str(upscaler.details_of([("BSD100", name) for name in _NAMES])["images_sha256"])) == 64


def test_names_of_macos_equal_the_composed_ones(tmp_path: Path) -> None:
    (tmp_path / unicodedata.normalize("NFD", "café_SR.png")).write_bytes(encode_png(image(3)))
    for pattern in (None, "{name}_SR"):
        upscaler = ImageFolderUpscaler(tmp_path, scale=4, pattern=pattern)
        assert np.array_equal(upscaler.upscale(_LR, dataset="s", name="café"), image(3))


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (("baby.png", "baby_x4.png"), r"got baby\.png and baby_x4\.png; keep one of them"),
        (("baby_x2.png",), r"or _SR, got baby_x2\.png; name the files with --pattern"),
        (("baby_smile.png", "bird.png"), r"got baby_smile\.png; name the files with --pattern"),
        (("baby_SRF_4_HR.png", "baby_SRF_4_SRCNN.png"), r"got baby_SRF_4_HR\.png, baby_SRF_4_SRCNN\.png; name"),
        (("A/Set5/baby.png", "B/Set5/baby.png"), r"got A/Set5/baby\.png and B/Set5/baby\.png; keep one"),
        (("bird.png",), r"got no such file; name the files"),
    ],
)
def test_ambiguous_images_are_named_and_refused(files: tuple[str, ...], message: str, tmp_path: Path) -> None:
    for file in files:
        save_png(tmp_path / file, image(0))
    with pytest.raises(UpscalerError, match=message):
        ImageFolderUpscaler(tmp_path, scale=4).upscale(_LR, dataset="Set5", name="baby")


@pytest.mark.parametrize(
    ("spec", "pattern", "message"),
    [
        ("images:.", "SR_{dataset}.png", "with {name} in it"),
        ("images:.", "../{name}.png", "below the folder of images"),
        ("bicubic", "{name}.png", "only with images:DIR"),
    ],
)
def test_a_pattern_that_cannot_work_is_refused(
    spec: str, pattern: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_png(tmp_path / "baby.png", image(0))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UpscalerError, match=message):
        open_upscaler(spec, scale=4, options=Options(pattern=pattern))


def test_evaluate_takes_a_pattern(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save_png(tmp_path / "hr" / f"{name}.png", image(ord(name), height=16, width=16))
        save_png(tmp_path / "sr" / f"net1-{name}-final.png", image(ord(name), height=16, width=16))
        save_png(tmp_path / "sr" / f"net2-{name}-final.png", image(0, height=16, width=16))
    arguments = ["--model", f"images:{tmp_path / 'sr'}", "--dataset", f"folder:{tmp_path / 'hr'}", "--scale", "4"]
    result = CliRunner().invoke(main, ["evaluate", *arguments, "--pattern", "net1-{name}-final", "--format", "csv"])
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[1].split(",")[4:7] == ["2", "2", "inf"]
