"""The parts that all charts share: size, colours, text that fits, the opening of the SVG, ticks and markers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
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
LINE = 1.15  # a line's height in ems
_BOLD = 1.17  # how much wider a bold text is
_NARROW, _WIDE = frozenset("ijlftrI.,:;'|/()[]-"), frozenset("mw%+−×…")
RADIUS = 5  # of a point, with some space around it
EDGE, GAP = 2, 10  # between a text and the end of the drawing, and between a label and its line


@dataclass(frozen=True)
class Layout:
    """Size and margins of a drawing in pixels, and the largest text size that must fit.

    A chart that is not `standalone` uses the style sheet and the legend of its page.
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
"""A complete SVG file with style, title and legend."""
INLINE = Layout(width=420, height=300, left=64, right=16, top=14, bottom=50, text=14, standalone=False)
"""Part of an HTML page: classes instead of styles, so that the page's colours and its policy hold."""


def opening(title: str, description: str, layout: Layout) -> str:
    """Return the start of a chart: the element `svg`, its description and, in a standalone file, style and title."""
    kind = "" if layout.standalone else ' class="chart"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg"{kind} viewBox="0 0 {layout.width} {layout.height}" role="img"'
        f" aria-label={quoteattr(title)}>"
    ]
    lines += [f"<desc>{escape(description)}</desc>"] if description else []
    if layout.standalone:
        lines += [f"<style>{_STYLE}</style>"]
        lines += [title_text(title, layout)]
    return "\n".join(lines)


def title_text(title: str, layout: Layout) -> str:
    """Return the title above a chart, squeezed if it would not fit."""
    room = layout.width - layout.left - EDGE
    squeezed = pressed(text_width(title, _TITLE, bold=True), room)
    return f'<text class="title" x="{layout.left}" y="26"{squeezed}>{escape(title)}</text>'


def pressed(width: float, room: int) -> str:
    """Return the attributes that squeeze a text of this width into `room` pixels; empty if it fits."""
    return f' textLength="{room}" lengthAdjust="spacingAndGlyphs"' if width > room else ""


def ticks(across: Scale, x: Axis, layout: Layout) -> Iterable[str]:
    """The ticks and the label of a horizontal axis, below the drawing."""
    bottom = layout.height - layout.bottom
    for tick in across.ticks():
        at = across(tick)
        yield f'<line class="axis" x1="{at:.1f}" y1="{bottom}" x2="{at:.1f}" y2="{bottom + 5}"/>'
        yield inside(x.form(tick), at, bottom + 20, layout)
    yield inside(x.label, (layout.left + layout.width - layout.right) / 2, layout.height - 12, layout)


def inside(text: str, at: float, down: float, layout: Layout) -> str:
    """Return a text centred at `at`, or moved just far enough that the edge of the drawing does not cut it."""
    half, stop = text_width(text, layout.text) / 2, layout.width - EDGE
    place, anchor = (stop, "end") if at + half > stop else (EDGE, "start") if at - half < EDGE else (at, "middle")
    return f'<text x="{place:.1f}" y="{down}" text-anchor="{anchor}">{fitting(text, layout.width, layout)}</text>'


def text_width(text: str, size: int, *, bold: bool = False) -> float:
    """Return the approximate width of a text in pixels, in a wide font such as DejaVu Sans."""
    return sum(map(_ems, text)) * size * (_BOLD if bold else 1)


def _ems(sign: str) -> float:
    if sign.isspace() or sign in _NARROW:
        return 0.35
    return 0.78 if sign.isupper() or sign in _WIDE else 0.64


def fitting(text: str, width: float, layout: Layout, *, bold: bool = False) -> str:
    """Return the start of a text that fits into a width, as markup, with `…` if it is cut."""
    shown = (text, *(f"{text[:most]}…" for most in range(len(text) - 2, 0, -1)))
    return escape(next((one for one in shown if text_width(one, layout.text, bold=bold) <= width), "…"))


def vertical(kind: str, at: float, top: float, bottom: float, text: str) -> str:
    """Return a vertical line of the CSS class `kind`, with a tooltip."""
    return (
        f'<line class="{kind}" x1="{at:.1f}" y1="{top:.1f}" x2="{at:.1f}" y2="{bottom:.1f}">'
        f"<title>{escape(text)}</title></line>"
    )


def marker(number: int, *, hollow: bool = False) -> str:
    """Return the attributes of a marker: filled, or hollow on a dashed line, to distinguish lines that overlap."""
    colour = PALETTE[number % len(PALETTE)]
    return (
        f'class="point s{number}{" hollow" if hollow else ""}" r="4" stroke="{colour}" stroke-width="1.5" '
        f'fill="{"#fff" if hollow else colour}"'
    )
