"""The kinds of values that a submission's JSON is made of: each checks a value strictly and writes its JSON Schema.

A submission comes from a stranger, so a kind says what it takes and nothing else passes: no unknown field, no number
in quotes, no control character, no markup, no link that is not https.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Protocol
from urllib.parse import urlsplit

from srbench.errors import SubmissionError

Schema = dict[str, Any]

_MAX_SHOWN = 60
_MARKUP = re.compile(r"<\s*[A-Za-z/!?]|&#|javascript:|data:text", re.IGNORECASE)
_HARMFUL = re.compile(r"[^A-Za-z0-9 ._,/@+-]")
# ASCII that is no part of markup and needs no quoting in a log.
_SHOWABLE = re.compile(r"[!#$%()*+,./0-9:;=?@A-Z\[\]^_a-z{|}~-]")
_FORMULA_STARTS = ("=", "+", "-", "@")
# Default_Ignorable_Code_Point of Unicode, apart from those of category C, which are refused anyway; what fonts draw as
# nothing (Braille blank, null notehead, two hieroglyphs, Khitan filler); every blank but the plain and the ideographic.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff"
    "\u2800\U0001d159\U00013441\U00013442\U00016fe4"
    "\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f]"
)
_MOST_MARKS = 2
_TIME = r"\d{4}-\d{2}-\d{2}T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?(?:Z|\+00:00)"
_URL = re.compile(r"https://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~:/?#@!$&()*+,;=%-]*)?")


class Kind(Protocol):
    """What a JSON value may be."""

    def check(self, value: Any, where: str) -> None:
        """Raises SubmissionError, naming the place, unless the value is of this kind."""

    def schema(self) -> Schema:
        """The same as JSON Schema (draft 2020-12)."""


def shown(value: Any) -> str:
    """A value as a message may show it: short, and only letters, digits and harmless signs of it.

    Messages reach logs and pages, so whatever could be markup, a link, a formula or a control sequence is a "?".
    """
    if not isinstance(value, str | int | float | None):
        return type(value).__name__
    if isinstance(value, int) and value.bit_length() > 300:
        return "an integer of 90 digits or more"  # Python does not write out the longest
    text = _HARMFUL.sub("?", str(value)[: _MAX_SHOWN + 1])
    short = text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"
    return f"'{short}'" if isinstance(value, str) else short


def named(char: str) -> str:
    """Return a character as a message may show it: `'_' (U+005F LOW LINE)`, or its code and name alone."""
    code = " ".join(filter(None, (f"U+{ord(char):04X}", unicodedata.name(char, ""))))
    return f"'{char}' ({code})" if _SHOWABLE.fullmatch(char) else code


def refuse(where: str, expected: str, value: Any, *, char: str | None = None) -> SubmissionError:
    """The error of a value that is not what its place expects; `char` is the character in it that is refused."""
    reason = f"; refused character: {named(char)}" if char else ""
    return SubmissionError(f"{where}: expected {expected}, got {shown(value)}{reason}")


@dataclass(frozen=True)
class Text:
    """Plain text of 1 to `longest` characters on one line that all show: no control characters, markup or formula."""

    longest: int = 200

    def check(self, value: Any, where: str) -> None:
        if not isinstance(value, str) or not 0 < len(value) <= self.longest or value != value.strip():
            raise refuse(where, f"text of 1 to {self.longest} characters without blanks around it", value)
        if not value.isascii() or not value.isprintable():
            _require_visible(value, where)
        if found := _MARKUP.search(value):
            raise refuse(where, "plain text without markup", value, char=found[0][0])
        if value.startswith(_FORMULA_STARTS):
            expected = "text that no spreadsheet takes for a formula (not starting with = + - @)"
            raise refuse(where, expected, value, char=value[0])

    def schema(self) -> Schema:
        return {"type": "string", "minLength": 1, "maxLength": self.longest, "pattern": "^[^=+@<>\\s-]"}


@dataclass(frozen=True)
class Pattern:
    """Text that a regular expression matches as a whole; `title` says it in words."""

    expression: str
    title: str

    def check(self, value: Any, where: str) -> None:
        if not isinstance(value, str) or not self._fits(value):
            raise refuse(where, self.title, value, char=self._refused(value) if isinstance(value, str) else None)

    def _fits(self, value: str) -> bool:
        return bool(re.fullmatch(self.expression, value, re.ASCII))

    def _refused(self, value: str) -> str | None:
        """Return the first character that the expression takes nowhere inside, if it takes free text at all."""
        return next((char for char in value if not self._fits(f"a{char}a")), None) if self._fits("aaa") else None

    def schema(self) -> Schema:
        return {"type": "string", "pattern": f"^(?:{self.expression})$", "description": self.title}


@dataclass(frozen=True)
class Link:
    """An https address of at most 500 ASCII characters, without a user name."""

    def check(self, value: Any, where: str) -> None:
        if not isinstance(value, str) or len(value) > 500 or not _URL.fullmatch(value) or not _has_host(value):
            raise refuse(where, "an https:// address in ASCII", value)

    def schema(self) -> Schema:
        return {"type": "string", "format": "uri", "pattern": "^https://", "maxLength": 500}


@dataclass(frozen=True)
class Day:
    """A date, YYYY-MM-DD, from 2000 on."""

    def check(self, value: Any, where: str) -> None:
        if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d{2}-\d{2}", value, re.ASCII):
            raise refuse(where, "a date YYYY-MM-DD", value)
        try:
            date.fromisoformat(value)
        except ValueError as error:
            raise refuse(where, "a date that exists", value) from error
        if value < "2000":
            raise refuse(where, "a date from 2000-01-01 on", value)

    def schema(self) -> Schema:
        return {"type": "string", "format": "date", "description": "from 2000-01-01 to today"}


@dataclass(frozen=True)
class Time:
    """A time of a `Day` in UTC, as ISO 8601 writes it."""

    def check(self, value: Any, where: str) -> None:
        if not isinstance(value, str) or not re.fullmatch(_TIME, value, re.ASCII):
            raise refuse(where, "a UTC time in ISO 8601", value)
        Day().check(value[:10], where)

    def schema(self) -> Schema:
        return {
            "type": "string",
            "format": "date-time",
            "pattern": f"^(?:{_TIME})$",
            "description": "a UTC time in ISO 8601, from 2000-01-01 to today",
        }


@dataclass(frozen=True)
class Whole:
    """An integer between two bounds, both included."""

    lowest: int
    highest: int

    def check(self, value: Any, where: str) -> None:
        if type(value) is not int or not self.lowest <= value <= self.highest:
            raise refuse(where, f"an integer from {self.lowest} to {self.highest}", value)

    def schema(self) -> Schema:
        return {"type": "integer", "minimum": self.lowest, "maximum": self.highest}


@dataclass(frozen=True)
class Number:
    """A finite number between two bounds, both included; with `infinity`, also the string "inf"."""

    lowest: float
    highest: float
    infinity: bool = False

    def check(self, value: Any, where: str) -> None:
        if self.infinity and value == "inf":
            return
        # The bounds leave out NaN and infinity, and an integer that no float can hold is compared exactly.
        if type(value) not in (int, float) or not self.lowest <= value <= self.highest:
            raise refuse(where, f"a number from {self.lowest:g} to {self.highest:g}", value)

    def schema(self) -> Schema:
        number = {"type": "number", "minimum": self.lowest, "maximum": self.highest}
        return {"anyOf": [number, {"const": "inf"}]} if self.infinity else number


@dataclass(frozen=True)
class Flag:
    """true or false."""

    def check(self, value: Any, where: str) -> None:
        if type(value) is not bool:
            raise refuse(where, "true or false", value)

    def schema(self) -> Schema:
        return {"type": "boolean"}


@dataclass(frozen=True)
class OneOf:
    """One of the listed values."""

    choices: tuple[str | int, ...]

    def check(self, value: Any, where: str) -> None:
        if type(value) not in (str, int) or value not in self.choices:
            raise refuse(where, f"one of {', '.join(map(str, self.choices))}", value)

    def schema(self) -> Schema:
        return {"enum": list(self.choices)}


@dataclass(frozen=True)
class Maybe:
    """null, or another kind."""

    kind: Kind

    def check(self, value: Any, where: str) -> None:
        if value is not None:
            self.kind.check(value, where)

    def schema(self) -> Schema:
        return {"anyOf": [self.kind.schema(), {"type": "null"}]}


@dataclass(frozen=True)
class Several:
    """A list of one kind, `fewest` to `most` long."""

    kind: Kind
    most: int
    fewest: int = 0

    def check(self, value: Any, where: str) -> None:
        if not isinstance(value, list) or not self.fewest <= len(value) <= self.most:
            raise refuse(where, f"a list of {self.fewest} to {self.most} entries", value)
        for index, entry in enumerate(value):
            self.kind.check(entry, f"{where}[{index}]")

    def schema(self) -> Schema:
        return {"type": "array", "items": self.kind.schema(), "minItems": self.fewest, "maxItems": self.most}


@dataclass(frozen=True)
class Named:
    """An object whose names are free but of one kind, and whose values are of another."""

    names: Pattern
    kind: Kind
    most: int
    fewest: int = 0

    def check(self, value: Any, where: str) -> None:
        if not isinstance(value, dict) or not self.fewest <= len(value) <= self.most:
            raise refuse(where, f"an object of {self.fewest} to {self.most} entries", value)
        for name, entry in value.items():
            self.names.check(name, f"{where}, a name in it")
            self.kind.check(entry, f"{where}.{name}")

    def schema(self) -> Schema:
        return {
            "type": "object",
            "propertyNames": self.names.schema(),
            "additionalProperties": self.kind.schema(),
            "minProperties": self.fewest,
            "maxProperties": self.most,
        }


@dataclass(frozen=True)
class Fields:
    """An object of exactly these fields: none missing, none unknown. Those in `optional` may be left out."""

    fields: Mapping[str, Kind] = field(default_factory=dict)
    optional: Mapping[str, Kind] = field(default_factory=dict)

    def check(self, value: Any, where: str) -> None:
        if not isinstance(value, dict):
            raise refuse(where, "an object", value)
        if value.keys() - self.optional.keys() != self.fields.keys():
            self._explain(value, where)
        for name, kind in {**self.fields, **self.optional}.items():
            if name in value:
                kind.check(value[name], f"{where}.{name}")

    def schema(self) -> Schema:
        return {
            "type": "object",
            "properties": {name: kind.schema() for name, kind in {**self.fields, **self.optional}.items()},
            "required": list(self.fields),
            "additionalProperties": False,
        }

    def _explain(self, value: dict[str, Any], where: str) -> None:
        unknown = sorted(value.keys() - self.fields.keys() - self.optional.keys())
        missing = [name for name in self.fields if name not in value]
        found = [f"unknown field {shown(unknown[0])}"] if unknown else []
        found += [f"missing field {missing[0]!r}"] if missing else []
        raise SubmissionError(f"{where}: expected the fields {', '.join(self.fields)}; {' and '.join(found)}")


def _require_visible(value: str, where: str) -> None:
    """Text of nothing visible would be a link without a name, and marks piled up cover the lines above and below."""
    for char in value:
        if unicodedata.category(char)[0] == "C" or _INVISIBLE.match(char):
            raise SubmissionError(f"{where}: expected printable characters that show, got U+{ord(char):04X}")
    marks = _MOST_MARKS  # the first letter is to stand before the first mark
    for char in unicodedata.normalize("NFC", value):  # an accent that makes a letter of its own with its letter is none
        marks = marks + 1 if unicodedata.category(char) in ("Mn", "Me") else 0
        if marks > _MOST_MARKS:
            raise SubmissionError(
                f"{where}: expected at most {_MOST_MARKS} combining marks on a letter, got more, with U+{ord(char):04X}"
            )


def require_come(day: str, where: str) -> None:
    """Raises SubmissionError for a day that has not come anywhere on Earth; what passes once passes ever after.

    `day` is a `Day`, or a `Time` of one.
    """
    latest = (datetime.now(UTC).date() + timedelta(days=1)).isoformat()
    if day[:10] > latest:
        raise refuse(where, f"a date that has come, up to {latest}", day)


def _has_host(address: str) -> bool:
    try:
        return "." in (urlsplit(address).hostname or "")
    except ValueError:
        return False
