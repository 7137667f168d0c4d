"""Detect names that mislead readers: ids that look alike, and titles that look like a mark of verified entries."""

from __future__ import annotations

import re
import unicodedata

# Letters of other scripts that most fonts draw like a Latin one (the common ones of Unicode Technical Standard 39), and
# digits and strokes that look like letters: 1, i and l count as one letter, as do 0 and o, and all dashes and dots.
_CAPITALS = str.maketrans("АВЕЅІЈКМНОРСТУХΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "abesijkmhopctyxabezhikmnoptyx")
_LATIN = str.maketrans("авԁеһіјкӏморԛѕстуѵԝхαβγηικνορτυχωıɑɡɩøđ", "abdehijklmopqsctyvwxabynikvoptuxwiagiod")
_LOOKS = str.maketrans("015|!i‐‑‒–—―−_. ", "olslll" + "-" * 10)
_PAIRS = (("rn", "m"), ("vv", "w"), ("--", "-"))
_SMALL_CAPITAL = "LATIN LETTER SMALL CAPITAL "

# The words with which pages mark verified entries, as skeletons: also spelled out with signs between the letters.
_BADGE_WORDS = re.compile(r"\W{0,2}".join("verlfled") + r"|re(?:run|scored)|(?<![a-z])re\W{1,3}(?:run|scored)")
# Ticks, stars, medals and coloured dots are symbols of Unicode. These few symbols are none of them.
_PLAIN_SYMBOLS = frozenset("°©®×±÷→←−∞")
_LETTERS_LIKE_TICKS = "\uaa9c\u17f8\ua673"
# Scripts whose letters occur next to Latin ones in one word.
_MIXED_SCRIPTS = frozenset({"LATIN", "GREEK", "CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "HANGUL"})


def skeleton(name: str) -> str:
    """Return what a name looks like: without compatibility forms, case, accents, foreign letters and similar digits."""
    latin = unicodedata.normalize("NFKC", name).translate(_CAPITALS)
    plain = unicodedata.normalize("NFKD", latin.casefold())
    kept = "".join(_small_capital(char) for char in plain if unicodedata.category(char)[0] not in "MC")
    looks = kept.translate(_LATIN).translate(_LOOKS)
    for pair, single in _PAIRS:
        looks = looks.replace(pair, single)
    return looks.strip("-")


def badge_in(text: str) -> str | None:
    """Return the part of a text that looks like a mark of verified entries; None if there is none."""
    for char in text:
        symbol = unicodedata.category(char) in ("So", "Sm") and not char.isascii() and char not in _PLAIN_SYMBOLS
        if symbol or char in _LETTERS_LIKE_TICKS:
            return char
    if word := _BADGE_WORDS.search(skeleton(text).replace("3", "e")):
        return word[0]
    words = re.findall(r"[^\W\d_]+", unicodedata.normalize("NFKC", text))
    return next((word for word in words if _mixes_scripts(word)), None)


def _mixes_scripts(word: str) -> bool:
    """Return whether Latin letters are mixed with those of a script that has letters like them."""
    scripts = {unicodedata.name(char, "").partition(" ")[0] for char in word}
    return "LATIN" in scripts and not scripts <= _MIXED_SCRIPTS


def _small_capital(char: str) -> str:
    name = unicodedata.name(char, "")
    return name.removeprefix(_SMALL_CAPITAL).lower() if name.startswith(_SMALL_CAPITAL) else char
