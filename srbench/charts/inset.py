"""Draw an overview of all points in a corner of a chart whose low outliers are left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from srbench.charts.labels import LabelBox, Spot
from srbench.charts.svg import PALETTE, RADIUS, Layout

_SHARE = 0.3
"""Width and height of the overview, as a share of the chart's."""
_GAP = 0.35
"""The least empty part of the range, as a share, that separates outliers from the others."""
_FEW = 0.2
"""Outliers are at most this share of the points."""
_PAD = 6


def least_shown(values: Sequence[float]) -> float | None:
    """Return the lowest value that is no outlier; None where there are no outliers.

    Outliers are at most a fifth of the values, below a gap of at least 35 % of the complete range.

    Examples:
        >>> least_shown([26.0, 30.1, 30.2, 30.3, 30.4, 30.5])
        30.1
        >>> least_shown([30.1, 30.2, 30.3, 30.4, 30.5]) is None
        True
    """
    ordered = sorted(values)
    most = int(_FEW * len(ordered))
    for index in range(most, 0, -1):
        if ordered[index] - ordered[index - 1] >= _GAP * (ordered[-1] - ordered[0]) > 0:
            return ordered[index]
    return None


def free_corner(points: Sequence[Spot], layout: Layout) -> LabelBox | None:
    """Return a corner of the chart that covers no point; None where there is none."""
    right, bottom = layout.width - layout.right, layout.height - layout.bottom
    width, height = _SHARE * (right - layout.left), _SHARE * (bottom - layout.top)
    lefts, tops = (right - width, layout.left + _PAD), (bottom - height - _PAD, layout.top)
    corners = [LabelBox(left, top, left + width, top + height) for left in lefts for top in tops]
    around = [LabelBox(x - 2 * RADIUS, y - 2 * RADIUS, x + 2 * RADIUS, y + 2 * RADIUS) for x, y in points]
    return next((corner for corner in corners if not any(map(corner.meets, around))), None)


@dataclass(frozen=True)
class SmallPoint:
    """A point of the overview: its place in any unit with y upward, colour, tooltip, and whether the chart shows it."""

    at: Spot
    colour: int
    text: str
    shown: bool


def overview(corner: LabelBox, points: Sequence[SmallPoint]) -> Iterator[str]:
    """Draw all points small in a corner, with a frame around those that the chart itself shows."""
    width, height = corner.right - corner.left, corner.bottom - corner.top
    frame = f'x="{corner.left:.1f}" y="{corner.top:.1f}" width="{width:.1f}" height="{height:.1f}"'
    yield f'<rect class="axis inset" {frame}/>'
    placed = [_placed(one.at, [other.at for other in points], corner) for one in points]
    framed = [spot for spot, one in zip(placed, points, strict=True) if one.shown]
    left, top = (min(spot[axis] for spot in framed) - 4 for axis in (0, 1))
    right, bottom = (max(spot[axis] for spot in framed) + 4 for axis in (0, 1))
    yield f'<path class="axis" stroke-dasharray="2 2" d="M{left:.1f} {top:.1f}H{right:.1f}V{bottom:.1f}H{left:.1f}Z"/>'
    for (x, y), one in zip(placed, points, strict=True):
        yield (
            f'<circle class="point s{one.colour}" cx="{x:.1f}" cy="{y:.1f}" r="{1.5 if one.shown else 3}" '
            f'fill="{PALETTE[one.colour % len(PALETTE)]}"><title>{escape(one.text)}</title></circle>'
        )


def _placed(spot: Spot, all_spots: Sequence[Spot], corner: LabelBox) -> Spot:
    shares = []
    for axis in (0, 1):
        values = [one[axis] for one in all_spots]
        low, high = min(values), max(values)
        shares.append((spot[axis] - low) / (high - low) if high > low else 0.5)
    pad = 8
    across = corner.left + pad + shares[0] * (corner.right - corner.left - 2 * pad)
    return across, corner.bottom - pad - shares[1] * (corner.bottom - corner.top - 2 * pad)
