from __future__ import annotations

import numpy as np
import pytest

from srbench.crop_boxes import CropBox
from srbench.figures.crop_rows import FigureRow, Panel
from srbench.figures.layout import Rectangle, plan_row


def row(height: int, width: int, panels: int) -> FigureRow:
    crop = np.zeros((48, 64, 3), dtype=np.uint8)
    image = np.zeros((height, width, 3), dtype=np.uint8)
    return FigureRow("x", image, CropBox(0, 0, 64, 48), tuple(Panel(f"{n}", crop, "1 / 2") for n in range(panels)))


def right(place: Rectangle) -> float:
    return place.left + place.width


@pytest.mark.parametrize("size", [(480, 320), (320, 480), (256, 256), (200, 900), (900, 200)])
@pytest.mark.parametrize("panels", [3, 6, 7])
@pytest.mark.parametrize("width", [3.25, 6.875])
def test_row_fills_its_width_without_overlap_or_distortion(size: tuple[int, int], panels: int, width: float) -> None:
    line = 0.12
    plan = plan_row(row(*size, panels), width=width, line=line)
    places = [plan.image, *plan.panels]
    assert max(map(right, places)) == pytest.approx(width)
    assert plan.image.width / plan.image.height == pytest.approx(size[1] / size[0])
    assert all(place.width / place.height == pytest.approx(64 / 48) for place in plan.panels)
    assert min(place.left for place in plan.panels) > right(plan.image)
    assert max(place.top + place.height for place in plan.panels) + 2 * line <= plan.height + 1e-9
    assert plan.image.top + plan.image.height + line <= plan.height + 1e-9
