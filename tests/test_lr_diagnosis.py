"""Usual mistakes in SR images are named by what undoes them; honest images give no warning."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from numpy.typing import NDArray
from PIL import Image as PillowImage
from scipy.ndimage import shift

from srbench.cli import main
from srbench.datasets import open_dataset
from srbench.images import decode, save_png
from srbench.lr_diagnosis import diagnose, explain
from srbench.protocols import get_protocol
from srbench.resize import imresize

Images = NDArray[np.uint8]
MATLAB = get_protocol("matlab-y")


def moved(rows: float, columns: float) -> Callable[[Images], Images]:
    return lambda sr: np.clip(
        np.rint(shift(sr.astype(float), (rows, columns, 0), order=1, mode="nearest")), 0, 255
    ).astype(np.uint8)


def brightened(sr: Images) -> Images:
    return np.clip(sr.astype(int) + 8, 0, 255).astype(np.uint8)


def in_minus_one_to_one(sr: Images) -> NDArray[np.float32]:
    return sr.astype(np.float32) / 127.5 - 1


def gray(sr: Images) -> Images:
    return np.repeat(np.rint(sr.mean(axis=2, keepdims=True)).astype(np.uint8), 3, axis=2)


def warning_on(test_data: Path, mistake: Callable[[Images], NDArray[np.uint8] | NDArray[np.float32]]) -> str | None:
    """The warning on Set5 ×4, HR itself standing for a perfect SR image."""
    causes = []
    images = open_dataset("Set5", data_root=test_data / "data")
    for name in images.names:
        hr, lr = MATLAB.prepare(images.hr(name), scale=4)
        sr = mistake(hr)
        psnr_lr = MATLAB.psnr_lr(sr, lr, scale=4)
        assert psnr_lr is not None
        causes.append(
            diagnose(sr, lr, lambda image: MATLAB.preparation.degrade(image, scale=4), psnr_lr=psnr_lr, scale=4)
        )
    return explain(causes)


@pytest.mark.parametrize(
    ("mistake", "named"),
    [
        (lambda sr: np.ascontiguousarray(sr[..., ::-1]), "channel order: the channels are in the order BGR"),
        (in_minus_one_to_one, "value range: the values are in [-1, 1]"),
        (
            lambda sr: np.clip(np.rint(in_minus_one_to_one(sr) * 255), 0, 255).astype(np.uint8),
            "value range: the values are in [-1, 1]",
        ),
        (brightened, "offset: R, G, B are off by +8, +8, +8 gray levels"),
        (gray, "gray: the SR images are gray"),
        (moved(0.5, 0.5), "shift: the image is moved by 0.5 rows (down) and 0.5 columns (right)"),
        (moved(0, -1), "shift: the image is moved by 0 rows (down) and -1 columns (right)"),
        (lambda sr: np.ascontiguousarray(sr[:, ::-1]), "flip: left and right are exchanged"),
    ],
    ids=["bgr", "range-float", "range-8bit", "offset", "gray", "half-pixel", "pixel", "flip"],
)
def test_each_usual_mistake_is_named_with_its_gain(
    test_data: Path, mistake: Callable[[Images], NDArray[np.uint8]], named: str
) -> None:
    warning = warning_on(test_data, mistake)
    assert warning is not None and warning.startswith(named)
    assert "of 5 examined images" in warning and "raises psnr_lr by" in warning


def test_honest_and_diffusion_outputs_give_no_warning(test_data: Path) -> None:
    assert warning_on(test_data, lambda sr: imresize(imresize(sr, 1 / 4), 4)) is None
    # A one-step diffusion network on photographs of another camera: psnr_lr is 25 to 32 dB.
    folder, causes = test_data / "data/OSEDiff6", []
    for path in sorted((folder / "SR").iterdir()):
        sr, lr = decode(path), decode(folder / "LR" / path.name)
        psnr_lr = MATLAB.psnr_lr(sr, lr, scale=4)
        assert psnr_lr is not None and psnr_lr < 32
        causes.append(
            diagnose(sr, lr, lambda image: MATLAB.preparation.degrade(image, scale=4), psnr_lr=psnr_lr, scale=4)
        )
    assert causes == [None] * 6


def evaluate_images(folder: Path, data_root: Path, form: str) -> Result:
    arguments = ["evaluate", "--model", f"images:{folder}", "--scale", "4", "--dataset", "Set5", "--format", form]
    return CliRunner().invoke(main, [*arguments, "--data-root", str(data_root)])


def test_warnings_reach_json_and_stderr(test_data: Path, tmp_path: Path) -> None:
    images = open_dataset("Set5", data_root=test_data / "data")
    for name in images.names:
        hr, _ = MATLAB.prepare(images.hr(name), scale=4)
        save_png(tmp_path / "bgr" / f"{name}.png", np.ascontiguousarray(hr[..., ::-1]))
        (tmp_path / "jpeg").mkdir(exist_ok=True)
        PillowImage.fromarray(hr).save(tmp_path / f"jpeg/{name}.jpg", quality=90)
    found = evaluate_images(tmp_path / "bgr", test_data / "data", "json")
    (warning,) = json.loads(found.stdout)["datasets"]["Set5"]["warnings"]
    assert warning.startswith("channel order: the channels are in the order BGR")
    assert f"warning: Set5: {warning}" in found.stderr
    found = evaluate_images(tmp_path / "jpeg", test_data / "data", "json")
    (warning,) = json.loads(found.stdout)["datasets"]["Set5"]["warnings"]
    assert warning.startswith("5 SR images are JPEG, which loses quality: baby, bird, butterfly, head, woman;")


def test_infinite_and_missing_scores_are_named_in_a_note(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for name, side in (("a", 40), ("b", 40), ("black", 40), ("small", 9)):
        image = (
            np.zeros((side, side, 3), np.uint8)
            if name == "black"
            else random.integers(0, 256, (side, side, 3), np.uint8)
        )
        save_png(tmp_path / "set" / f"{name}.png", image)
    arguments = ["evaluate", "--model", "bicubic", "--scale", "2", "--dataset", f"folder:{tmp_path / 'set'}"]
    facts = json.loads(CliRunner().invoke(main, [*arguments, "--format", "json"]).stdout)["datasets"]["set"]
    assert (facts["psnr_y"], facts["ssim_y"]) == ("inf", None)
    others = facts["finite_means"]
    assert (others["psnr_y"]["infinite"], others["psnr_y"]["n"]) == (["black"], 3)
    assert (others["ssim_y"]["missing"], others["ssim_y"]["n"]) == (["small"], 3)
    table = CliRunner().invoke(main, arguments).stdout
    assert "inf* / -*" in table
    mean = f"{others['psnr_y']['mean']:.3f}"
    assert f"* set, matlab-y: psnr_y is infinite for black; mean of the other 3 images: {mean}" in table
    assert "* set, matlab-y: ssim_y is missing for small; mean of the other 3 images: " in table
