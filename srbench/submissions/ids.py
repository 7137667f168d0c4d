"""Ids that look alike: two names with one skeleton would be taken for each other on a page."""

from __future__ import annotations

import unicodedata

# Letters of other scripts that most fonts draw like a Latin one (Unicode Technical Standard 39, the common ones), and
# the digits and strokes that are taken for letters: 1, i and l count as one, 0 and o, and every dash or dot.
_CAPITALS = str.maketrans("АВЕЅІЈКМНОРСТУХΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "abesijkmhopctyxabezhikmnoptyx")
_LATIN = str.maketrans("авԁеһіјкӏморԛѕстуԝхαβγηικνορτυχωıɑɡɩøđ", "abdehijklmopqsctywxabynikvoptuxwiagiod")
_LOOKS = str.maketrans("015|!i‐‑‒–—―−_. ", "olslll" + "-" * 10)
_PAIRS = (("rn", "m"), ("vv", "w"), ("--", "-"))


def skeleton(name: str) -> str:
    """What a name looks like: compatibility forms, case, accents, foreign letters and look-alike digits removed."""
    latin = unicodedata.normalize("NFKC", name).translate(_CAPITALS)
    plain = unicodedata.normalize("NFKD", latin.casefold())
    kept = "".join(char for char in plain if unicodedata.category(char)[0] not in "MC")
    looks = kept.translate(_LATIN).translate(_LOOKS)
    for pair, single in _PAIRS:
        looks = looks.replace(pair, single)
    return looks.strip("-")
