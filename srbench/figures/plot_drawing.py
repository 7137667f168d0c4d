"""Draw plots: scores over size or speed, and differences of models to a base, image by image."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from srbench.figures.canvas import fitting_size, require_signs, save, style
from srbench.figures.plot_data import Differences, PlotPoint

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text
    from matplotlib.transforms import Bbox

# The colours of Okabe and Ito (2008), which colour-blind readers can distinguish.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
_MARKERS = "os^Dv<>P*X"
_MOST_NAMES = 24
"""For at most this many images, their names are written below the bars."""

# Possible places of a label relative to its point: offset in units of the text size, and alignment.
_PLACES = ((0.6, 0.6, "left"), (-0.6, 0.6, "right"), (0.6, -1.4, "left"), (-0.6, -1.4, "right"), (0, 1.1, "center"))


def plot_points(
    points: Sequence[PlotPoint],
    path: Path,
    *,
    titles: tuple[str, str],
    heading: str,
    width: float,
    font: str,
    size: float,
) -> None:
    """Write a plot of points with their labels; the x axis is logarithmic where values differ by a factor above 20.

    `titles` are of the x and the y axis; `width` is in inches, `size` of the text in points.
    """
    from matplotlib.figure import Figure

    require_signs(font, [*titles, heading, *(point.label for point in points)])
    with style(font):
        figure = Figure(figsize=(width, width * 0.68), layout="constrained")
        axes = _axes(figure, titles, heading, size)
        values = [point.x for point in points]
        if max(values) > 20 * min(values):
            axes.set_xscale("log")
        for number, point in enumerate(points):
            marker, colour = _MARKERS[number % len(_MARKERS)], _COLOURS[number % len(_COLOURS)]
            axes.plot(point.x, point.y, marker, color=colour, markersize=size * 0.7)
        axes.margins(0.18, 0.15)
        _label(figure, axes, points, size)
        save(figure, path)


def plot_differences(
    found: Sequence[Differences],
    path: Path,
    *,
    title: str,
    heading: str,
    width: float,
    font: str,
    size: float,
) -> None:
    """Write a plot of differences per image, sorted by the first model's: bars for one model, lines for several."""
    from matplotlib.figure import Figure

    names = found[0].images
    require_signs(font, [title, heading, *names, *(one.label for one in found)])
    order = np.argsort(-found[0].values, kind="stable")
    with style(font):
        figure = Figure(figsize=(width, width * 0.62), layout="constrained")
        axes = _axes(figure, ("images", title), heading, size)
        axes.axhline(0, color="black", linewidth=0.6)
        places = np.arange(len(names))
        marker_size = size * (0.45 if len(names) <= _MOST_NAMES else 0.3)
        for number, one in enumerate(found):
            colour = _COLOURS[number % len(_COLOURS)]
            if len(found) == 1:
                axes.bar(places, one.values[order], color=colour, width=0.8)
            else:
                marker = _MARKERS[number % len(_MARKERS)]
                axes.plot(
                    places,
                    one.values[order],
                    marker,
                    color=colour,
                    markersize=marker_size,
                    label=one.label,
                )
        if len(names) <= _MOST_NAMES:
            labels = axes.set_xticks(places, [names[index] for index in order], rotation=90)
            _plain(label.label1 for label in labels)
            axes.set_xlabel("")
        else:
            axes.set_xticks([])
        if len(found) > 1:
            _plain(axes.legend(fontsize=size, frameon=False).get_texts())
        save(figure, path)


def _axes(figure: Figure, titles: tuple[str, str], heading: str, size: float) -> Axes:
    from matplotlib.font_manager import FontProperties

    axes = figure.add_subplot()
    axes.tick_params(labelsize=size, width=0.6, length=2.5)
    axes.set_xlabel(titles[0], fontsize=size, parse_math=False)
    axes.set_ylabel(titles[1], fontsize=size, parse_math=False)
    width = 0.95 * float(figure.get_size_inches()[0])
    axes.set_title(heading, fontsize=fitting_size(heading, FontProperties(), size, width), parse_math=False)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(linewidth=0.3, alpha=0.6)
    axes.set_axisbelow(True)
    return axes


def _label(figure: Figure, axes: Axes, points: Sequence[PlotPoint], size: float) -> None:
    """Write each label at the first place where it hides no other label and no point."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # places are known after the layout
    renderer = canvas.get_renderer()
    taken = [_around(axes, point, figure.dpi * size / 150) for point in points]
    for number, point in enumerate(points):
        for dx, dy, align in _PLACES:
            text = axes.annotate(
                point.label,
                (point.x, point.y),
                xytext=(dx * size, dy * size),
                textcoords="offset points",
                ha=align,
                fontsize=size,
                parse_math=False,
            )
            extent = text.get_window_extent(renderer)
            inside = axes.bbox.x0 <= extent.x0 and extent.x1 <= figure.bbox.x1
            if inside and not any(extent.overlaps(other) for index, other in enumerate(taken) if index != number):
                break
            if (dx, dy, align) != _PLACES[-1]:
                text.remove()
        taken.append(extent)


def _around(axes: Axes, point: PlotPoint, reach: float) -> Bbox:
    from matplotlib.transforms import Bbox

    x, y = axes.transData.transform((point.x, point.y))
    return Bbox.from_extents(x - reach, y - reach, x + reach, y + reach)


def _plain(texts: Iterable[Text]) -> None:
    """Write texts unchanged: `$` does not start a formula."""
    for text in texts:
        text.set_parse_math(False)
