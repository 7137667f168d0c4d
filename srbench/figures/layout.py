"""Draw rows of crops: at the left the complete image with its box, at the right the crops with labels and scores."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from srbench.figures.canvas import SMALLEST, fitting_size, require_signs, save, style
from srbench.figures.crop_rows import FigureRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_GAP = 0.05
_ROW_GAP = 0.08
_LINE = 1.25
_WIDEST_IMAGE = 0.45
_BOX_COLOUR = "#e6001f"


@dataclass(frozen=True)
class Rectangle:
    """A place on the figure in inches, from its left upper corner."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True)
class RowPlan:
    """Where a row's image and crops are drawn, and the row's height, in inches."""

    image: Rectangle
    panels: tuple[Rectangle, ...]
    height: float


def draw_rows(rows: Sequence[FigureRow], path: Path, *, width: float, font: str, size: float) -> float:
    """Write the figure of some rows and return the size in points of its smallest text.

    Args:
        rows: from the top to the bottom.
        path: ends with .png, .pdf or .svg.
        width: of the figure, in inches.
        font: a family that matplotlib finds.
        size: of the text in points; labels that do not fit are set smaller.

    Raises:
        FigureError: a font or sign that is missing, or a file that cannot be written.
    """
    from matplotlib.figure import Figure

    require_signs(font, [text for row in rows for panel in row.panels for text in (panel.label, panel.scores)])
    plans, tops, top = [], [], 0.0
    for row in rows:
        plans.append(plan_row(row, width=width, line=size * _LINE / 72))
        tops.append(top)
        top += plans[-1].height + _ROW_GAP
    height = top - _ROW_GAP
    with style(font):
        figure = Figure(figsize=(width, height))
        smallest = size
        for row, plan, start in zip(rows, plans, tops, strict=True):
            smallest = min(smallest, _draw_row(figure, row, plan, start, size))
        save(figure, path)
    return smallest


def plan_row(row: FigureRow, *, width: float, line: float) -> RowPlan:
    """Return the places of a row of this width, in inches; `line` is the height of a line of text.

    The crops are drawn in two lines. Crops and image end at the same height, unless the image would take more than
    45 % of the width.
    """
    columns = math.ceil(len(row.panels) / 2)
    below = line * (2 if any(panel.scores for panel in row.panels) else 1)
    ratio = row.box.height / row.box.width
    aspect = row.hr.shape[1] / row.hr.shape[0]
    # The image is as high as both lines of crops with their texts, minus the line of text below the image.
    fixed = 2 * below + _GAP - line
    crop = (width - columns * _GAP - aspect * fixed) / (columns + 2 * ratio * aspect)
    image = aspect * (2 * ratio * crop + fixed)
    if crop <= 0 or image > _WIDEST_IMAGE * width:
        image = _WIDEST_IMAGE * width
        crop = (width - image - columns * _GAP) / columns
    height = 2 * (ratio * crop + below) + _GAP
    places = []
    for number in range(len(row.panels)):
        line_number, column = divmod(number, columns)
        left = image + _GAP + column * (crop + _GAP)
        places.append(Rectangle(left, line_number * (ratio * crop + below + _GAP), crop, ratio * crop))
    image_height = image / aspect
    return RowPlan(
        Rectangle(0, max(0.0, (height - line - image_height) / 2), image, image_height),
        tuple(places),
        max(height, image_height + line),
    )


def _draw_row(figure: Figure, row: FigureRow, plan: RowPlan, top: float, size: float) -> float:
    from matplotlib.patches import Rectangle as Patch

    axes = _show(figure, row.hr, plan.image, top)
    corner = row.box.x - 0.5, row.box.y - 0.5
    axes.add_patch(Patch(corner, row.box.width, row.box.height, fill=False, edgecolor=_BOX_COLOUR, linewidth=1.0))
    smallest = _write(figure, row.label, plan.image, top, 0, size)
    for panel, place in zip(row.panels, plan.panels, strict=True):
        _show(figure, panel.crop, place, top)
        smallest = min(smallest, _write(figure, panel.label, place, top, 0, size))
        smallest = min(smallest, _write(figure, panel.scores, place, top, 1, size))
    return smallest


def _show(figure: Figure, image: NDArray[np.uint8], place: Rectangle, top: float) -> Axes:
    width, height = figure.get_size_inches()
    bottom = height - top - place.top - place.height
    axes = figure.add_axes((place.left / width, bottom / height, place.width / width, place.height / height))
    # Pixels are written unchanged; the reader's program enlarges them.
    axes.imshow(image, interpolation="none", aspect="auto")
    axes.set_axis_off()
    return axes


def _write(figure: Figure, text: str, place: Rectangle, top: float, line: int, size: float) -> float:
    from matplotlib.font_manager import FontProperties

    if not text:
        return size
    width, height = figure.get_size_inches()
    fitted = fitting_size(text, FontProperties(), size, place.width)
    y = height - top - place.top - place.height - (line + 0.5) * size * _LINE / 72
    figure.text(
        (place.left + place.width / 2) / width,
        y / height,
        text,
        size=fitted,
        ha="center",
        va="center_baseline",
        parse_math=False,
    )
    return fitted


def readable(size: float) -> bool:
    """Whether text of this size in points is readable in print."""
    return size >= SMALLEST
