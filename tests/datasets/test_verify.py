from __future__ import annotations

import base64
import io
import json
import shutil
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from srbench.datasets.catalogue import known_images
from srbench.datasets.lrcheck import lr_origin
from srbench.datasets.pixel_variants import (
    KINDS,
    MULTIPLES,
    canonical_name,
    crop_to,
    cropped_size,
    edsr_levels,
    identify_variant,
    owners,
    thumbnail,
)
from srbench.datasets.verify import verify_dataset
from srbench.images import decode, pixel_sha256, save_png
from srbench.resize import imresize

CHECKED = ("Set5", "Set14", "BSD100", "Urban100")


@pytest.fixture
def set5(test_data: Path, tmp_path: Path) -> Path:
    """A copy of Set5's HR that a test may spoil."""
    return Path(shutil.copytree(test_data / "data/Set5/HR", tmp_path / "Set5/HR"))


def rewrite(folder: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
    for path in sorted(folder.iterdir()):
        image = decode(path)
        path.unlink()
        save_png(path.with_suffix(".png"), change(image))


def jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


@pytest.mark.parametrize("name", CHECKED)
def test_hashes_alone_tell_canonical_edsr_subset_and_unknown(name: str) -> None:
    known = known_images(name)
    canonical = {image.name: image.sha256 for image in known}
    assert identify_variant(name, canonical) == "canonical"
    assert identify_variant(name, dict(list(canonical.items())[1:])) == "canonical subset"
    assert identify_variant(name, {**canonical, known[0].name: "0" * 64}) == "unknown"
    if known[0].edsr_sha256:
        assert identify_variant(name, {image.name: image.edsr_sha256 or "" for image in known}) == "edsr"


def test_a_set_without_record_is_its_own() -> None:
    assert identify_variant("Manga109", {"a": "0" * 64}) == "own"


@pytest.mark.parametrize("name", CHECKED)
def test_no_two_images_share_a_hash(name: str) -> None:
    assert {owner.image for owner in owners(name).values()} == {image.name for image in known_images(name)}


def test_selfexsr_numbers_are_names() -> None:
    assert canonical_name("BSD100", "img_012_SRF_4_HR") == "12084"  # string order: 119082 comes before 12084
    assert canonical_name("Set5", "img_005") == "woman"
    assert canonical_name("Urban100", "img001") == "img_001"
    assert canonical_name("Set5", "img_006") is None


@pytest.mark.parametrize("name", CHECKED[:3])
def test_the_record_follows_from_the_canonical_pixels(name: str, test_data: Path) -> None:
    records = json.loads(resources.files("srbench.datasets").joinpath("variants.json").read_text())[name]
    files = {path.stem: path for path in (test_data / "data" / name / "HR").iterdir()}
    assert list(records) == [image.name for image in known_images(name)]
    for image in known_images(name):
        pixels, record = decode(files[image.name]), records[image.name]
        assert base64.b64decode(record["thumbnail"]) == thumbnail(pixels).tobytes()
        sizes = {cropped_size(image.height, image.width, m) for m in MULTIPLES} - {(image.height, image.width)}
        for key, version in (("crops", pixels), ("edsr", edsr_levels(pixels))):
            expected = {f"{h}x{w}": pixel_sha256(crop_to(version, h, w)) for h, w in sizes}
            assert record.get(key, expected if not image.edsr_sha256 else None) == expected


@pytest.mark.parametrize(("name", "count"), [("Set5", 5), ("Set14", 14), ("BSD100", 100)])
def test_the_real_sets_are_canonical(name: str, count: int, test_data: Path) -> None:
    report = verify_dataset(name, data_root=test_data / "data")
    assert (report.status, report.variant, report.ok) == ("canonical", "canonical", True)
    assert report.lines[0].startswith(f"{name}: canonical, {count} of {count} images, fingerprint ")
    assert all(
        line.endswith(f"MATLAB bicubic, symmetric border, {count} of {count} images") for line in report.lines[1:]
    )


def test_each_spoiled_image_is_named_with_what_happened_to_it(set5: Path) -> None:
    save_png(set5 / "baby.png", jpeg(decode(set5 / "baby.png"), 90))
    (set5 / "bird.png").rename(set5 / "x.png")
    (set5 / "head.png").rename(set5 / "bird.png")
    (set5 / "x.png").rename(set5 / "head.png")
    (set5 / "woman.png").rename(set5 / "woman2.png")
    report = verify_dataset("Set5", data_root=set5.parents[1])
    assert (report.status, report.ok) == ("different", False)
    told = "\n".join(report.lines[1:])
    assert "baby: recompressed or filtered: the same picture, other pixels" in told
    assert "bird: swapped with head: it holds the pixels of head" in told
    assert "head: swapped with bird: it holds the pixels of bird" in told
    assert "woman2: renamed: it holds the pixels of woman" in told
    assert "butterfly" not in told
    assert len(report.lines) == 5


def test_other_damage_is_named_too(set5: Path) -> None:
    save_png(set5 / "baby.png", decode(set5 / "baby.png")[:, :, ::-1].copy())
    save_png(set5 / "bird.png", decode(set5 / "bird.png")[:200])
    shutil.copy(set5 / "head.png", set5 / "head2.png")
    Image.open(set5 / "woman.png").resize((114, 172), Image.Resampling.BICUBIC).save(set5 / "head.png")
    (set5 / "woman.png").unlink()
    save_png(set5 / "zebra.png", np.zeros((8, 8, 3), np.uint8))
    told = verify_dataset("Set5", data_root=set5.parents[1]).lines
    assert "baby: red and blue swapped (BGR)" in told
    assert "bird: size 288×200, expected 288×288" in told
    assert "head: size 114×172, expected 280×280, and it looks like woman" in told
    assert "head2: renamed: it holds the pixels of head" in told
    assert "woman: missing" in told
    assert "zebra: extra, no image of Set5" in told


def test_one_image_of_another_variant_is_named(test_data: Path, tmp_path: Path) -> None:
    shutil.copytree(test_data / "data/BSD100/HR", tmp_path / "BSD100/HR")
    first = tmp_path / "BSD100/HR/101085.jpg"
    save_png(first.with_suffix(".png"), edsr_levels(decode(first)))
    first.unlink()
    report = verify_dataset("BSD100", data_root=tmp_path)
    assert not report.ok
    assert report.lines[1:] == ["101085: pixels are edsr, where most images are canonical"]


@pytest.mark.parametrize("multiple", MULTIPLES)
@pytest.mark.parametrize("levels", ["", "edsr "])
def test_crops_and_gray_levels_of_bsd100_are_known_variants(
    multiple: int, levels: str, test_data: Path, tmp_path: Path
) -> None:
    hashes = {}
    for path in (test_data / "data/BSD100/HR").iterdir():
        pixels = edsr_levels(decode(path)) if levels else decode(path)
        hashes[path.stem] = pixel_sha256(crop_to(pixels, *cropped_size(pixels.shape[0], pixels.shape[1], multiple)))
    # 481×321: the crops to multiples of 2, 4 and 8 are the same image.
    assert identify_variant("BSD100", hashes) == f"{levels}mod{2 if multiple in (4, 8) else multiple}"
    assert f"{levels}mod{multiple}" in KINDS


def test_a_set_cropped_to_multiples_of_12_is_a_known_variant(set5: Path) -> None:
    rewrite(set5, lambda image: crop_to(image, *cropped_size(image.shape[0], image.shape[1], 12)))
    report = verify_dataset("Set5", data_root=set5.parents[1])
    assert (report.status, report.variant, len(report.lines)) == ("variant", "mod12", 1)


def test_numbers_in_another_order_are_reordered(set5: Path) -> None:
    for number, name in enumerate(["baby", "butterfly", "bird", "woman", "head"], 1):
        (set5 / f"{name}.png").rename(set5 / f"img_{number:03}.png")
    report = verify_dataset("Set5", data_root=set5.parents[1])
    assert (report.status, report.variant) == ("variant", "canonical, reordered")
    assert "img_002: swapped with img_003: it holds the pixels of butterfly" in report.lines


def test_selfexsr_numbers_in_their_order_are_canonical(set5: Path) -> None:
    for number, name in enumerate(["baby", "bird", "butterfly", "head", "woman"], 1):
        (set5 / f"{name}.png").rename(set5 / f"img_{number:03}_SRF_2_HR.png")
    assert verify_dataset("Set5", data_root=set5.parents[1]).status == "canonical"


def test_half_size_images_are_detected_by_their_size(tmp_path: Path) -> None:
    for image in known_images("Urban100"):
        save_png(
            tmp_path / f"Urban100/HR/{image.name}.png", np.full((image.height // 2, image.width // 2, 3), 9, np.uint8)
        )
    report = verify_dataset("Urban100", data_root=tmp_path)
    assert (report.status, report.variant) == ("variant", "half size (by size)")


def test_originals_larger_than_their_canonical_crop_are_proven_by_their_pixels(set5: Path) -> None:
    rewrite(set5, lambda image: np.pad(image, ((0, 1), (0, 3), (0, 0)), mode="reflect"))
    report = verify_dataset("Set5", data_root=set5.parents[1])
    assert (report.status, report.variant) == ("variant", "uncropped")


HR = np.clip(cv2.GaussianBlur(np.random.default_rng(0).normal(128, 160, (97, 121, 3)), (0, 0), 1.2), 0, 255)
HR = HR.round().astype(np.uint8)
CROPPED = HR[:96, :120]
HR_PIXELS: NDArray[np.uint8] = np.asarray(HR, dtype=np.uint8)


@pytest.mark.parametrize(
    ("lr", "label"),
    [
        (imresize(CROPPED, 1 / 4), "MATLAB bicubic, symmetric border"),
        (imresize(CROPPED, 1 / 4, border="replicate"), "MATLAB bicubic, replicate border"),
        (imresize(HR, 1 / 4), "MATLAB bicubic, symmetric border"),
        (
            np.clip(np.floor(imresize(CROPPED.astype(float), 1 / 4) + 0.5), 0, 255).astype(np.uint8),
            "MATLAB bicubic without rounding between the passes (one rounding at the end)",
        ),
        (np.asarray(Image.fromarray(CROPPED).resize((30, 24), Image.Resampling.BICUBIC)), "Pillow bicubic"),
        (cv2.resize(CROPPED, (30, 24), interpolation=cv2.INTER_CUBIC), "OpenCV bicubic (no antialiasing)"),
        (jpeg(imresize(CROPPED, 1 / 4), 90), "JPEG of "),
        (255 - imresize(CROPPED, 1 / 4), "none of the known ways"),
    ],
    ids=["symmetric", "replicate", "whole", "one-rounding", "pillow", "opencv", "jpeg", "none"],
)
def test_given_lr_is_recognised(lr: NDArray[np.uint8], label: str) -> None:
    origin = lr_origin(HR_PIXELS, lr, scale=4)
    assert origin.kind.startswith(label)
    assert origin.exact == (not label.startswith(("JPEG", "none")))
    assert origin.is_matlab == label.startswith("MATLAB bicubic,")


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_bicubic_without_antialiasing_is_recognised_at_every_scale(scale: int) -> None:
    height, width = (side // scale for side in HR.shape[:2])
    source = HR[: height * scale, : width * scale].astype(np.float64)
    lr = source
    for axis, count in ((0, height), (1, width)):
        at = (np.arange(count) + 0.5) * scale - 0.5
        first = np.floor(at).astype(int)
        total = np.zeros(())
        for k in range(-1, 3):
            x = np.abs(at - (first + k))
            weight = np.where(x <= 1, 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2)
            taken = lr.take(np.clip(first + k, 0, lr.shape[axis] - 1), axis=axis)
            total = total + taken * np.expand_dims(weight, [a for a in range(3) if a != axis])
        lr = total
    made: Any = np.clip(np.floor(lr + 0.5), 0, 255).astype(np.uint8)
    assert (
        "no antialiasing" in (label := lr_origin(HR_PIXELS, made, scale=scale).kind) or "without antialiasing" in label
    )
    assert lr_origin(HR_PIXELS, made, scale=scale).exact


def test_lr_of_a_different_origin_is_reported_with_its_image(test_data: Path, tmp_path: Path) -> None:
    shutil.copytree(test_data / "data/Set5", tmp_path / "Set5")
    path = tmp_path / "Set5/LR_bicubic/X4/headx4.png"
    hr = Image.fromarray(decode(tmp_path / "Set5/HR/head.png"))
    hr.resize((70, 70), Image.Resampling.BICUBIC).save(path)
    report = verify_dataset("Set5", data_root=tmp_path)
    assert report.status == "canonical"
    assert report.lines[-2:] == [
        "Set5 LR ×4: MATLAB bicubic, symmetric border, 4 of 5 images",
        "Set5 LR ×4: head: Pillow bicubic",
    ]
