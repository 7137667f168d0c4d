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

# Characters that start a formula in a spreadsheet, also after blanks or in their full-width form.
_FORMULA = re.compile(r"\s*[=+\-@\t\r\n|%\uff1d\uff0b\uff0d\uff20]")
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")


def one_line(text: str) -> str:
    """Return the text on one line, without control and formatting characters, which can reverse the text after them."""
    kept = (
        " " if character.isspace() else character
        for character in text
        if character.isspace() or unicodedata.category(character)[0] != "C"
    )
    return " ".join("".join(kept).split())


def markdown_text(text: str) -> str:
    """Return plain text as Markdown that shows this text, also inside a table."""
    return re.sub(r"([\\`*_\[\]<>|~&$])", r"\\\1", one_line(text))


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table of cells that are plain text."""
    lines = [f"| {' | '.join(map(markdown_text, cells))} |" for cells in (head, *rows)]
    return "\n".join([lines[0], f"|{'---|' * len(head)}", *lines[1:]])


def latex_text(text: str) -> str:
    """Return plain text as LaTeX that prints this text and runs no command."""
    return "".join(_LATEX.get(character, character) for character in one_line(text))


def unknown_to_latex(text: str) -> list[str]:
    """Return the characters that LaTeX prints only with further packages.

    Examples:
        >>> unknown_to_latex("Ångström ×4 α")
        ['α']
    """
    return sorted({sign for sign in one_line(text) if ord(sign) > _LATIN_EXTENDED_A and sign not in _LATEX})


def csv_cell(text: str) -> str:
    """Return text that no spreadsheet treats as a formula: possible formulas get an apostrophe in front; numbers are
    unchanged.
    """
    flat = one_line(text)
    return f"'{flat}" if _FORMULA.match(flat) and not _NUMBER.fullmatch(flat) else flat
