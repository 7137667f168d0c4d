"""Show values of untrusted records in error messages, which reach logs and web pages."""

from __future__ import annotations

import re
import unicodedata

MAX_SHOWN = 60
"""The largest number of characters of a value that a message shows."""

_UNSAFE = re.compile(r"[^A-Za-z0-9 ._,/@+-]")
# ASCII characters that are not part of markup and need no quoting in a log.
_SHOWABLE = re.compile(r"[!#$%()*+,./0-9:;=?@A-Z\[\]^_a-z{|}~-]")
_MAX_BITS = 300


def shown(value: object) -> str:
    """Return a value as short text; every character that could be markup, a link or a control code becomes `?`."""
    if not isinstance(value, str | int | float | None):
        return type(value).__name__
    if isinstance(value, int) and value.bit_length() > _MAX_BITS:
        return "an integer of 90 digits or more"  # Python refuses to convert very long integers to text
    text = harmless(str(value))
    return f"'{text}'" if isinstance(value, str) else text


def harmless(text: str) -> str:
    """Return at most `MAX_SHOWN` characters of a text, each of them safe in a log and on a page."""
    short = _UNSAFE.sub("?", text[: MAX_SHOWN + 1])
    return short if len(short) <= MAX_SHOWN else f"{short[:MAX_SHOWN]}…"


def named(char: str) -> str:
    """Return a character for a message: `'_' (U+005F LOW LINE)`, or only its code and name."""
    code = " ".join(filter(None, (f"U+{ord(char):04X}", unicodedata.name(char, ""))))
    return f"'{char}' ({code})" if _SHOWABLE.fullmatch(char) else code
