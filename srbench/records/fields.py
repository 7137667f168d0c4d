"""Rules that fields of records share; each checks a value strictly and describes itself as JSON Schema.

Records come from untrusted authors, too. A rule therefore says what is allowed, and everything else is refused:
control characters, markup, formulas of spreadsheets, and links other than https.
"""

from __future__ import annotations

import math
import re
import unicodedata
from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, PlainSerializer
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from srbench.files import SHA256
from srbench.records.messages import named, shown

_MARKUP = re.compile(r"<\s*[A-Za-z/!?]|&#|javascript:|data:text", re.IGNORECASE)
_FORMULA_STARTS = ("=", "+", "-", "@")
# Default_Ignorable_Code_Point of Unicode, apart from those of category C, which are refused anyway; characters that
# fonts draw as blank (Braille blank, null notehead, two hieroglyphs, Khitan filler); every blank except the plain and
# the ideographic one.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff"
    "\u2800\U0001d159\U00013441\U00013442\U00016fe4"
    "\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f]"
)
_MOST_MARKS = 2
_TIME = r"\d{4}-\d{2}-\d{2}T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?(?:Z|\+00:00)"
_URL = re.compile(r"https://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~:/?#@!$&()*+,;=%-]*)?")


def refusal(expected: str, value: object, *, char: str | None = None) -> PydanticCustomError:
    """Return the error for a value that its field does not allow; `char` is the refused character."""
    reason = f"; refused character: {named(char)}" if char else ""
    context = {"expected": expected, "got": shown(value), "reason": reason}
    return PydanticCustomError("refused", "expected {expected}, got {got}{reason}", context)


class Rule(ABC):
    """A rule in the annotation of a field: `Annotated[str, Text(100)]`. It checks the value before pydantic does."""

    @abstractmethod
    def check(self, value: object) -> object:
        """Return the value that the field gets. Raises PydanticCustomError for one that is refused."""

    @abstractmethod
    def schema(self) -> JsonSchemaValue:
        """Return the rule as JSON Schema (draft 2020-12)."""

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(lambda value: self.check(value), handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return self.schema()


@dataclass(frozen=True)
class Text(Rule):
    """Visible text of 1 to `longest` characters on one line, without control characters, markup or formulas."""

    longest: int = 200

    def check(self, value: object) -> object:
        if not isinstance(value, str) or not 0 < len(value) <= self.longest or value != value.strip():
            raise refusal(f"text of 1 to {self.longest} characters without blanks around it", value)
        if not value.isascii() or not value.isprintable():
            _require_visible(value)
        if found := _MARKUP.search(value):
            raise refusal("plain text without markup", value, char=found[0][0])
        if value.startswith(_FORMULA_STARTS):
            expected = "text that no spreadsheet takes for a formula (not starting with = + - @)"
            raise refusal(expected, value, char=value[0])
        return value

    def schema(self) -> JsonSchemaValue:
        return {"type": "string", "minLength": 1, "maxLength": self.longest, "pattern": "^[^=+@<>\\s-]"}


@dataclass(frozen=True)
class Pattern(Rule):
    """Text that a regular expression matches completely; `title` describes the expression in words."""

    expression: str
    title: str

    def check(self, value: object) -> object:
        if not isinstance(value, str):
            raise refusal(self.title, value)
        if not self.fits(value):
            raise refusal(self.title, value, char=self._refused(value))
        return value

    def fits(self, value: str) -> bool:
        """Return whether the expression matches the complete text."""
        return bool(re.fullmatch(self.expression, value, re.ASCII))

    def _refused(self, value: str) -> str | None:
        """Return the first character of the text that the expression never matches; None if it is not about
        characters."""
        return next((char for char in value if not self.fits(f"a{char}a")), None) if self.fits("aaa") else None

    def schema(self) -> JsonSchemaValue:
        return {"type": "string", "pattern": f"^(?:{self.expression})$", "description": self.title}


@dataclass(frozen=True)
class HttpsAddress(Rule):
    """An https address of at most 500 ASCII characters, without a user name."""

    def check(self, value: object) -> object:
        if not isinstance(value, str) or len(value) > 500 or not _URL.fullmatch(value) or not _has_host(value):
            raise refusal("an https:// address in ASCII", value)
        return value

    def schema(self) -> JsonSchemaValue:
        return {"type": "string", "format": "uri", "pattern": "^https://", "maxLength": 500}


@dataclass(frozen=True)
class IsoDate(Rule):
    """A date, YYYY-MM-DD, from 2000 on."""

    def check(self, value: object) -> object:
        if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d{2}-\d{2}", value, re.ASCII):
            raise refusal("a date YYYY-MM-DD", value)
        try:
            date.fromisoformat(value)
        except ValueError as error:
            raise refusal("a date that exists", value) from error
        if value < "2000":
            raise refusal("a date from 2000-01-01 on", value)
        return value

    def schema(self) -> JsonSchemaValue:
        return {"type": "string", "format": "date", "description": "from 2000-01-01 to today"}


@dataclass(frozen=True)
class IsoTime(Rule):
    """A UTC time in ISO 8601 on a date that `IsoDate` takes."""

    def check(self, value: object) -> object:
        if not isinstance(value, str) or not re.fullmatch(_TIME, value, re.ASCII):
            raise refusal("a UTC time in ISO 8601", value)
        IsoDate().check(value[:10])
        return value

    def schema(self) -> JsonSchemaValue:
        described = "a UTC time in ISO 8601, from 2000-01-01 to today"
        return {"type": "string", "format": "date-time", "pattern": f"^(?:{_TIME})$", "description": described}


@dataclass(frozen=True)
class Whole(Rule):
    """An integer between two bounds, both included."""

    lowest: int
    highest: int

    def check(self, value: object) -> object:
        if type(value) is not int or not self.lowest <= value <= self.highest:
            raise refusal(f"an integer from {self.lowest} to {self.highest}", value)
        return value

    def schema(self) -> JsonSchemaValue:
        return {"type": "integer", "minimum": self.lowest, "maximum": self.highest}


@dataclass(frozen=True)
class Number(Rule):
    """A finite number between two bounds, both included; with `infinity`, JSON may also have the text "inf"."""

    lowest: float
    highest: float
    infinity: bool = False

    def check(self, value: object) -> object:
        if self.infinity and value == "inf":
            return math.inf
        # The bounds exclude NaN and infinity. Integers too large for a float are compared exactly by Python.
        if not isinstance(value, int | float) or type(value) is bool or not self.lowest <= value <= self.highest:
            raise refusal(f"a number from {self.lowest:g} to {self.highest:g}", value)
        return value

    def schema(self) -> JsonSchemaValue:
        number = {"type": "number", "minimum": self.lowest, "maximum": self.highest}
        return {"anyOf": [number, {"const": "inf"}]} if self.infinity else number


@dataclass(frozen=True)
class NamesOrCount(Rule):
    """A list of names, or an integer of at least 1."""

    def check(self, value: object) -> object:
        if isinstance(value, list | tuple) and all(isinstance(name, str) for name in value):
            return tuple(value)
        if type(value) is not int or value < 1:
            raise refusal("a list of names or an integer of at least 1", value)
        return value

    def schema(self) -> JsonSchemaValue:
        names = {"type": "array", "items": {"type": "string"}}
        return {"anyOf": [names, {"type": "integer", "minimum": 1}]}


@dataclass(frozen=True)
class AtLeast(Rule):
    """An integer of at least a bound."""

    lowest: int

    def check(self, value: object) -> object:
        if type(value) is not int or value < self.lowest:
            raise refusal(f"an integer of at least {self.lowest}", value)
        return value

    def schema(self) -> JsonSchemaValue:
        return {"type": "integer", "minimum": self.lowest}


@dataclass(frozen=True)
class Real(Rule):
    """A finite float or integer, at least `lowest` (greater if `above`) and less than `below`. It fits into a float."""

    lowest: float = -math.inf
    below: float = math.inf
    above: bool = False

    def check(self, value: object) -> object:
        if not isinstance(value, int | float) or type(value) is bool or not self._fits(value):
            raise refusal(self._title(), value)
        return value

    def _fits(self, value: float) -> bool:
        try:
            number = float(value)
        except OverflowError:
            return False
        return (
            math.isfinite(number) and self.lowest <= number < self.below and not (self.above and value == self.lowest)
        )

    def _title(self) -> str:
        bounds = [f"{'above' if self.above else 'of at least'} {self.lowest:g}"] if self.lowest > -math.inf else []
        bounds += [f"below {self.below:g}"] if self.below < math.inf else []
        return " ".join(["a finite number", " and ".join(bounds)]).strip()

    def schema(self) -> JsonSchemaValue:
        lowest = {"exclusiveMinimum" if self.above else "minimum": self.lowest} if self.lowest > -math.inf else {}
        return {"type": "number", **lowest, **({"exclusiveMaximum": self.below} if self.below < math.inf else {})}


@dataclass(frozen=True)
class OneOf(Rule):
    """One of the listed texts or integers."""

    choices: tuple[str | int, ...]

    def check(self, value: object) -> object:
        if type(value) not in (str, int) or value not in self.choices:
            raise refusal(f"one of {', '.join(map(str, self.choices))}", value)
        return value

    def schema(self) -> JsonSchemaValue:
        return {"enum": list(self.choices)}


def _infinity_as_text(value: float) -> float | str:
    return "inf" if math.isinf(value) else value


_INFINITE = PlainSerializer(_infinity_as_text, when_used="json")

SCALES = (2, 3, 4, 8)
MAX_IMAGES = 10_000

NAME = Pattern(
    r"[A-Za-z0-9_](?:[A-Za-z0-9_+()-]|[. ](?=[A-Za-z0-9_+()-])){0,99}",
    "a name of 1 to 100 letters, digits and _ + ( ) - with single dots or blanks inside",
)
"""A dataset's or an image's name: no slash, no leading or double dot, so that it stays a name as part of a path."""

ENTRY_ID = Pattern(
    r"[a-z0-9][a-z0-9.-]{0,63}", "an id of 1 to 64 characters a-z 0-9 . - starting with a letter or digit"
)
"""An entry's id, which is also its folder's and its page's name."""

Name = Annotated[str, NAME]
EntryId = Annotated[str, ENTRY_ID]
Sha256 = Annotated[str, Pattern(SHA256.pattern, "a SHA-256 in 64 lower-case hexadecimal digits")]
Link = Annotated[str, HttpsAddress()]
Day = Annotated[str, IsoDate()]
Time = Annotated[str, IsoTime()]
ScaleFactor = Annotated[int, OneOf(SCALES)]
ScaleName = Annotated[str, Pattern("[2348]", "a scale, 2, 3, 4 or 8")]
Count = Annotated[int, Whole(0, 10**12)]
ImageCount = Annotated[int, Whole(1, MAX_IMAGES)]
Seconds = Annotated[float, Number(0, 1e9)]
Psnr = Annotated[float, Field(allow_inf_nan=True), Number(-100, 200, infinity=True), _INFINITE]
Ssim = Annotated[float, Number(-1, 1)]
Precision = Annotated[Literal["fp32", "bf16", "fp16"], OneOf(("fp32", "bf16", "fp16"))]
LrSourceName = Annotated[Literal["made", "given", "any"], OneOf(("made", "given", "any"))]


def _require_visible(value: str) -> None:
    """Raise for text that is invisible, as in a link without a name, or whose marks cover the lines next to it."""
    for char in value:
        if unicodedata.category(char)[0] == "C" or _INVISIBLE.match(char):
            raise PydanticCustomError(
                "refused", "expected printable characters that show, got {code}", {"code": f"U+{ord(char):04X}"}
            )
    marks = _MOST_MARKS  # a mark needs a letter before it
    for char in unicodedata.normalize("NFC", value):  # an accent that forms one letter with its base is not counted
        marks = marks + 1 if unicodedata.category(char) in ("Mn", "Me") else 0
        if marks > _MOST_MARKS:
            raise PydanticCustomError(
                "refused",
                "expected at most {most} combining marks on a letter, got more, with {code}",
                {"most": _MOST_MARKS, "code": f"U+{ord(char):04X}"},
            )


def _has_host(address: str) -> bool:
    try:
        return "." in (urlsplit(address).hostname or "")
    except ValueError:
        return False
