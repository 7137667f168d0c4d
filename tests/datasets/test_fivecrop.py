from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from srbench.datasets.fivecrop import SYMMETRIES, FiveCropIndex, apply_symmetry, five_boxes
from srbench.datasets.pairs import pair_maker
from srbench.errors import DatasetError, UnknownNameError
from srbench.resize import imresize


def _image(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_800_pairs_become_4000_without_a_copy() -> None:
    index = FiveCropIndex(((339, 510),) * 800)
    assert len(index) == 4000
    assert index[3999] == (799, (85, 128, 169, 255))
    assert [image for image, _ in index][:7] == [0, 0, 0, 0, 0, 1, 1]


def test_crops_are_four_corners_and_the_centre_each_half_the_sides() -> None:
    image = np.arange(6 * 8).reshape(6, 8)
    crops = [box.cut(image) for box in five_boxes(6, 8)]
    assert [crop.shape for crop in crops] == [(3, 4)] * 5
    assert [int(crop[0, 0]) for crop in crops] == [0, 4, 24, 28, 18]  # 1.5 rounds to 2, as torchvision's FiveCrop does
    assert all(np.shares_memory(crop, image) for crop in crops)


def test_a_single_pixel_row_is_refused() -> None:
    with pytest.raises(DatasetError, match="at least 2×2 pixels, got 8×1"):
        five_boxes(1, 8)


def test_the_eight_symmetries_are_the_flips_and_rotations() -> None:
    image = _image(4, 4)
    expected = {np.rot90(flipped, turn).tobytes() for flipped in (image, image[:, ::-1]) for turn in range(4)}
    assert {apply_symmetry(image, symmetry).tobytes() for symmetry in range(SYMMETRIES)} == expected


def test_matlab_mode_makes_one_pair_per_image() -> None:
    image = _image(41, 61)
    [(hr, lr)] = pair_maker("matlab", scale=4)(image, "a")
    assert np.array_equal(hr, image[:40, :60])
    assert np.array_equal(lr, imresize(hr, 1 / 4))


def test_pil_per_crop_resizes_each_crop_by_pillow_as_the_papers_code_does() -> None:
    image = _image(42, 62)
    pairs = pair_maker("pil-per-crop", scale=4)(image, "a")
    corner = Image.fromarray(image[:21, :31]).resize((28, 20), Image.Resampling.BICUBIC)
    assert len(pairs) == 5
    assert np.array_equal(pairs[0][0], np.asarray(corner))
    assert np.array_equal(pairs[0][1], np.asarray(corner.resize((7, 5), Image.Resampling.BICUBIC)))


def test_unknown_lr_mode_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="pil-per-crop"):
        pair_maker("pil-per-crops", scale=4)
