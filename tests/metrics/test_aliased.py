"""The texture-aliasing score: a zone plate, an independent implementation, exact facts."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from srbench.datasets import open_dataset
from srbench.metrics import aliasing_weight, weighted_psnr
from srbench.protocols import ALIASING_LOBES, get_protocol, protocol_names
from srbench.result import evaluate

SCALES = (2, 3, 4)


def nyquist_weight(image: NDArray[np.float64], scale: int) -> NDArray[np.float32]:
    return aliasing_weight(image, cutoff=1 / (2 * scale), lobes=ALIASING_LOBES, sigma=scale)


def written_out(image: NDArray[np.float64], scale: int) -> NDArray[np.float64]:
    """The definition in float64 with SciPy's filters; its `reflect` repeats the edge pixel, as ours does."""
    half = ALIASING_LOBES * scale
    x = np.arange(-half, half + 1)
    taps = np.sinc(x / scale) * np.sinc(x / (half + 1))
    taps /= taps.sum()
    low = ndimage.convolve1d(ndimage.convolve1d(image, taps, axis=0, mode="reflect"), taps, axis=1, mode="reflect")
    return np.asarray(ndimage.gaussian_filter((image - low) ** 2, scale, mode="reflect", truncate=4))


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_equals_the_definition_written_with_scipy(scale: int) -> None:
    random = np.random.default_rng(scale)
    reference = random.uniform(16, 235, (61, 83))
    other = reference + random.normal(0, 5, reference.shape)
    expected = written_out(reference, scale)
    weight = nyquist_weight(reference, scale)
    assert np.abs(weight / expected - 1).max() < 1e-5
    mse = (expected * (reference - other) ** 2).sum() / expected.sum()
    assert weighted_psnr(other, reference, weight, data_range=255) == pytest.approx(
        10 * math.log10(255**2 / mse), abs=1e-5
    )


@pytest.mark.parametrize("scale", SCALES)
def test_zone_plate_has_weight_from_the_nyquist_radius_on(scale: int) -> None:
    """cos(πr²/n) has the local frequency r/n: the LR's limit 1/(2·scale) lies at r = n/(2·scale) along an axis."""
    n, amplitude = 512, 100.0
    x = np.arange(n) - n // 2
    weight = nyquist_weight(127.5 + amplitude * np.cos(np.pi * (x[:, None] ** 2 + x**2) / n), scale)
    plateau, radius = amplitude**2 / 2, n / (2 * scale)
    row, column = weight[n // 2], weight[:, n // 2]
    for ray in (row[n // 2 :], row[n // 2 : 0 : -1], column[n // 2 :], column[n // 2 : 0 : -1]):
        # Half of the amplitude, a quarter of its square, passes at the cut-off itself.
        assert abs(int(np.argmax(ray > plateau / 4)) - radius) <= 2
        assert ray[: int(0.8 * radius)].max() < 0.05 * plateau
        # Beyond 0.4 cycles per pixel the samples of the plate itself beat with its phase.
        assert ray[int(1.3 * radius) : int(0.4 * n)].min() > 0.9 * plateau


def test_exact_facts() -> None:
    flat = np.full((30, 40), 97.3)
    assert not nyquist_weight(flat, 4).any()
    assert weighted_psnr(flat, flat + 1, nyquist_weight(flat, 4), data_range=255) is None
    random = np.random.default_rng(0).uniform(0, 255, (30, 40))
    weight = nyquist_weight(random, 2)
    assert weighted_psnr(random, random, weight, data_range=255) == math.inf
    # An error that is the same everywhere weighs the same whatever the weight.
    assert weighted_psnr(random, random + 5, weight, data_range=255) == pytest.approx(20 * math.log10(51), abs=1e-9)
    assert np.allclose(nyquist_weight(random + 64, 2), weight, rtol=1e-4)


def test_refuses_colour_and_numbers_without_meaning() -> None:
    with pytest.raises(ValueError, match="H×W"):
        nyquist_weight(np.zeros((4, 4, 3)), 2)
    with pytest.raises(ValueError, match="positive"):
        aliasing_weight(np.zeros((4, 4)), cutoff=0.0, lobes=4, sigma=2)
    with pytest.raises(ValueError, match="one shape"):
        weighted_psnr(np.zeros((4, 4)), np.zeros((4, 4)), np.zeros((4, 5)), data_range=255)


def test_only_the_matlab_y_protocols_have_it(random_image: NDArray[np.uint8]) -> None:
    having = []
    for name in protocol_names():
        protocol = get_protocol(name)
        hr = random_image[:45, :48]
        scores = protocol.score(np.full_like(hr, 128), hr, scale=3)
        assert tuple(scores) == protocol.columns
        having += [name] if "psnr_y_aliased" in scores else []
    assert having == ["matlab-y", "matlab-y-rounded"]


def test_aliased_score_uses_weights_computed_before_the_shave(random_image: NDArray[np.uint8]) -> None:
    protocol = get_protocol("matlab-y")
    hr, _ = protocol.prepare(random_image, scale=3)
    luma = protocol.scoring.luma
    assert luma is not None
    sr = hr // 2
    weight, error = written_out(luma(hr), 3)[3:-3, 3:-3], (luma(sr) - luma(hr))[3:-3, 3:-3]
    expected = 10 * math.log10(255**2 * weight.sum() / (weight * error**2).sum())
    assert protocol.score(sr, hr, scale=3)["psnr_y_aliased"] == pytest.approx(expected, abs=1e-5)
    assert np.allclose(protocol.scoring.aliasing_weight(hr, scale=3), written_out(luma(hr), 3), rtol=1e-4)


def test_aliased_texture_is_harder_than_the_rest(test_data: Path) -> None:
    scores = evaluate("bicubic", open_dataset("Set5", data_root=test_data / "data"), scale=4).scores
    assert (scores["psnr_y_aliased"] < scores["psnr_y"] - 2.5).all()
