from __future__ import annotations

import numpy as np
import pytest

from srbench.crop_boxes import STEP, CropBox, best_boxes, choose_boxes, interest, parse_box
from srbench.errors import FigureError


def test_best_box_equals_exhaustive_search() -> None:
    values = np.random.default_rng(3).random((60, 72))
    (mean, box), *_ = best_boxes(values, 1, width=20, height=16)
    means = {
        (x, y): values[y : y + 16, x : x + 20].mean() for y in range(0, 60 - 15, STEP) for x in range(0, 72 - 19, STEP)
    }
    best = max(means, key=lambda place: means[place])
    assert (box.x, box.y) == best and mean == pytest.approx(means[best])


def test_boxes_of_one_image_never_overlap() -> None:
    boxes = [box for _, box in best_boxes(np.random.default_rng(4).random((64, 64)), 6, width=16, height=24)]
    assert len(boxes) == 6
    assert not any(a.overlaps(b) for index, a in enumerate(boxes) for b in boxes[:index])


def test_each_image_gives_one_box_before_any_gives_two() -> None:
    maps = {"dull": np.full((32, 32), 0.1), "rich": np.full((32, 32), 9.0), "small": np.ones((8, 8))}
    names = [name for name, _ in choose_boxes(maps, 3, width=16, height=16)]
    assert names == ["rich", "dull", "rich"]


def test_interest_needs_texture_and_disagreement() -> None:
    weight = np.zeros((8, 8))
    weight[:, 4:] = 2
    first, second = np.zeros((8, 8)), np.zeros((8, 8))
    second[:4] = 10
    found = interest(weight, [first, second])
    assert found[0, 7] == 2 * 25 and not found[:, :4].any() and not found[4:].any()
    assert np.array_equal(interest(weight, [first]), weight)


def test_box_may_touch_the_border_but_not_cross_it() -> None:
    CropBox(10, 20, 30, 40).require_inside(60, 40, name="x")
    with pytest.raises(FigureError, match=r"x: expected a box inside 39×60 pixels, got 10,20,30,40 .* ends at 40,60"):
        CropBox(10, 20, 30, 40).require_inside(60, 39, name="x")


@pytest.mark.parametrize("text", ["1,2,3", "a,b,c,d", "-1,0,4,4", "0,0,0,4", "1,2,3,4,5", ""])
def test_texts_that_are_no_box_are_refused(text: str) -> None:
    with pytest.raises(FigureError, match="expected a box"):
        parse_box(text)


def test_images_smaller_than_the_box_are_refused() -> None:
    with pytest.raises(FigureError, match="contains a box of 64×48 pixels"):
        choose_boxes({"a": np.ones((20, 20))}, 1, width=64, height=48)
