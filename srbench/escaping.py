"""Text of unknown origin as Markdown, LaTeX, and CSV that a spreadsheet opens safely."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "_": r"\_",
    "%": r"\%",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "{''}",
    "×": r"$\times$",
    "σ": r"$\sigma$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "‡": r"\ddag{}",
}
_LATIN_EXTENDED_A = 0x17F
"""The last accented letter of those that LaTeX knows with its default encodings."""

# What a spreadsheet takes as the start of a formula, also after it has stripped blanks or in its full-width form.
_FORMULA = re.compile(r"\s*[=+\-@\t\r\n|%\uff1d\uff0b\uff0d\uff20]")
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")


def one_line(text: str) -> str:
    """Text without control and formatting characters (which can turn the direction of what follows), on one line."""
    kept = (
        " " if character.isspace() else character
        for character in text
        if character.isspace() or unicodedata.category(character)[0] != "C"
    )
    return " ".join("".join(kept).split())


def markdown_text(text: str) -> str:
    """Plain text as Markdown that shows just it, also inside a table."""
    return re.sub(r"([\\`*_\[\]<>|~&$])", r"\\\1", one_line(text))


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table of cells that are plain text."""
    lines = [f"| {' | '.join(map(markdown_text, cells))} |" for cells in (head, *rows)]
    return "\n".join([lines[0], f"|{'---|' * len(head)}", *lines[1:]])


def latex_text(text: str) -> str:
    """Plain text as LaTeX that sets just it and runs nothing."""
    return "".join(_LATEX.get(character, character) for character in one_line(text))


def unknown_to_latex(text: str) -> list[str]:
    """Return the characters that LaTeX sets only with further packages: neither ASCII, nor accented Latin, nor escaped.

    Examples:
        >>> unknown_to_latex("Ångström ×4 α")
        ['α']
    """
    return sorted({sign for sign in one_line(text) if ord(sign) > _LATIN_EXTENDED_A and sign not in _LATEX})


def csv_cell(text: str) -> str:
    """Text that no spreadsheet takes as a formula: one that could be is put behind an apostrophe; numbers stay."""
    flat = one_line(text)
    return f"'{flat}" if _FORMULA.match(flat) and not _NUMBER.fullmatch(flat) else flat
