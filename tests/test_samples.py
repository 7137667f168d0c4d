"""SR crops for the leaderboard: the right pixels, lossless, within the budget, or none at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from srbench.datasets.imageset import SAMPLE_NAMES, open_dataset
from srbench.errors import ImageError
from srbench.protocols import get_protocol
from srbench.samples import CORNERS, MAX_BYTES, SIDE, make_references, make_samples
from srbench.upscalers.base import Identity, Options
from srbench.upscalers.specs import open_upscaler
from srbench.upscalers.tensors import TensorUpscaler


def test_crops_are_cut_from_the_whole_upscaled_image(tmp_path: Path) -> None:
    files = make_samples("bicubic", tmp_path, 4)
    assert tuple(files) == SAMPLE_NAMES == tuple(CORNERS)
    _, lr = get_protocol("matlab-y").prepare(open_dataset("Sample").hr("coffee"), scale=4)
    whole = np.asarray(open_upscaler("bicubic", scale=4).upscale(lr, dataset="Sample", name="coffee"))
    top, left = CORNERS["coffee"]
    with Image.open(files["coffee"]) as crop:
        assert crop.mode == "RGB"
        np.testing.assert_array_equal(np.asarray(crop), whole[top : top + SIDE, left : left + SIDE])


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
