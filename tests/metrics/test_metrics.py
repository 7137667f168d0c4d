"""Metrics: exact facts, an independent implementation, and numbers from other people's tools."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from srbench.metrics import luma, luma_rounded, psnr, shave, ssim

MATLAB: dict[str, Any] = {"coefficients": (65.481, 128.553, 24.966), "divisor": 255}
WANG: dict[str, Any] = {"data_range": 255, "window": 11, "sigma": 1.5, "k1": 0.01, "k2": 0.03, "clip_contrast": False}


def pair(shape: tuple[int, ...], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    first = random.uniform(0, 255, shape)
    return first, np.clip(first + random.normal(0, 20, shape), 0, 255)


def test_luma_of_white_black_and_primaries() -> None:
    colours = np.array([[[255, 255, 255], [0, 0, 0], [255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8)
    expected = [[235.0, 16.0, 81.481, 144.553, 40.966]]
    assert np.allclose(luma(colours, **MATLAB), expected, rtol=0, atol=1e-12)
    assert luma_rounded(colours, **MATLAB).tolist() == np.round(expected).tolist()


def test_luma_refuses_gray() -> None:
    with pytest.raises(ValueError, match="H×W×3"):
        luma(np.zeros((4, 4)), **MATLAB)


def test_psnr_exact_values() -> None:
    black, white = np.zeros((5, 5), np.uint8), np.full((5, 5), 255, np.uint8)
    assert psnr(black, white, data_range=255) == 0.0
    assert psnr(black, black, data_range=255) == math.inf
    one_off = black.copy()
    one_off[0, 0] = 5
    assert psnr(black, one_off, data_range=255) == pytest.approx(10 * math.log10(255**2), abs=1e-12)


def test_psnr_of_uint8_does_not_wrap_around() -> None:
    first, second = np.full((4, 4), 250, np.uint8), np.full((4, 4), 5, np.uint8)
    assert psnr(first, second, data_range=255) == pytest.approx(20 * math.log10(255 / 245), abs=1e-12)


def test_shapes_must_be_equal() -> None:
    with pytest.raises(ValueError, match="one shape"):
        psnr(np.zeros((4, 4, 1)), np.zeros((4, 4, 3)), data_range=255)
    with pytest.raises(ValueError, match="one shape"):
        ssim(np.zeros((14, 14)), np.zeros((14, 15)), **WANG)


def test_what_no_number_follows_from_is_refused() -> None:
    flat = np.zeros((14, 14))
    for values in (torch.zeros(14, 14), [1, 2]):
        with pytest.raises(TypeError, match=f"NumPy arrays, got {type(values).__name__}"):
            psnr(flat, values, data_range=255)  # type: ignore[arg-type]  # what it is about
    for changed in ({"window": -1}, {"window": 0}, {"window": 15}, {"sigma": 0.0}):
        with pytest.raises(ValueError, match=next(iter(changed))):
            ssim(flat, flat, **{**WANG, **changed})


@pytest.mark.parametrize("shape", [(11, 11), (12, 200), (128, 40), (129, 40), (247, 33)], ids=str)
def test_ssim_equals_scikit_image_on_the_valid_region(shape: tuple[int, int]) -> None:
    first, second = pair(shape)
    _, similarity = structural_similarity(
        first, second, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True
    )
    assert ssim(first, second, **WANG) == pytest.approx(similarity[5:-5, 5:-5].mean(), abs=1e-12)


def test_ssim_written_out_for_one_window() -> None:
    first, second = pair((11, 11), seed=4)
    offsets = np.arange(-5, 6)
    weights = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * 1.5**2))
    weights /= weights.sum()
    mean_x, mean_y = (weights * first).sum(), (weights * second).sum()
    var_x, var_y = (weights * (first - mean_x) ** 2).sum(), (weights * (second - mean_y) ** 2).sum()
    covariance = (weights * (first - mean_x) * (second - mean_y)).sum()
    c1, c2 = 2.55**2, 7.65**2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    expected = luminance * (2 * covariance + c2) / (var_x + var_y + c2)
    assert ssim(first, second, **WANG) == pytest.approx(expected, abs=1e-12)


def test_clipped_ssim_has_no_negative_contrast() -> None:
    first, _ = pair((11, 11), seed=4)
    opposite = 255.0 - first
    assert ssim(first, opposite, **WANG) < -0.5
    assert ssim(first, opposite, **{**WANG, "clip_contrast": True}) == 0
    assert ssim(first, first, **{**WANG, "clip_contrast": True}) == 1


def test_ssim_of_colour_is_the_mean_over_channels() -> None:
    first, second = pair((20, 24, 3))
    channels = [ssim(first[..., c], second[..., c], **WANG) for c in range(3)]
    assert ssim(first, second, **WANG) == pytest.approx(np.mean(channels), abs=1e-15)
    assert ssim(first, first, **WANG) == 1.0


def test_shave_says_what_it_needs() -> None:
    assert shave(np.zeros((9, 10, 3)), border=4).shape == (1, 2, 3)
    with pytest.raises(ValueError, match="larger than 8"):
        shave(np.zeros((8, 10, 3)), border=4)
