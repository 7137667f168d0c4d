"""Detect ids that look alike: readers would confuse two names with the same skeleton."""

from __future__ import annotations

import unicodedata

# Letters of other scripts that most fonts draw like a Latin one (the common ones of Unicode Technical Standard 39), and
# digits and strokes that look like letters: 1, i and l count as one letter, as do 0 and o, and all dashes and dots.
_CAPITALS = str.maketrans("АВЕЅІЈКМНОРСТУХΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "abesijkmhopctyxabezhikmnoptyx")
_LATIN = str.maketrans("авԁеһіјкӏморԛѕстуԝхαβγηικνορτυχωıɑɡɩøđ", "abdehijklmopqsctywxabynikvoptuxwiagiod")
_LOOKS = str.maketrans("015|!i‐‑‒–—―−_. ", "olslll" + "-" * 10)
_PAIRS = (("rn", "m"), ("vv", "w"), ("--", "-"))


def skeleton(name: str) -> str:
    """Return what a name looks like: without compatibility forms, case, accents, foreign letters and similar digits."""
    latin = unicodedata.normalize("NFKC", name).translate(_CAPITALS)
    plain = unicodedata.normalize("NFKD", latin.casefold())
    kept = "".join(char for char in plain if unicodedata.category(char)[0] not in "MC")
    looks = kept.translate(_LATIN).translate(_LOOKS)
    for pair, single in _PAIRS:
        looks = looks.replace(pair, single)
    return looks.strip("-")
