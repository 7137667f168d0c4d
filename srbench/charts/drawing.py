"""Plots as SVG text: readable without scripts, in light and dark, in colours for colour-blind readers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from xml.sax.saxutils import escape, quoteattr

from srbench.charts.inset import SmallPoint, free_corner, least_shown, overview
from srbench.charts.labels import LabelPlaces, stepped_corners
from srbench.charts.scales import Axis, Scale
from srbench.charts.svg import (
    EDGE,
    PALETTE,
    RADIUS,
    STANDALONE,
    Layout,
    marker,
    opening,
    pressed,
    text_width,
    ticks,
    vertical,
)

Arrow = tuple[tuple[float, float], tuple[float, float], str]
"""From one point (x, y) to another, with a tooltip."""


@dataclass(frozen=True)
class Series:
    """A line or a set of points: name in the legend, points (x, y), index of the colour, dashed (hollow) or not.

    `labels` name each point in its tooltip, `links` are what a click on it opens where scripts run; `named` draws
    labels next to the points where they fit; `stepped` joins points by steps, in any chart.
    """

    name: str
    points: tuple[tuple[float, float], ...]
    colour: int = 0
    dashed: bool = False
    labels: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    named: bool = False
    stepped: bool = False

    def above(self, least: float) -> Series:
        """Return the same series without points whose y is below `least`."""
        kept = [index for index, point in enumerate(self.points) if point[1] >= least]
        points = tuple(self.points[index] for index in kept)
        labels, links = (tuple(texts[index] for index in kept if texts) for texts in (self.labels, self.links))
        return replace(self, points=points, labels=labels, links=links)


def line_chart(
    series: Sequence[Series], *, title: str, x: Axis, y: Axis, description: str = "", layout: Layout = STANDALONE
) -> str:
    """Return lines with markers, a legend on the right and each value as a tooltip, as a complete SVG element.

    Raises ValueError where there is no finite point, or one that a logarithmic axis cannot show.
    """
    return _chart(series, title, x, y, description, layout, lines=True)


def scatter_chart(
    series: Sequence[Series],
    *,
    title: str,
    x: Axis,
    y: Axis,
    description: str = "",
    layout: Layout = STANDALONE,
    arrows: Sequence[Arrow] = (),
) -> str:
    """Return a chart of points without lines, with arrows between points. Otherwise it is like `line_chart`."""
    return _chart(series, title, x, y, description, layout, lines=False, arrows=arrows)


def histogram_chart(
    values: Sequence[float],
    *,
    title: str,
    x: Axis,
    description: str = "",
    layout: Layout = STANDALONE,
) -> str:
    """Return a histogram: bars of equal width count the values, ticks mark each value and a line their mean.

    Raises ValueError where there is no value or one is not finite.
    """
    across = Scale.over(values, x, layout.left, layout.width - layout.right)
    edges, counts = _bins(values, across)
    y = Axis("images")
    upward = Scale.over([0, 4, *counts], y, layout.height - layout.bottom, layout.top)
    middle, bottom = across(sum(values) / len(values)), layout.height - layout.bottom
    parts = [opening(title, description, layout), *_axes(across, upward, x, y, layout)]
    for low, high, count in zip(edges, edges[1:], counts, strict=False):
        parts += _bar(across(low), across(high), bottom, upward(count), f"{x.form(low)} to {x.form(high)}: {count}")
    ticks_of_values = "".join(f"M{across(value):.1f} {bottom - 7}v7" for value in values)
    parts.append(f'<path class="rug axis" d="{ticks_of_values}"/>')  # one path for up to a thousand values
    return "\n".join([*parts, vertical("mean axis", middle, layout.top, bottom, "mean"), "</svg>", ""])


def _bar(left: float, right: float, bottom: float, top: float, text: str) -> Iterable[str]:
    if top < bottom:
        yield (
            f'<rect class="bar" fill="{PALETTE[0]}" fill-opacity="0.6" x="{left + 0.5:.1f}" y="{top:.1f}" '
            f'width="{right - left - 1:.1f}" height="{bottom - top:.1f}"><title>{escape(text)}</title></rect>'
        )


def _chart(
    series: Sequence[Series],
    title: str,
    x: Axis,
    y: Axis,
    description: str,
    layout: Layout,
    *,
    lines: bool,
    arrows: Sequence[Arrow] = (),
) -> str:
    shown, corner_points = _split(series, x, lines=lines, layout=layout, y=y)
    points = [point for one in shown for point in one.points]
    across, upward = _scales(points, x, y, layout)
    places = LabelPlaces(layout)
    parts = [opening(title, description, layout), *_axes(across, upward, x, y, layout)]
    spots = {point: (across(point[0]), upward(point[1])) for point in points}
    for spot in (spots[point] for one in shown if not one.stepped for point in one.points):
        places.take_point(spot)
    if corner_points and (corner := free_corner(list(spots.values()), layout)):
        places.taken.append(corner)
        parts += overview(corner, corner_points)
    for start, end, text in arrows:
        if start in spots and end in spots:
            parts.append(_arrow(spots[start], spots[end], text))
            places.take_line(spots[start], spots[end])
    for index, one in enumerate(shown):
        placed = [spots[point] for point in one.points]
        parts += _series(one, placed, x, lines=lines)
        for start_spot, end_spot in stepped_corners(placed) if one.stepped else ():
            places.take_line(start_spot, end_spot)
        if layout.standalone:
            parts += _legend(one, index, layout, lines=lines)
    return "\n".join([*parts, *_names(shown, spots, places), "</svg>", ""])


def _scales(points: Sequence[tuple[float, float]], x: Axis, y: Axis, layout: Layout) -> tuple[Scale, Scale]:
    across = Scale.over([point[0] for point in points], x, layout.left, layout.width - layout.right)
    return across, Scale.over([point[1] for point in points], y, layout.height - layout.bottom, layout.top)


def _split(
    series: Sequence[Series], x: Axis, *, lines: bool, layout: Layout, y: Axis
) -> tuple[Sequence[Series], list[SmallPoint]]:
    """Return the series without low outliers, and the points of an overview, which is empty without outliers."""
    clouds = [one for one in series if not one.stepped]
    least = None if lines else least_shown([point[1] for one in clouds for point in one.points])
    if least is None:
        return series, []
    shown = [one.above(least) for one in series]
    across, upward = _scales([point for one in shown for point in one.points], x, y, layout)
    spots = [(across(point[0]), upward(point[1])) for one in shown if not one.stepped for point in one.points]
    if free_corner(spots, layout) is None:
        return series, []
    small = [
        SmallPoint(
            (math.log(point[0]) if x.logarithmic else point[0], point[1]),
            one.colour,
            f"{label}: {x.form(point[0])}, {point[1]:.5g}",
            point[1] >= least,
        )
        for one in clouds
        for point, label in zip(one.points, one.labels or (one.name,) * len(one.points), strict=True)
    ]
    return shown, small


def _bins(values: Sequence[float], across: Scale) -> tuple[list[float], list[int]]:
    """Return the edges and counts of equal bins over a linear scale.

    Their number is about the square root of the number of values.
    """
    number = max(4, min(30, round(math.sqrt(len(values)) * 1.5)))
    width = (across.high - across.low) / number
    counts = [0] * number
    for value in values:
        counts[min(number - 1, int((value - across.low) / width))] += 1
    return [across.low + width * index for index in range(number + 1)], counts


def _axes(across: Scale, upward: Scale, x: Axis, y: Axis, layout: Layout) -> Iterable[str]:
    bottom, right = layout.height - layout.bottom, layout.width - layout.right
    for tick in upward.ticks():
        at = upward(tick)
        yield f'<line class="grid" x1="{layout.left}" y1="{at:.1f}" x2="{right}" y2="{at:.1f}"/>'
        yield f'<text x="{layout.left - 8}" y="{at + 4:.1f}" text-anchor="end">{escape(y.form(tick))}</text>'
    yield from ticks(across, x, layout)
    yield f'<path class="axis" d="M{layout.left} {layout.top}V{bottom}H{right}"/>'
    middle = (layout.top + bottom) / 2
    yield f'<text transform="translate(14 {middle}) rotate(-90)" text-anchor="middle">{escape(y.label)}</text>'


def _series(one: Series, placed: Sequence[tuple[float, float]], across: Axis, *, lines: bool) -> Iterable[str]:
    colour = PALETTE[one.colour % len(PALETTE)]
    if placed and (lines or one.stepped):
        yield f'<path class="line s{one.colour}" stroke="{colour}"{_dash(one)} d="{_path(one, placed)}"/>'
    if one.stepped:
        return
    labels = one.labels or (one.name,) * len(placed)
    links = one.links or ("",) * len(placed)
    for (x, y), (left, top), label, link in zip(one.points, placed, labels, links, strict=True):
        text = escape(f"{label}: {across.form(x)}, {y:.5g}")
        target = f" data-href={quoteattr(link)}" if link else ""
        yield (
            f'<circle cx="{left:.1f}" cy="{top:.1f}" {marker(one.colour, hollow=one.dashed)}{target}>'
            f"<title>{text}</title></circle>"
        )


def _arrow(start: tuple[float, float], end: tuple[float, float], text: str) -> str:
    """Draw a line from one point to the edge of another, with a head there; nothing where the points overlap."""
    across, down = end[0] - start[0], end[1] - start[1]
    length = math.hypot(across, down)
    if length < 3 * RADIUS:
        return ""
    cos, sin = across / length, down / length
    tip = end[0] - RADIUS * cos, end[1] - RADIUS * sin
    left, right = ((tip[0] - 6 * cos + way * 3 * sin, tip[1] - 6 * sin - way * 3 * cos) for way in (1, -1))
    head = f"M{left[0]:.1f} {left[1]:.1f}L{tip[0]:.1f} {tip[1]:.1f}L{right[0]:.1f} {right[1]:.1f}"
    return (
        f'<path class="axis arrow" d="M{start[0]:.1f} {start[1]:.1f}L{tip[0]:.1f} {tip[1]:.1f}{head}">'
        f"<title>{escape(text)}</title></path>"
    )


def _path(one: Series, placed: Sequence[tuple[float, float]]) -> str:
    if not one.stepped:
        return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in placed)
    first, *others = placed
    return f"M{first[0]:.1f} {first[1]:.1f}" + "".join(f"H{x:.1f}V{y:.1f}" for x, y in others)


def _names(
    series: Sequence[Series], spots: Mapping[tuple[float, float], tuple[float, float]], places: LabelPlaces
) -> Iterable[str]:
    """Draw the labels of the points, of filled ones first, then from the highest point to the lowest.

    A point gets no label if there is no free place for it.
    """
    wanted = [
        (one.dashed, -point[1], point, label)
        for one in series
        for point, label in zip(one.points, one.labels if one.named else (), strict=False)
    ]
    for *_, point, label in sorted(wanted):
        yield places.label(spots[point], label)


def _legend(one: Series, index: int, layout: Layout, *, lines: bool) -> Iterable[str]:
    left, top = layout.width - layout.right + 16, layout.top + 10 + 22 * index
    colour = PALETTE[one.colour % len(PALETTE)]
    if lines or one.stepped:
        yield f'<line class="line" stroke="{colour}"{_dash(one)} x1="{left}" y1="{top}" x2="{left + 26}" y2="{top}"/>'
    if not one.stepped:
        yield f'<circle cx="{left + 13}" cy="{top}" {marker(one.colour, hollow=one.dashed)}/>'
    squeezed = pressed(text_width(one.name, layout.text), layout.width - left - 34 - EDGE)
    yield f'<text x="{left + 34}" y="{top + 4}"{squeezed}>{escape(one.name)}</text>'


def _dash(one: Series) -> str:
    return ' stroke-dasharray="6 4"' if one.dashed else ""
