"""Set up matplotlib for figures in papers: checked fonts, text that fits, reproducible files."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from srbench.errors import FigureError
from srbench.files import explain, write_atomic

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.font_manager import FontProperties

SUFFIXES = (".png", ".pdf", ".svg")
WIDTHS = {"column": 3.25, "text": 6.875}
"""Widths in inches of one column and of both columns of a conference paper with two columns."""

DEFAULT_FONT = "STIXGeneral"
"""A Times-like font that comes with matplotlib."""

_FALLBACK = "DejaVu Sans"
SMALLEST = 5.0
"""Points below which text is not readable in print."""


def parse_width(text: str) -> float:
    """Return a width in inches from `column`, `text` or a number. Raises FigureError."""
    try:
        width = WIDTHS[text] if text in WIDTHS else float(text)
    except ValueError:
        width = 0
    if not 1 <= width <= 40:
        raise FigureError(f"expected a width of column, text, or 1 to 40 inches, got {text!r}")
    return width


def require_output(path: Path) -> None:
    """Raise FigureError, before any work is done, if the file has another format or cannot be written."""
    if path.suffix.lower() not in SUFFIXES:
        raise FigureError(f"expected a file name that ends with {', '.join(SUFFIXES)}, got {path.name!r}")
    if path.is_dir():
        raise FigureError(f"{path}: expected a file, got a folder; add a file name")
    folder = path.parent
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise FigureError(f"cannot write {path}: {folder} is no folder that may be written; choose another -o FILE")
    if find_spec("matplotlib") is None:
        raise FigureError("expected matplotlib for figures, got none; install it: pip install 'sisr-bench[figures]'")


def require_font(font: str) -> None:
    """Raise FigureError where matplotlib finds no font of this name."""
    from matplotlib.font_manager import FontProperties, findfont

    try:
        findfont(FontProperties(family=[font]), fallback_to_default=False)
    except ValueError as error:
        raise FigureError(
            f"expected a font that matplotlib finds, got {font!r}; install it, or leave out --font ({DEFAULT_FONT})"
        ) from error


@contextmanager
def style(font: str) -> Iterator[None]:
    """Set fonts and file formats while a figure is drawn: text stays text in PDF, and files hold no random numbers."""
    import matplotlib

    settings = {
        "font.family": [font, _FALLBACK],
        "pdf.fonttype": 42,
        "svg.hashsalt": "srbench",
        "axes.linewidth": 0.6,
        "savefig.dpi": 300,
    }
    with matplotlib.rc_context(settings):
        yield


def require_signs(font: str, texts: Iterable[str]) -> None:
    """Raise FigureError if the font is missing, or if neither it nor the fallback has all characters of the texts."""
    require_font(font)
    from matplotlib.font_manager import FontProperties, findfont
    from matplotlib.ft2font import FT2Font

    faces = [FT2Font(findfont(FontProperties(family=[family]))) for family in (font, _FALLBACK)]
    for text in texts:
        if not text.isprintable():
            raise FigureError(f"expected a label of printable signs on one line, got {text!r}; choose another --name")
        missing = sorted({sign for sign in text if not any(face.get_char_index(ord(sign)) for face in faces)})
        if missing:
            raise FigureError(
                f"expected a label that {font} or {_FALLBACK} can write, got {text!r} with {', '.join(missing)}; "
                "choose a font with these signs (--font), or another label (--name SPEC=LABEL)"
            )


def fitting_size(text: str, font: FontProperties, size: float, inches: float) -> float:
    """Return the largest size in points, at most `size`, at which a text fits into a width in inches."""
    from matplotlib.textpath import TextPath

    if not text.strip():
        return size
    properties = font.copy()
    extent = TextPath((0, 0), text, size=size, prop=properties, usetex=False).get_extents()
    width = extent.width / 72
    return size if width <= inches else size * inches / width


def save(figure: Figure, path: Path) -> None:
    """Write a figure in the format of the file's name, all of it or nothing. Raises FigureError."""
    kind = path.suffix.lower().lstrip(".")
    metadata = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {}}[kind]
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, metadata=metadata)
    try:
        write_atomic(path, buffer.getvalue(), error=FigureError)
    except OSError as error:
        raise FigureError(explain(error, path)) from error
