"""Plots as SVG text: readable without scripts, in light and dark, in colours that the colour-blind can tell apart."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

# Okabe and Ito's palette, without its yellow, which is too light for lines on white.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#666666")
"""Colours by series, reused in order."""

_WIDTH, _HEIGHT = 760, 460
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 190, 48, 56
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#222}.title{font-size:16px;font-weight:600}"
    ".axis{stroke:#777;fill:none}.grid{stroke:#ddd;fill:none}.line{fill:none;stroke-width:2}"
    "@media(prefers-color-scheme:dark){text{fill:#ddd}.grid{stroke:#444}.axis{stroke:#999}}"
)


@dataclass(frozen=True)
class Series:
    """One line: a name for the legend, points (x, y), a place in the palette, dashed or not."""

    name: str
    points: tuple[tuple[float, float], ...]
    colour: int = 0
    dashed: bool = False


@dataclass(frozen=True)
class Axis:
    """One axis: its label, and whether it is logarithmic (then every value must be positive)."""

    label: str
    logarithmic: bool = False


def line_chart(series: Sequence[Series], *, title: str, x: Axis, y: Axis) -> str:
    """Lines with markers, a legend on the right and each value as a tooltip; a whole SVG document.

    Raises ValueError where there is no finite point, or one that a logarithmic axis cannot show.
    """
    return _chart(series, title=title, x=x, y=y, lines=True)


def scatter_chart(series: Sequence[Series], *, title: str, x: Axis, y: Axis) -> str:
    """Points without lines, one legend entry per series; otherwise like `line_chart`."""
    return _chart(series, title=title, x=x, y=y, lines=False)


def _chart(series: Sequence[Series], *, title: str, x: Axis, y: Axis, lines: bool) -> str:
    points = [point for one in series for point in one.points]
    across = _Scale.over([point[0] for point in points], x, _LEFT, _WIDTH - _RIGHT)
    upward = _Scale.over([point[1] for point in points], y, _HEIGHT - _BOTTOM, _TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img"'
        f" aria-label={quoteattr(title)}>",
        f"<style>{_STYLE}</style>",
        f'<text class="title" x="{_LEFT}" y="26">{escape(title)}</text>',
        *_axes(across, upward, x, y),
    ]
    for index, one in enumerate(series):
        parts += _series(one, across, upward, lines=lines)
        parts += _legend(one, index, lines=lines)
    return "\n".join([*parts, "</svg>", ""])


@dataclass(frozen=True)
class _Scale:
    """From data to pixels along one axis."""

    low: float
    high: float
    start: float
    stop: float
    logarithmic: bool

    @classmethod
    def over(cls, values: Sequence[float], axis: Axis, start: float, stop: float) -> _Scale:
        """A scale that holds every value, with its ends on ticks."""
        if not values or not all(map(math.isfinite, values)):
            raise ValueError(f"expected finite values along {axis.label!r}, got {list(values)[:5]}")
        low, high = min(values), max(values)
        if axis.logarithmic:
            if low <= 0:
                raise ValueError(f"expected positive values along the logarithmic axis {axis.label!r}, got {low}")
            first = math.floor(math.log10(low))
            last = max(math.ceil(math.log10(high)), first + 1)
            return cls(10.0**first, 10.0**last, start, stop, True)
        step = _step(high - low)
        first = math.floor(low / step)
        last = max(math.ceil(high / step), first + 1)
        return cls(first * step, last * step, start, stop, False)

    def __call__(self, value: float) -> float:
        if self.logarithmic:
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.stop - self.start)

    def ticks(self) -> list[float]:
        """Round values from end to end; powers of ten, with 2 and 5 where there is room, on a logarithmic axis."""
        if not self.logarithmic:
            step = _step(self.high - self.low)
            return [self.low + step * index for index in range(round((self.high - self.low) / step) + 1)]
        decades = range(round(math.log10(self.low)), round(math.log10(self.high)) + 1)
        factors = (1, 2, 5) if len(decades) <= 4 else (1,)
        return [factor * 10.0**decade for decade in decades for factor in factors if factor * 10.0**decade <= self.high]


def _step(span: float) -> float:
    """A round step that divides a span into four to ten parts."""
    rough = (span or 1) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)


def _axes(across: _Scale, upward: _Scale, x: Axis, y: Axis) -> Iterable[str]:
    bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    for tick in upward.ticks():
        at = upward(tick)
        yield f'<line class="grid" x1="{_LEFT}" y1="{at:.1f}" x2="{right}" y2="{at:.1f}"/>'
        yield f'<text x="{_LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{tick:g}</text>'
    for tick in across.ticks():
        at = across(tick)
        yield f'<line class="axis" x1="{at:.1f}" y1="{bottom}" x2="{at:.1f}" y2="{bottom + 5}"/>'
        yield f'<text x="{at:.1f}" y="{bottom + 20}" text-anchor="middle">{tick:g}</text>'
    yield f'<path class="axis" d="M{_LEFT} {_TOP}V{bottom}H{right}"/>'
    middle = (_TOP + bottom) / 2
    yield f'<text x="{(_LEFT + right) / 2}" y="{_HEIGHT - 12}" text-anchor="middle">{escape(x.label)}</text>'
    yield f'<text transform="translate(18 {middle}) rotate(-90)" text-anchor="middle">{escape(y.label)}</text>'


def _series(one: Series, across: _Scale, upward: _Scale, *, lines: bool) -> Iterable[str]:
    colour = PALETTE[one.colour % len(PALETTE)]
    placed = [(across(x), upward(y)) for x, y in one.points]
    if lines and placed:
        path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in placed)
        yield f'<path class="line" stroke="{colour}"{_dash(one)} d="{path}"/>'
    for (x, y), (left, top) in zip(one.points, placed, strict=True):
        text = escape(f"{one.name}: {x:g}, {y:.4g}")
        yield f'<circle cx="{left:.1f}" cy="{top:.1f}" {_marker(one, colour)}><title>{text}</title></circle>'


def _legend(one: Series, index: int, *, lines: bool) -> Iterable[str]:
    left, top = _WIDTH - _RIGHT + 16, _TOP + 10 + 22 * index
    colour = PALETTE[one.colour % len(PALETTE)]
    if lines:
        yield f'<line class="line" stroke="{colour}"{_dash(one)} x1="{left}" y1="{top}" x2="{left + 26}" y2="{top}"/>'
    yield f'<circle cx="{left + 13}" cy="{top}" {_marker(one, colour)}/>'
    yield f'<text x="{left + 34}" y="{top + 4}">{escape(one.name)}</text>'


def _marker(one: Series, colour: str) -> str:
    """Filled, or hollow on a dashed line: two lines that lie on each other can still be told apart."""
    return f'r="4" stroke="{colour}" stroke-width="1.5" fill="{"#fff" if one.dashed else colour}"'


def _dash(one: Series) -> str:
    return ' stroke-dasharray="6 4"' if one.dashed else ""
