"""Protocols: exact definitions, invariants, and the bicubic baseline that every table prints."""

from __future__ import annotations

import csv
import math
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from srbench import resize
from srbench.errors import ProtocolError, UnknownNameError
from srbench.images import decode
from srbench.protocols import arrays, get_protocol, protocol_names
from srbench.resize import imresize

BICUBIC_SET5 = {2: (33.673, 0.9303), 3: (30.403, 0.8689), 4: (28.429, 0.8111)}


@pytest.mark.parametrize("scale", BICUBIC_SET5)
def test_bicubic_baseline_on_set5(test_data: Path, scale: int) -> None:
    protocol = get_protocol("matlab-y")
    scores = []
    for path in sorted((test_data / "data/Set5/HR").iterdir()):
        hr, lr = protocol.prepare(decode(path), scale=scale)
        scores.append(list(protocol.score(imresize(lr, scale), hr, scale=scale).values()))
    psnr, ssim, _ = np.mean(np.array(scores, dtype=np.float64), axis=0)
    assert (round(psnr, 3), round(ssim, 4)) == BICUBIC_SET5[scale]


@pytest.mark.parametrize("name", ["matlab-y", "matlab-y-rounded", "matlab-rgb", "div2k-rgb", "ntire-esr", "bam2021"])
def test_prepare_and_score_of_every_protocol(name: str, random_image: NDArray[np.uint8]) -> None:
    protocol = get_protocol(name)
    hr, lr = protocol.prepare(random_image, scale=3)
    assert (hr.shape, lr.shape, hr.dtype, lr.dtype) == ((45, 48, 3), (15, 16, 3), np.uint8, np.uint8)
    perfect = {column: 1.0 if column.startswith("ssim") else math.inf for column in protocol.columns}
    assert protocol.score(hr, hr, scale=3) == perfect
    assert protocol.psnr_lr(hr, lr, scale=3) == math.inf


def test_shave_differs_only_where_the_definition_says(random_image: NDArray[np.uint8]) -> None:
    hr = random_image[:45, :48]
    framed = hr.copy()
    framed[:3], framed[-3:], framed[:, :3], framed[:, -3:] = 0, 0, 0, 0
    for name in ("matlab-y", "matlab-y-rounded", "matlab-rgb", "bam2021"):
        assert next(iter(get_protocol(name).score(framed, hr, scale=3).values())) == math.inf
    framed[:9] = 0
    assert get_protocol("matlab-y").score(framed, hr, scale=3)["psnr_y"] != math.inf
    assert get_protocol("div2k-rgb").score(framed, hr, scale=3)["psnr_rgb"] == math.inf


def test_challenge_rules_differ_only_in_the_shave(random_image: NDArray[np.uint8]) -> None:
    hr = random_image[:45, :48]
    sr = hr // 2
    inner = np.ascontiguousarray(hr[6:-6, 6:-6]), np.ascontiguousarray(sr[6:-6, 6:-6])
    esr, div2k = get_protocol("ntire-esr"), get_protocol("div2k-rgb")
    assert esr.score(sr, hr, scale=3) == get_protocol("matlab-rgb").score(sr, hr, scale=3)
    assert div2k.score(sr, hr, scale=3) == esr.score(inner[1], inner[0], scale=3)
    assert esr.preparation.lr_source("made") == "given"


@pytest.mark.parametrize("name", protocol_names())
def test_lr_sources_of_every_protocol(name: str) -> None:
    preparation = get_protocol(name).preparation
    given = "any" if name == "pairs-y" else "given"
    made = given if name in ("div2k-rgb", "ntire-esr", "pairs-y") else "made"
    assert (preparation.lr_source("made"), preparation.lr_source("any")) == (made, "any")
    assert preparation.ships_lr == (made != "made")
    if name in ("bam2021", "bd", "dn-srbench1"):
        with pytest.raises(ProtocolError, match="makes its own LR"):
            preparation.lr_source("given")
    else:
        assert preparation.lr_source("given") == given


# pyiqa's constant in the MSE of images in [0, 1]; `pairs-y` leaves it out.
_PYIQA_EPSILON = 1e-8


def test_pairs_y_matches_the_osediff_log(test_data: Path) -> None:
    protocol = get_protocol("pairs-y")
    with (test_data / "reference/osediff_log6.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6
    for row in rows:
        sr, hr = (decode(test_data / f"data/OSEDiff6/{side}/{row['image']}.png") for side in ("SR", "HR"))
        scores = protocol.score(sr, hr, scale=4)
        assert scores["ssim_y"] == pytest.approx(float(row["ssim_y"]), abs=1e-5)
        error = 10 ** (-(scores["psnr_y"] or 0) / 10)
        assert -10 * math.log10(error + _PYIQA_EPSILON) == pytest.approx(float(row["psnr_y"]), abs=1e-5)


def test_pairs_y_takes_only_hr_that_pairs_exactly(random_image: NDArray[np.uint8]) -> None:
    protocol = get_protocol("pairs-y")
    hr = random_image[:44, :48]
    assert protocol.preparation.reference(hr, scale=4) is hr
    with pytest.raises(ProtocolError, match=r"exactly 4 times .* got 47×44"):
        protocol.preparation.reference(random_image[:44, :47], scale=4)
    with pytest.raises(ProtocolError, match="--lr-dir"):
        protocol.prepare(hr, scale=4)
    assert protocol.psnr_lr(hr, hr[::4, ::4], scale=4) is None
    assert protocol.preparation.lr_source("made") == "any"


def test_pairs_y_scores_the_border_and_rounds_y_for_ssim(random_image: NDArray[np.uint8]) -> None:
    hr = random_image[:44, :48]
    framed = hr.copy()
    framed[:, 0] ^= 255
    assert get_protocol("pairs-y").score(framed, hr, scale=4)["psnr_y"] != math.inf
    # One step of blue changes Y by 0.098: PSNR sees it, SSIM on whole numbers mostly does not.
    nudged = np.full((44, 48, 3), 100, np.uint8)
    gray, nudged[..., 2] = nudged.copy(), 101
    scores = get_protocol("pairs-y").score(nudged, gray, scale=4)
    assert scores == {"psnr_y": pytest.approx(68.31, abs=0.01), "ssim_y": 1.0}


def test_quantisation_rounds_half_to_even_and_bam2021_does_not_round() -> None:
    sr = np.array([[[0.5 / 255, 1.5 / 255, 2.5 / 255], [-0.3, 1.7, 1.0]]])
    assert get_protocol("matlab-y").scoring.quantise(sr).tolist() == [[[0, 2, 2], [0, 255, 255]]]
    kept = get_protocol("bam2021").scoring.quantise(sr)
    assert np.allclose(kept, np.array([[[0.5, 1.5, 2.5], [0, 255, 255]]]), rtol=1e-6)


def test_tensor_and_array_score_alike(random_image: NDArray[np.uint8]) -> None:
    protocol = get_protocol("matlab-y")
    sr = np.random.default_rng(3).uniform(-0.1, 1.1, random_image.shape).astype(np.float32)
    tensor = torch.from_numpy(sr).permute(2, 0, 1)[None]
    assert protocol.score(tensor, random_image, scale=4) == protocol.score(sr, random_image, scale=4)


def test_small_images_have_psnr_but_no_ssim() -> None:
    hr = np.random.default_rng(0).integers(0, 256, (18, 40, 3), dtype=np.uint8)
    scores = get_protocol("matlab-y").score(hr // 2, hr, scale=4)
    assert scores["ssim_y"] is None
    assert math.isfinite(scores["psnr_y"] or math.nan)


@pytest.mark.parametrize(
    ("sr", "named"),
    [
        (np.full((24, 24, 3), 128.0), "up to 128"),
        (np.full((24, 24, 3), np.nan), "NaN"),
        (np.zeros((24, 20, 3), np.uint8), "20×24"),
        (np.zeros((24, 24, 3), np.int64), "int64"),
        (np.zeros((24, 24), np.uint8), "H×W×3"),
        ([[1]], "list"),
    ],
    ids=["range", "nan", "size", "dtype", "gray", "list"],
)
def test_unusable_sr_is_refused(sr: object, named: str) -> None:
    with pytest.raises(ProtocolError, match=named):
        get_protocol("matlab-y").score(sr, np.zeros((24, 24, 3), np.uint8), scale=2)


def test_nothing_left_after_the_shave_is_an_error() -> None:
    with pytest.raises(ProtocolError, match="shaves 4"):
        get_protocol("matlab-y").score(np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8, 3), np.uint8), scale=4)
    with pytest.raises(ProtocolError, match="at least 4×4"):
        get_protocol("matlab-y").prepare(np.zeros((3, 9, 3), np.uint8), scale=4)


def test_names_are_offered() -> None:
    assert protocol_names()[0] == "matlab-y"
    with pytest.raises(UnknownNameError, match="matlab-y"):
        get_protocol("matlab_y")
    with pytest.raises(UnknownNameError, match="unknown protocol None"):
        get_protocol(None)  # type: ignore[arg-type]  # the mistake
    image = np.zeros((60, 60, 3), np.uint8)
    for name, scale in (("matlab-y", 0), ("matlab-y", 5), ("bd", 4)):
        with pytest.raises(ProtocolError, match=f"is defined for .*, got ×{scale}"):
            get_protocol(name).score(image, image, scale=scale)
    with pytest.raises(ProtocolError, match="×5"):
        get_protocol("matlab-y").prepare(np.zeros((30, 30, 3), np.uint8), scale=5)


@pytest.mark.parametrize("name", protocol_names())
def test_a_large_image_is_scored_band_by_band_to_the_same_numbers(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    protocol = get_protocol(name)
    random = np.random.default_rng(3)
    original = np.asarray(Image.fromarray(random.integers(0, 256, (90, 30, 3), dtype=np.uint8)).resize((130, 620)))
    hr = np.ascontiguousarray(original[:618, :129])
    lr = hr[::3, ::3].copy()
    sr = (hr / 255 + random.normal(0, 0.02, hr.shape)).astype(np.float32)
    whole = protocol.score(sr, hr, scale=3), protocol.psnr_lr(sr, lr, scale=3)
    monkeypatch.setattr(arrays, "LARGE_PIXELS", 1000)
    monkeypatch.setattr(arrays, "BAND_PIXELS", 9000)
    monkeypatch.setattr(resize, "_LARGE_VALUES", 5000)
    banded = protocol.score(sr, hr, scale=3), protocol.psnr_lr(sr, lr, scale=3)
    assert banded[1] == whole[1]
    assert banded[0] == pytest.approx(whole[0], rel=1e-9)


def test_large_images_are_prepared_band_by_band_to_the_same_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    original = np.random.default_rng(3).integers(0, 256, (620, 130, 3), dtype=np.uint8)
    names = [name for name in protocol_names() if get_protocol(name).preparation.degradation]
    before = [get_protocol(name).prepare(original, scale=3) for name in names]
    monkeypatch.setattr(resize, "_LARGE_VALUES", 5000)
    after = [get_protocol(name).prepare(original, scale=3) for name in names]
    for first, second in zip(before, after, strict=True):
        assert all(np.array_equal(*images) for images in zip(first, second, strict=True))


def test_protocols_take_the_scales_two_three_four_and_eight() -> None:
    protocol, taken = get_protocol("matlab-y"), []
    for scale in range(2, 17):
        with suppress(ProtocolError):
            protocol.prepare(np.zeros((48, 48, 3), np.uint8), scale=scale)
            taken.append(scale)
    assert taken == [2, 3, 4, 8]


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_a_single_value_that_is_not_finite_is_refused(value: float) -> None:
    sr = np.full((24, 24, 3), 0.5)
    sr[3, 4, 1] = value
    with pytest.raises(ProtocolError, match="expected finite values"):
        get_protocol("matlab-y").score(sr, np.zeros((24, 24, 3), np.uint8), scale=4)


def test_8_bit_images_are_not_copied() -> None:
    image = np.zeros((4, 4, 3), np.uint8)
    assert np.shares_memory(arrays.to_8bit(image), image)


@pytest.mark.parametrize("name", [name for name in protocol_names() if name != "bam2021"])
def test_all_protocols_but_bam2021_round_the_output(name: str) -> None:
    sr = np.full((1, 1, 3), 100.4 / 255)
    assert get_protocol(name).scoring.quantise(sr).tolist() == [[[100, 100, 100]]]


def test_rounded_luma_keeps_the_score_of_aliased_texture() -> None:
    assert get_protocol("matlab-y-rounded").columns == get_protocol("matlab-y").columns
