"""imresize against MATLAB's own output, against a float64 transcription of MATLAB's algorithm, and exact facts."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import srbench
from srbench.degradations import crop_to_multiple
from srbench.images import decode, pixel_sha256
from srbench.resize import imresize

RATIOS = (
    Fraction(1, 2),
    Fraction(1, 3),
    Fraction(1, 4),
    Fraction(1, 8),
    Fraction(2),
    Fraction(3),
    Fraction(4),
    Fraction(8),
    Fraction(3, 2),
    Fraction(5, 7),
    Fraction(89, 200),
)


def matlab_pass(image: NDArray[np.float64], scale: float, border: str) -> NDArray[np.float64]:
    """MATLAB's `contributions` and weighting along axis 0, written plainly in float64."""
    size = image.shape[0]
    width = 4 / min(scale, 1)
    u = np.arange(1, int(np.ceil(size * scale)) + 1) / scale + 0.5 * (1 - 1 / scale)
    index = np.floor(u - width / 2)[:, None] + np.arange(int(np.ceil(width)) + 2)
    x = np.abs((u[:, None] - index) * min(scale, 1))
    weights = np.where(x <= 1, 1.5 * x**3 - 2.5 * x**2 + 1, np.where(x <= 2, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2, 0))
    weights /= weights.sum(1, keepdims=True)
    mirrored = np.r_[0:size, size - 1 : -1 : -1]
    rows = index.astype(int) - 1
    rows = mirrored[rows % (2 * size)] if border == "symmetric" else rows.clip(0, size - 1)
    return np.einsum("ok,ok...->o...", weights, image[rows])


@pytest.mark.parametrize("border", ["symmetric", "replicate"])
@pytest.mark.parametrize("ratio", RATIOS, ids=str)
def test_float_follows_matlabs_algorithm(ratio: Fraction, border: Literal["symmetric", "replicate"]) -> None:
    image = np.random.default_rng(1).uniform(-1, 2, (31, 18))
    expected = matlab_pass(matlab_pass(image, float(ratio), border).T, float(ratio), border).T
    resized = imresize(image, ratio, border=border)
    assert np.abs(resized - expected).max() < 1e-12
    batch = torch.from_numpy(np.stack([image, image[::-1].copy()]))[None]
    assert np.abs(imresize(batch, ratio, border=border)[0, 0].numpy() - expected).max() < 1e-12


@pytest.mark.parametrize("dataset", ["Set5", "Set14"])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_no_value_differs_from_matlabs_lr(test_data: Path, dataset: str, scale: int) -> None:
    published = json.loads((test_data / "reference" / "fingerprints.json").read_text())["datasets"]
    expected = {entry["name"]: entry["sha256_rgb"] for entry in published[f"{dataset}/LR_bicubic/X{scale}"]["images"]}
    made = {
        f"{path.stem}x{scale}": pixel_sha256(imresize(crop_to_multiple(decode(path), scale=scale), 1 / scale))
        for path in (test_data / "data" / dataset / "HR").iterdir()
    }
    assert made == expected


def ties(scale: int) -> NDArray[np.uint8]:
    """Two-level images whose LR values lie at .5 or next to it: steps of odd height at every phase."""
    rows = np.arange(60)[:, None, None] // np.array([1, 2, 3, 5])[None, None, :]
    low = np.arange(0, 240, 3)[None, :, None]
    return (low + (rows % 2) * np.array([1, 3, 5, 15])).astype(np.uint8)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_numpy_and_torch_agree_on_every_value(scale: int) -> None:
    random = np.random.default_rng(scale).integers(0, 256, (600, 500, 3), dtype=np.uint8)
    for image in (random, ties(scale)):
        for ratio in (Fraction(1, scale), Fraction(scale)):
            batch = imresize(torch.from_numpy(image).permute(2, 0, 1)[None], ratio)
            assert np.array_equal(batch[0].permute(1, 2, 0).numpy(), imresize(image, ratio))


def test_ties_go_up() -> None:
    image = np.tile(np.array([[0], [1]], np.uint8), (8, 16))  # the mean of 0 and 1 is .5 away from the border
    assert (imresize(image, 0.5)[2:-2, 2:-2] == 1).all()


def test_public_name_and_sizes(random_image: NDArray[np.uint8]) -> None:
    assert srbench.imresize(random_image, scale=1 / 4, border="replicate").shape == (12, 13, 3)
    assert imresize(random_image[..., 0], 1).tolist() == random_image[..., 0].tolist()
    floating = imresize(np.array([[0.0, 0.0, 1.0, 1.0]]), 2)
    assert floating.min() < 0 and floating.max() > 1, "float input must be neither rounded nor clipped"
    assert imresize(random_image.astype(np.float32), 2).dtype == np.float32


@pytest.mark.parametrize("scale", [0, -1, float("nan"), float("inf")])
def test_scale_must_be_positive(scale: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        imresize(np.zeros((4, 4), np.uint8), scale)


def test_other_input_is_refused() -> None:
    with pytest.raises(TypeError, match="int32"):
        imresize(np.zeros((4, 4), np.int32), 2)
    with pytest.raises(TypeError, match="expected a NumPy array or a torch tensor, got list"):
        imresize([[1, 2], [3, 4]], scale=2)  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="border"):
        imresize(np.zeros((4, 4), np.uint8), 2, border="reflect")  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="non-empty"):
        imresize(np.zeros((0, 4), np.uint8), 2)
