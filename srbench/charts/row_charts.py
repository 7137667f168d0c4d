"""Charts of rows below each other: means with their intervals, and sums of two parts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from xml.sax.saxutils import escape

from srbench.charts.scales import Axis, Scale
from srbench.charts.svg import (
    EDGE,
    GAP,
    INLINE,
    PALETTE,
    Layout,
    fitting,
    marker,
    opening,
    text_width,
    ticks,
    vertical,
)

_HEAD, _ROW = 10, 24  # heights in pixels: of the space above the rows, and of each row
_BAR, _BAND = 8, 3  # height of a bar, and smallest width of the band, in pixels
_ARROW = 7


@dataclass(frozen=True)
class Interval:
    """One row of an interval chart: a mean and its interval.

    `strong` marks the row that matters most, `hollow` a row of weaker evidence. Consecutive intervals of one `group`
    are printed below its name.
    """

    label: str
    low: float
    mean: float
    high: float
    strong: bool = False
    group: str = ""
    hollow: bool = False


@dataclass(frozen=True)
class PartsBar:
    """One row of a parts chart: a total, which is the sum of two parts, and the first of these parts."""

    label: str
    first: float
    total: float


def interval_chart(
    intervals: Sequence[Interval],
    *,
    title: str,
    x: Axis,
    margin: float,
    description: str = "",
    reach: float | None = None,
) -> str:
    """Return intervals around a line at zero, with a band from -`margin` to `margin`, as a part of an HTML page.

    What is beyond -`reach` or `reach` is cut: an arrow points to it. Raises ValueError for no or infinite intervals.
    """
    rows = [
        row
        for group, members in groupby(intervals, key=lambda one: one.group)
        for row in (*([group] if group else []), *members)
    ]
    left = _label_width([(one.label, one.strong) for one in intervals])
    layout = replace(INLINE, height=_HEAD + _ROW * len(rows) + INLINE.bottom, top=_HEAD, left=left)
    if not all(math.isfinite(value) for one in intervals for value in (one.low, one.high)):
        raise ValueError(f"expected finite values along {x.label!r}, got an interval without an end")
    ends = [_within(end, reach) for one in intervals for end in (one.low, one.high)]
    across = Scale.over([*ends, -margin, margin], x, layout.left, layout.width - layout.right)
    parts = [opening(title, description, layout), *_frame(across, x, layout, margin)]
    for row, one in enumerate(rows):
        at = layout.top + _ROW * (row + 0.5)
        parts += _group_name(one, layout, at) if isinstance(one, str) else _interval(one, across, x, layout, at, reach)
    return "\n".join([*parts, "</svg>", ""])


def parts_chart(bars: Sequence[PartsBar], *, title: str, x: Axis, parts: tuple[str, str], description: str = "") -> str:
    """Return bars from zero to the first part, and from there to the total, as a part of an HTML page.

    `parts` name the two parts. A line across each row marks the total. Raises ValueError for no or infinite bars.
    """
    left = _label_width([(one.label, False) for one in bars])
    layout = replace(INLINE, height=_HEAD + _ROW * len(bars) + INLINE.bottom, top=_HEAD, left=left)
    values = [value for one in bars for value in (one.first, one.total, 0.0)]
    across = Scale.over(values, x, layout.left, layout.width - layout.right)
    drawn = [opening(title, description, layout), *_frame(across, x, layout, 0)]
    for row, one in enumerate(bars):
        drawn += _parts(one, across, x, layout, layout.top + _ROW * (row + 0.5), parts)
    return "\n".join([*drawn, "</svg>", ""])


def _within(value: float, reach: float | None) -> float:
    return value if reach is None else max(-reach, min(reach, value))


def _label_width(labels: Iterable[tuple[str, bool]]) -> int:
    """Return the left margin in which the longest label fits, at most half of the drawing."""
    widest = max((text_width(label, INLINE.text, bold=bold) for label, bold in labels), default=0)
    return min(math.ceil(widest) + GAP + EDGE, INLINE.width // 2)


def _frame(across: Scale, x: Axis, layout: Layout, margin: float) -> Iterable[str]:
    """Draw the axis, the band around zero and the line at zero."""
    bottom = layout.height - layout.bottom
    yield from ticks(across, x, layout)
    if margin:
        left, right = across(-margin), across(margin)
        wider = max(0.0, _BAND - (right - left)) / 2
        yield (
            f'<rect class="band" x="{left - wider:.1f}" y="{layout.top}" width="{right - left + 2 * wider:.1f}" '
            f'height="{bottom - layout.top}"/>'
        )
    yield f'<path class="axis" d="M{layout.left} {bottom}H{layout.width - layout.right}"/>'
    yield vertical("axis", across(0), layout.top, bottom, "no difference")


def _group_name(name: str, layout: Layout, at: float) -> Iterable[str]:
    yield f'<text class="name" x="{EDGE}" y="{at + 4:.1f}">{fitting(name, layout.width, layout)}</text>'


def _label(text: str, layout: Layout, at: float, *, strong: bool = False) -> str:
    kind = ' class="strong"' if strong else ""
    label = fitting(text, layout.left - GAP, layout, bold=strong)
    return f'<text{kind} x="{layout.left - GAP}" y="{at + 4:.1f}" text-anchor="end">{label}</text>'


def _interval(one: Interval, across: Scale, x: Axis, layout: Layout, at: float, reach: float | None) -> Iterable[str]:
    colour = 1 if one.strong else 0
    complete = f"{one.group}, {one.label}" if one.group else one.label
    text = escape(f"{complete}: {x.form(one.mean)} ({x.form(one.low)} to {x.form(one.high)})")
    low, mean, high = (across(_within(value, reach)) for value in (one.low, one.mean, one.high))
    yield _label(one.label, layout, at, strong=one.strong)
    yield f'<path class="line s{colour}" stroke="{PALETTE[colour]}" d="M{low:.1f} {at:.1f}H{high:.1f}"/>'
    for value, place, way in ((one.low, low, 1), (one.high, high, -1)):
        if value != _within(value, reach):
            points = f"{place:.1f} {at:.1f}l{way * _ARROW} {-_ARROW / 2}v{_ARROW}z"
            yield f'<path class="s{colour}" fill="{PALETTE[colour]}" d="M{points}"><title>{text}</title></path>'
    if one.mean == _within(one.mean, reach):
        drawn = marker(colour, hollow=one.hollow)
        yield f'<circle cx="{mean:.1f}" cy="{at:.1f}" {drawn}><title>{text}</title></circle>'


def _parts(one: PartsBar, across: Scale, x: Axis, layout: Layout, at: float, names: tuple[str, str]) -> Iterable[str]:
    rest = one.total - one.first
    text = escape(
        f"{one.label}: {x.form(one.total)} = {x.form(one.first)} ({names[0]}) and {x.form(rest)} ({names[1]})"
    )
    yield _label(one.label, layout, at)
    for colour, (start, stop), top in ((0, (0.0, one.first), at - _BAR), (1, (one.first, one.total), at)):
        left, right = sorted((across(start), across(stop)))
        yield (
            f'<rect class="bar part s{colour}" fill="{PALETTE[colour]}" x="{left:.1f}" y="{top:.1f}" '
            f'width="{max(right - left, 0.5):.1f}" height="{_BAR}"><title>{text}</title></rect>'
        )
    yield vertical("total axis", across(one.total), at - _BAR - 1, at + _BAR + 1, text)
