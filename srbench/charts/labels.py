"""Find free places for the labels of points: away from points, lines and other labels."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from xml.sax.saxutils import escape

from srbench.charts.svg import LINE, RADIUS, Layout, text_width

Spot = tuple[float, float]
"""A place in the drawing, in pixels from its left and upper edge."""

_STEP = 6
"""Pixels between the boxes that stand for a line."""


@dataclass(frozen=True)
class LabelBox:
    """A rectangle in pixels."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: LabelBox) -> bool:
        """Return whether two rectangles overlap."""
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )


@dataclass
class LabelPlaces:
    """The shapes that labels must not cover: points, lines, an overview, and labels that were placed before."""

    layout: Layout
    taken: list[LabelBox] = field(default_factory=list)

    def take_point(self, at: Spot) -> None:
        """Let no label cover this point."""
        self.taken.append(LabelBox(at[0] - RADIUS, at[1] - RADIUS, at[0] + RADIUS, at[1] + RADIUS))

    def take_line(self, start: Spot, end: Spot) -> None:
        """Let no label cover this straight line."""
        self.taken.extend(_along(start, end))

    def label(self, at: Spot, text: str) -> str:
        """Return the label of a point as SVG; empty if there is no free place for it.

        A label that is not next to its point is joined to it by a line.
        """
        for box in _around(at, text, self.layout):
            leader = _leader(at, box)
            if self._is_free(box) and not any(line.meets(other) for line in _along(*leader) for other in self.taken):
                self.taken.append(box)
                return _drawn(at, box, text, leader)
        return ""

    def _is_free(self, box: LabelBox) -> bool:
        layout = self.layout
        inside = layout.left < box.left and box.right < layout.width and box.top >= 0
        above_axis = box.bottom < layout.height - layout.bottom
        return inside and above_axis and not any(map(box.meets, self.taken))


def _along(*ends: Spot) -> list[LabelBox]:
    """Return small boxes that together cover a straight line; empty if there is no line."""
    if not ends:
        return []
    start, end = ends
    steps = max(1, math.ceil(math.dist(start, end) / _STEP))
    spots = [tuple(a + (b - a) * step / steps for a, b in zip(start, end, strict=True)) for step in range(steps + 1)]
    return [LabelBox(x - 1, y - 1, x + 1, y + 1) for x, y in spots]


def _leader(at: Spot, box: LabelBox) -> tuple[()] | tuple[Spot, Spot]:
    """Return the ends of the line from a point to its label; empty for a label next to its point."""
    x, y = at
    edge = box.bottom if box.bottom < y else box.top
    if abs(edge - y) <= 2 * RADIUS:
        return ()
    start = y - RADIUS - 2 if edge < y else y + RADIUS + 2
    return (x, start), (min(max(x, box.left + 4), box.right - 4), edge)


def _drawn(at: Spot, box: LabelBox, text: str, leader: tuple[()] | tuple[Spot, Spot]) -> str:
    # A text may be narrower than its box, so it is aligned with the side of the box that is nearest to the point.
    middle = (box.left + box.right) / 2
    anchors = {"start": box.left, "middle": middle, "end": box.right}
    side = "middle" if abs(middle - at[0]) < 1 else "end" if middle < at[0] else "start"
    place = f'x="{anchors[side]:.1f}" y="{box.bottom - 3:.1f}" text-anchor="{side}"'
    drawn = f'<text class="name" {place}>{escape(text)}</text>'
    if not leader:
        return drawn
    (x, y), (joint, edge) = leader
    return f'<path class="axis leader" d="M{x:.1f} {y:.1f}L{joint:.1f} {edge:.1f}"/>{drawn}'


def _around(at: Spot, text: str, layout: Layout) -> Iterator[LabelBox]:
    """Return the possible places of a label: next to its point, above and below it, then one and two lines away."""
    (x, y), width, height = at, text_width(text, layout.text), LINE * layout.text
    right, left, middle = x + RADIUS + 1, x - RADIUS - 1 - width, x - width / 2
    near = [(start, top) for top in (y - 1 - height, y + 1) for start in (right, left)]
    near += [(middle, y - RADIUS - 1 - height), (middle, y + RADIUS + 1)]
    far = [
        (start, top)
        for away in (1.2 * height, 2.2 * height)
        for top in (y - RADIUS - away - height, y + RADIUS + away)
        for start in (middle, x - 8, x + 8 - width)
    ]
    for start, top in (*near, *far):
        yield LabelBox(start, top, start + width, top + height)


def stepped_corners(placed: Sequence[Spot]) -> Iterable[tuple[Spot, Spot]]:
    """Return the straight parts of a line that joins points by steps, first across and then up or down."""
    for (x, y), (right, other) in pairwise(placed):
        yield (x, y), (right, y)
        yield (right, y), (right, other)
