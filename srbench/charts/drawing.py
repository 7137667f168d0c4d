"""Plots as SVG text: readable without scripts, in light and dark, in colours that the colour-blind can tell apart."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from xml.sax.saxutils import escape, quoteattr

from srbench.charts.scales import Axis, Scale

# Okabe and Ito's palette, without its yellow, which is too light for lines on white.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#666666")
"""Colours by series, reused in order."""

_TITLE = 16  # the size of a title's text
_STYLE = (
    f"text{{font:13px system-ui,sans-serif;fill:#222}}.title{{font-size:{_TITLE}px;font-weight:600}}"
    ".axis{stroke:#777;fill:none}.grid{stroke:#ddd;fill:none}.line{fill:none;stroke-width:2}"
    "@media(prefers-color-scheme:dark){text{fill:#ddd}.grid{stroke:#444}.axis{stroke:#999}}"
)
_LINE = 1.15  # a line's height in ems
_BOLD = 1.17  # how much wider a bold text is
_NARROW, _WIDE = frozenset("ijlftrI.,:;'|/()[]-"), frozenset("mw%+−×…")
_RADIUS = 5  # of a point, with a little air
_HEAD, _ROW = 10, 24  # of an interval chart: above its lines, and of each line
_EDGE, _GAP = 2, 10  # between a text and the end of the drawing, and between a label and its line


@dataclass(frozen=True)
class Series:
    """One line or cloud: a name for the legend, points (x, y), a place in the palette, dashed (hollow) or not.

    `labels` name each point in its tooltip, `links` are what a click on it opens where scripts run; `named` draws
    labels beside the points as far as there is room; `stepped` joins points by steps, whatever the chart does.
    """

    name: str
    points: tuple[tuple[float, float], ...]
    colour: int = 0
    dashed: bool = False
    labels: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    named: bool = False
    stepped: bool = False


@dataclass(frozen=True)
class Interval:
    """One line of an interval chart: a mean and the interval around it; `strong` is the one that matters most.

    Intervals of one `group` that follow each other stand below its name.
    """

    label: str
    low: float
    mean: float
    high: float
    strong: bool = False
    group: str = ""


@dataclass(frozen=True)
class Layout:
    """Size and margins in pixels, and the largest size of text that there has to be room for.

    A page's own style sheet and legend serve a chart that is not `standalone`.
    """

    width: int = 760
    height: int = 460
    left: int = 70
    right: int = 190
    top: int = 48
    bottom: int = 56
    text: int = 13
    standalone: bool = True


STANDALONE = Layout()
"""A whole SVG file with its own style, title and legend."""
INLINE = Layout(width=420, height=300, left=64, right=16, top=14, bottom=50, text=14, standalone=False)
"""Part of an HTML page: classes instead of styles, so that the page's colours and its policy hold."""


def line_chart(
    series: Sequence[Series], *, title: str, x: Axis, y: Axis, description: str = "", layout: Layout = STANDALONE
) -> str:
    """Lines with markers, a legend on the right and each value as a tooltip; a whole SVG element.

    Raises ValueError where there is no finite point, or one that a logarithmic axis cannot show.
    """
    return _chart(series, title, x, y, description, layout, lines=True)


def scatter_chart(
    series: Sequence[Series], *, title: str, x: Axis, y: Axis, description: str = "", layout: Layout = STANDALONE
) -> str:
    """Points without lines, one legend entry per series; otherwise like `line_chart`."""
    return _chart(series, title, x, y, description, layout, lines=False)


def histogram_chart(
    values: Sequence[float],
    labels: Sequence[str],
    *,
    title: str,
    x: Axis,
    description: str = "",
    layout: Layout = STANDALONE,
) -> str:
    """How values spread: bars of equal width count them, a tick on the axis marks each, a line the mean.

    Raises ValueError where there is no value or one is not finite.
    """
    across = Scale.over(values, x, layout.left, layout.width - layout.right)
    edges, counts = _bins(values, across)
    y = Axis("images")
    upward = Scale.over([0, 4, *counts], y, layout.height - layout.bottom, layout.top)
    middle, bottom = across(sum(values) / len(values)), layout.height - layout.bottom
    parts = [_opening(title, description, layout), *_axes(across, upward, x, y, layout)]
    for low, high, count in zip(edges, edges[1:], counts, strict=False):
        parts += _bar(across(low), across(high), bottom, upward(count), f"{x.form(low)} to {x.form(high)}: {count}")
    parts += [
        _vertical("rug axis", across(value), bottom - 7, bottom, f"{label}: {value:.5g}")
        for value, label in zip(values, labels, strict=True)
    ]
    return "\n".join([*parts, _vertical("mean axis", middle, layout.top, bottom, "mean"), "</svg>", ""])


def interval_chart(intervals: Sequence[Interval], *, title: str, x: Axis, margin: float, description: str = "") -> str:
    """Intervals below each other around a line at zero, and a band from -`margin` to `margin`; part of an HTML page.

    Raises ValueError where there is no interval or an end of one is not finite.
    """
    rows = [
        row
        for group, members in groupby(intervals, key=lambda one: one.group)
        for row in (*([group] if group else []), *members)
    ]
    layout = replace(INLINE, height=_HEAD + _ROW * len(rows) + INLINE.bottom, top=_HEAD, left=_room(intervals))
    ends = [end for one in intervals for end in (one.low, one.high)]
    across = Scale.over([*ends, -margin, margin], x, layout.left, layout.width - layout.right)
    bottom = layout.height - layout.bottom
    parts = [_opening(title, description, layout), *_ticks(across, x, layout)]
    parts += [
        f'<rect class="band" x="{across(-margin):.1f}" y="{layout.top}" '
        f'width="{across(margin) - across(-margin):.1f}" height="{bottom - layout.top}"/>',
        f'<path class="axis" d="M{layout.left} {bottom}H{layout.width - layout.right}"/>',
        _vertical("axis", across(0), layout.top, bottom, "no difference"),
    ]
    for row, one in enumerate(rows):
        parts += _row(one, across, x, layout, layout.top + _ROW * (row + 0.5))
    return "\n".join([*parts, "</svg>", ""])


def _room(intervals: Sequence[Interval]) -> int:
    """The left margin in which the longest label fits, but never more than half of the drawing."""
    widest = max((_width(one.label, INLINE.text, bold=one.strong) for one in intervals), default=0)
    return min(math.ceil(widest) + _GAP + _EDGE, INLINE.width // 2)


def _width(text: str, size: int, *, bold: bool = False) -> float:
    """About how wide a text is in pixels, in a wide font such as DejaVu Sans."""
    return sum(map(_ems, text)) * size * (_BOLD if bold else 1)


def _ems(sign: str) -> float:
    if sign.isspace() or sign in _NARROW:
        return 0.35
    return 0.78 if sign.isupper() or sign in _WIDE else 0.64


def _fitting(text: str, width: float, layout: Layout, *, bold: bool = False) -> str:
    """As much of a text as fits into a width, as markup, with a sign where there was more."""
    shown = (text, *(f"{text[:most]}…" for most in range(len(text) - 2, 0, -1)))
    return escape(next((one for one in shown if _width(one, layout.text, bold=bold) <= width), "…"))


def _row(one: Interval | str, across: Scale, x: Axis, layout: Layout, at: float) -> Iterable[str]:
    if isinstance(one, str):
        yield f'<text class="name" x="{_EDGE}" y="{at + 4:.1f}">{_fitting(one, layout.width, layout)}</text>'
        return
    colour = 1 if one.strong else 0
    whole = f"{one.group}, {one.label}" if one.group else one.label
    text = escape(f"{whole}: {x.form(one.mean)} ({x.form(one.low)} to {x.form(one.high)})")
    kind = ' class="strong"' if one.strong else ""
    label = _fitting(one.label, layout.left - _GAP, layout, bold=one.strong)
    yield f'<text{kind} x="{layout.left - _GAP}" y="{at + 4:.1f}" text-anchor="end">{label}</text>'
    yield (
        f'<path class="line s{colour}" stroke="{PALETTE[colour]}" d="M{across(one.low):.1f} {at:.1f}'
        f'H{across(one.high):.1f}"/>'
    )
    yield (f'<circle cx="{across(one.mean):.1f}" cy="{at:.1f}" {_marker(colour)}><title>{text}</title></circle>')


def _bar(left: float, right: float, bottom: float, top: float, text: str) -> Iterable[str]:
    if top < bottom:
        yield (
            f'<rect class="bar" fill="{PALETTE[0]}" fill-opacity="0.6" x="{left + 0.5:.1f}" y="{top:.1f}" '
            f'width="{right - left - 1:.1f}" height="{bottom - top:.1f}"><title>{escape(text)}</title></rect>'
        )


def _vertical(kind: str, at: float, top: float, bottom: float, text: str) -> str:
    return (
        f'<line class="{kind}" x1="{at:.1f}" y1="{top:.1f}" x2="{at:.1f}" y2="{bottom:.1f}">'
        f"<title>{escape(text)}</title></line>"
    )


def _chart(
    series: Sequence[Series], title: str, x: Axis, y: Axis, description: str, layout: Layout, *, lines: bool
) -> str:
    points = [point for one in series for point in one.points]
    across = Scale.over([point[0] for point in points], x, layout.left, layout.width - layout.right)
    upward = Scale.over([point[1] for point in points], y, layout.height - layout.bottom, layout.top)
    parts = [_opening(title, description, layout), *_axes(across, upward, x, y, layout)]
    for index, one in enumerate(series):
        placed = [(across(x), upward(y)) for x, y in one.points]
        parts += _series(one, placed, x, lines=lines)
        if layout.standalone:
            parts += _legend(one, index, layout, lines=lines)
    return "\n".join([*parts, *_names(series, across, upward, layout), "</svg>", ""])


def _opening(title: str, description: str, layout: Layout) -> str:
    kind = "" if layout.standalone else ' class="chart"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg"{kind} viewBox="0 0 {layout.width} {layout.height}" role="img"'
        f" aria-label={quoteattr(title)}>"
    ]
    lines += [f"<desc>{escape(description)}</desc>"] if description else []
    if layout.standalone:
        lines += [f"<style>{_STYLE}</style>"]
        lines += [_title(title, layout)]
    return "\n".join(lines)


def _title(title: str, layout: Layout) -> str:
    room = layout.width - layout.left - _EDGE
    pressed = _pressed(_width(title, _TITLE, bold=True), room)
    return f'<text class="title" x="{layout.left}" y="26"{pressed}>{escape(title)}</text>'


def _pressed(width: float, room: int) -> str:
    """What presses a text of this width together where it would be cut."""
    return f' textLength="{room}" lengthAdjust="spacingAndGlyphs"' if width > room else ""


def _bins(values: Sequence[float], across: Scale) -> tuple[list[float], list[int]]:
    """Edges and counts of equal bins over a linear scale, about as many as the square root of the values says."""
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
    yield from _ticks(across, x, layout)
    yield f'<path class="axis" d="M{layout.left} {layout.top}V{bottom}H{right}"/>'
    middle = (layout.top + bottom) / 2
    yield f'<text transform="translate(14 {middle}) rotate(-90)" text-anchor="middle">{escape(y.label)}</text>'


def _ticks(across: Scale, x: Axis, layout: Layout) -> Iterable[str]:
    """The ticks and the label of a horizontal axis, below the drawing."""
    bottom = layout.height - layout.bottom
    for tick in across.ticks():
        at = across(tick)
        yield f'<line class="axis" x1="{at:.1f}" y1="{bottom}" x2="{at:.1f}" y2="{bottom + 5}"/>'
        yield _inside(x.form(tick), at, bottom + 20, layout)
    yield _inside(x.label, (layout.left + layout.width - layout.right) / 2, layout.height - 12, layout)


def _inside(text: str, at: float, down: float, layout: Layout) -> str:
    """A text around `at`, moved inwards where an end of it would be cut."""
    half, stop = _width(text, layout.text) / 2, layout.width - _EDGE
    place, anchor = (stop, "end") if at + half > stop else (_EDGE, "start") if at - half < _EDGE else (at, "middle")
    return f'<text x="{place:.1f}" y="{down}" text-anchor="{anchor}">{_fitting(text, layout.width, layout)}</text>'


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
            f'<circle cx="{left:.1f}" cy="{top:.1f}" {_marker(one.colour, hollow=one.dashed)}{target}>'
            f"<title>{text}</title></circle>"
        )


def _path(one: Series, placed: Sequence[tuple[float, float]]) -> str:
    if not one.stepped:
        return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in placed)
    first, *others = placed
    return f"M{first[0]:.1f} {first[1]:.1f}" + "".join(f"H{x:.1f}V{y:.1f}" for x, y in others)


def _names(series: Sequence[Series], across: Scale, upward: Scale, layout: Layout) -> Iterable[str]:
    """Labels beside points, in order, where they neither leave the chart nor lie on a point or an earlier label."""
    places = [(across(x), upward(y)) for one in series if not one.stepped for x, y in one.points]
    taken = [_Box(left - _RADIUS, top - _RADIUS, left + _RADIUS, top + _RADIUS) for left, top in places]
    for one in series:
        for (x, y), label in zip(one.points, one.labels if one.named else (), strict=False):
            box = next(
                (
                    box
                    for box in _beside(across(x), upward(y), label, layout)
                    if layout.left < box.left and box.right < layout.width and not any(map(box.meets, taken))
                ),
                None,
            )
            if box is not None:
                taken.append(box)
                place = f'x="{box.right:.1f}" text-anchor="end"' if box.right < across(x) else f'x="{box.left:.1f}"'
                yield f'<text class="name" {place} y="{box.bottom - 3:.1f}">{escape(label)}</text>'


@dataclass(frozen=True)
class _Box:
    """A rectangle in pixels."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: _Box) -> bool:
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )


def _beside(x: float, y: float, label: str, layout: Layout) -> Iterable[_Box]:
    """Where a point's label may stand: above or below, to the right or to the left."""
    width, height = _width(label, layout.text), _LINE * layout.text
    for top in (y - 1 - height, y + 1):
        for left in (x + _RADIUS + 1, x - _RADIUS - 1 - width):
            yield _Box(left, top, left + width, top + height)


def _legend(one: Series, index: int, layout: Layout, *, lines: bool) -> Iterable[str]:
    left, top = layout.width - layout.right + 16, layout.top + 10 + 22 * index
    colour = PALETTE[one.colour % len(PALETTE)]
    if lines or one.stepped:
        yield f'<line class="line" stroke="{colour}"{_dash(one)} x1="{left}" y1="{top}" x2="{left + 26}" y2="{top}"/>'
    if not one.stepped:
        yield f'<circle cx="{left + 13}" cy="{top}" {_marker(one.colour, hollow=one.dashed)}/>'
    pressed = _pressed(_width(one.name, layout.text), layout.width - left - 34 - _EDGE)
    yield f'<text x="{left + 34}" y="{top + 4}"{pressed}>{escape(one.name)}</text>'


def _marker(number: int, *, hollow: bool = False) -> str:
    """Filled, or hollow on a dashed line: two lines that lie on each other can still be told apart."""
    colour = PALETTE[number % len(PALETTE)]
    return (
        f'class="point s{number}{" hollow" if hollow else ""}" r="4" stroke="{colour}" stroke-width="1.5" '
        f'fill="{"#fff" if hollow else colour}"'
    )


def _dash(one: Series) -> str:
    return ' stroke-dasharray="6 4"' if one.dashed else ""
