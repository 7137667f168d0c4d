"""SR crops for the leaderboard: the right pixels, lossless, within the budget, or none at all."""

from __future__ import annotations

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
from srbench.submissions.crops import CORNERS, MAX_BYTES, SIDE, check_sample, read_samples
from srbench.upscalers.base import Identity, Options
from srbench.upscalers.loading import open_upscaler
from srbench.upscalers.tensors import TensorUpscaler
from srbench.verification.crop_checks import check_crops


def test_crops_are_parts_of_the_complete_upscaled_image(tmp_path: Path) -> None:
    files = make_samples("bicubic", tmp_path, 4)
    assert tuple(files) == SAMPLE_NAMES == tuple(CORNERS)
    _, lr = get_protocol("matlab-y").prepare(open_dataset("Sample").hr("coffee"), scale=4)
    whole = np.asarray(open_upscaler("bicubic", scale=4).upscale(lr, dataset="Sample", name="coffee"))
    top, left = CORNERS["coffee"]
    with Image.open(files["coffee"]) as crop:
        assert crop.mode == "RGB"
        np.testing.assert_array_equal(np.asarray(crop), whole[top : top + SIDE, left : left + SIDE])
    taken = read_samples(tmp_path)
    assert list(taken) == [path.name for path in files.values()]
    for name, data in taken.items():
        check_sample(data, name)
    assert list(check_crops(taken)) == []


def test_crops_of_other_scales_are_not_submitted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("srbench.samples.MAX_BYTES", 1)  # what no entry takes may have any size
    arguments = ["samples", "--model", "bicubic", "--scale", "2", "--output", str(tmp_path)]
    result = CliRunner().invoke(main, arguments)
    assert result.stdout.splitlines() == [str(tmp_path / f"{name}_x2.webp") for name in SAMPLE_NAMES]
    assert result.stderr == (
        "crops at ×2 are for looking at: the leaderboard shows ×4, and `srbench submit` takes no others\n"
    )
    with pytest.raises(SubmissionError, match=r"got 'astronaut_x2\.webp'; make them with srbench samples --scale 4"):
        read_samples(tmp_path)
    crops = {f"{path.stem.removesuffix('_x2')}.webp": path.read_bytes() for path in tmp_path.glob("*_x2.webp")}
    [(severity, message)] = check_crops(crops)
    assert severity == "review"
    assert message.startswith("samples with detail that an LR ×4 does not contain, as crops of a smaller scale")
    assert all(name in message for name in SAMPLE_NAMES)
    crops["brick.webp"] = crops["grass.webp"]
    assert next(check_crops(crops)) == ("review", "samples that do not show the photograph of their name: brick")


def test_even_the_ground_truth_fits_the_budget(tmp_path: Path) -> None:
    files = make_references(tmp_path)
    assert 90_000 < sum(path.stat().st_size for path in files.values()) <= MAX_BYTES


def test_crops_over_the_budget_are_not_written(tmp_path: Path) -> None:
    noise = torch.Generator().manual_seed(1)

    def upscale(lr: torch.Tensor) -> torch.Tensor:
        return torch.rand((1, 3, lr.shape[2] * 4, lr.shape[3] * 4), generator=noise)

    noisy = TensorUpscaler(upscale, Identity("python:noise"), scale=4, options=Options(device="cpu"))
    with pytest.raises(ImageError, match="at most 100000 bytes together, got"):
        make_samples(noisy, tmp_path / "samples", 4)
    assert not (tmp_path / "samples").exists()


def test_context_shows_the_same_part_of_the_lr(tmp_path: Path) -> None:
    files = make_context(tmp_path)
    assert len(files) == 2 * len(CORNERS)
    _, lr = get_protocol("matlab-y").prepare(open_dataset("Sample").hr("brick"), scale=4)
    top, left = CORNERS["brick"]
    with Image.open(tmp_path / "brick_lr.webp") as crop:
        np.testing.assert_array_equal(np.asarray(crop), lr[top // 4 : top // 4 + 26, left // 4 : left // 4 + 26])
    with Image.open(tmp_path / "brick_place.webp") as place:
        assert place.width == 208
