"""SR crops for the leaderboard: the right pixels, lossless, within the budget, or none at all."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from srbench.cli import main
from srbench.datasets.imageset import SAMPLE_NAMES, open_dataset
from srbench.errors import ImageError, SubmissionError
from srbench.protocols import get_protocol
from srbench.samples import make_context, make_references, make_samples
from srbench.submissions.crops import (
    CORNERS,
    MAX_BYTES,
    MAX_TEXTURE_BYTES,
    SIDE,
    TEXTURE_CORNERS,
    TEXTURE_SCALES,
    check_sample,
    read_samples,
    sample_scales,
)
from srbench.upscalers.base import Identity, Options
from srbench.upscalers.loading import open_upscaler
from srbench.upscalers.tensors import TensorUpscaler
from srbench.verification.crop_checks import check_crops


def test_crops_are_parts_of_the_complete_upscaled_image(tmp_path: Path) -> None:
    files = make_samples("bicubic", tmp_path, 4)
    assert tuple(files) == (*SAMPLE_NAMES, *(f"{name}_x4" for name in TEXTURE_CORNERS))
    assert tuple(CORNERS) == SAMPLE_NAMES
    _, lr = get_protocol("matlab-y").prepare(open_dataset("Sample").hr("brick"), scale=4)
    whole = np.asarray(open_upscaler("bicubic", scale=4).upscale(lr, dataset="Sample", name="brick"))
    for stem, (top, left), side in (("brick", CORNERS["brick"], 104), ("brick_x4", TEXTURE_CORNERS["brick"], 192)):
        with Image.open(files[stem]) as crop:
            assert crop.mode == "RGB"
            np.testing.assert_array_equal(np.asarray(crop), whole[top : top + side, left : left + side])
    taken = read_samples(tmp_path)
    assert sorted(taken) == sorted(path.name for path in files.values())
    for name, data in taken.items():
        check_sample(data, name)
    assert list(check_crops(taken)) == []


def test_large_crops_of_three_scales_share_a_folder(tmp_path: Path) -> None:
    for scale in ("2", "3"):
        result = CliRunner().invoke(
            main, ["samples", "--model", "bicubic", "--scale", scale, "--output", str(tmp_path)]
        )
        assert result.stdout.splitlines() == [str(tmp_path / f"{name}_x{scale}.webp") for name in TEXTURE_CORNERS]
        assert result.stderr == ""
    assert sample_scales(read_samples(tmp_path)) == [2, 3]
    shutil.copy(tmp_path / "brick_x2.webp", tmp_path / "brick_x8.webp")
    with pytest.raises(SubmissionError, match=r"got 'brick_x8\.webp'; make them with srbench samples"):
        read_samples(tmp_path)


def test_crops_at_x8_are_written_but_not_submitted(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["samples", "--model", "bicubic", "--scale", "8", "--output", str(tmp_path)])
    assert result.stdout.splitlines() == [str(tmp_path / f"{name}_x8.webp") for name in TEXTURE_CORNERS]
    assert result.stderr == "crops at ×8 are only for your own use: `srbench submit` takes crops at ×2, ×3 and ×4\n"
    with pytest.raises(SubmissionError, match=r"expected NAME\.png or NAME\.webp, .* with _x2, _x3, _x4, got"):
        read_samples(tmp_path)


def test_crops_of_another_scale_or_photograph_are_found(tmp_path: Path) -> None:
    lr = get_protocol("matlab-y").preparation
    upscaler = open_upscaler("bicubic", scale=2)
    crops = {}
    for name, (top, left) in CORNERS.items():
        _, small = lr.prepare(open_dataset("Sample").hr(name), scale=2)
        whole = np.asarray(upscaler.upscale(small, dataset="Sample", name=name))
        Image.fromarray(whole[top : top + SIDE, left : left + SIDE]).save(tmp_path / f"{name}.webp", lossless=True)
        crops[f"{name}.webp"] = (tmp_path / f"{name}.webp").read_bytes()
    [(severity, message)] = check_crops(crops)
    assert severity == "review"
    assert message.startswith("samples with detail that an LR ×4 does not contain, as crops of a smaller scale")
    assert all(name in message for name in SAMPLE_NAMES)
    crops["brick.webp"] = crops["grass.webp"]
    assert next(check_crops(crops)) == ("review", "samples that do not show the photograph of their name: brick")


def test_even_the_ground_truth_fits_the_budget(tmp_path: Path) -> None:
    files = make_references(tmp_path)
    sizes = {name: path.stat().st_size for name, path in files.items()}
    large = sum(size for name, size in sizes.items() if name.endswith("_large"))
    assert 90_000 < sum(sizes.values()) - large <= MAX_BYTES
    assert 350_000 < len(TEXTURE_SCALES) * large <= MAX_TEXTURE_BYTES


def test_large_references_are_equal_at_each_scale(tmp_path: Path) -> None:
    files = {scale: make_references(tmp_path / str(scale), scale) for scale in TEXTURE_SCALES}
    names = [f"{name}_large" for name in TEXTURE_CORNERS]
    assert len({tuple(found[name].read_bytes() for name in names) for found in files.values()}) == 1


def test_crops_over_the_budget_are_not_written(tmp_path: Path) -> None:
    noise = torch.Generator().manual_seed(1)

    def upscale(lr: torch.Tensor) -> torch.Tensor:
        return torch.rand((1, 3, lr.shape[2] * 4, lr.shape[3] * 4), generator=noise)

    noisy = TensorUpscaler(upscale, Identity("python:noise"), scale=4, options=Options(device="cpu"))
    with pytest.raises(ImageError, match="at most 150,000 bytes together, got"):
        make_samples(noisy, tmp_path / "samples", 4)
    assert not (tmp_path / "samples").exists()


def test_context_shows_the_same_part_of_the_lr(tmp_path: Path) -> None:
    files = make_context(tmp_path)
    assert len(files) == 2 * (len(CORNERS) + len(TEXTURE_CORNERS))
    _, lr = get_protocol("matlab-y").prepare(open_dataset("Sample").hr("brick"), scale=4)
    top, left = CORNERS["brick"]
    with Image.open(tmp_path / "brick_lr.webp") as crop:
        np.testing.assert_array_equal(np.asarray(crop), lr[top // 4 : top // 4 + 26, left // 4 : left // 4 + 26])
    with Image.open(tmp_path / "brick_place.webp") as place:
        assert place.width == 208
