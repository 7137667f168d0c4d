"""What each value of a plan has to be: a mistake is told before anything is trained, not after hours of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from srbench.files import SHA256
from srbench.training.recipe import LARGEST_SEED, SEED_RANGE
from srbench.zoo.networks import FORMS

Kind = tuple[Callable[[Any], bool], str]
"""Whether a value is of the kind, and what the kind is called, `{}` standing for the value's key."""


def problems(values: Mapping[str, Any], kinds: Mapping[str, Kind], where: str) -> Iterator[str]:
    """What is wrong with the values of one table, each as what was expected in place of it."""
    for key, (fits, told) in kinds.items():
        if key in values and not fits(values[key]):
            yield f"{told.format(key)}{where}, got {_shown(values[key])}"


def _shown(value: Any) -> str:
    return f"[{', '.join(map(_shown, value))}]" if isinstance(value, tuple) else repr(value)


def _text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _whole(low: int, high: int) -> Callable[[Any], bool]:
    # A float or a truth value that equals a whole number would be another plan with another hash.
    return lambda value: type(value) is int and low <= value <= high


def _positive(value: Any) -> bool:
    return type(value) in (int, float) and 0 < value < math.inf


def _each(fits: Callable[[Any], bool], least: int = 1) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, tuple) and len(value) >= least and all(map(fits, value))


def _once(fits: Callable[[Any], bool], least: int = 1) -> Callable[[Any], bool]:
    return lambda value: _each(fits, least)(value) and len(set(value)) == len(value)


def _pair(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and all(map(_text, value)) and value[0] != value[1]


def _rates(value: Any) -> bool:
    # Two rates of one spelling would share a folder.
    return _each(_positive)(value) and len({f"{rate:g}" for rate in value}) == len(value)


def _percentages(value: Any) -> bool:
    return _once(_whole(1, 100))(value) and 100 in value


def _sha256(value: Any) -> bool:
    return isinstance(value, str) and SHA256.fullmatch(value) is not None


_TEXT: Kind = (_text, "text for {}")
_SEED = _whole(0, LARGEST_SEED)

STUDY: Mapping[str, Kind] = {
    "name": _TEXT,
    "question": _TEXT,
    "recipe": _TEXT,
    "train_set": _TEXT,
    "protocol": _TEXT,
    "scale": (_whole(1, 8), "a whole number for {}"),
    "recipe_sha256": (_sha256, "the 64 hexadecimal digits of a hash for {}"),
    "form": (lambda value: value in FORMS, f"one of {', '.join(FORMS)} for {{}}"),
    "learning_rates": (_rates, "{} as a list of finite numbers above 0, each once"),
    "search_seed": (_SEED, f"a whole number {SEED_RANGE} for {{}}"),
    "percentages": (_percentages, "{} as a list of whole numbers between 1 and 100, each once, 100 among them"),
    "margin_db": (_positive, "a finite {} above 0"),
}
"""The kinds of a plan's own values."""

ENDPOINT: Mapping[str, Kind] = {
    "dataset": _TEXT,
    "metric": _TEXT,
    "role": _TEXT,
    "needed": (lambda value: isinstance(value, bool), "true or false for {}"),
}
"""The kinds of an endpoint's values."""

GROUP: Mapping[str, Kind] = {
    "name": _TEXT,
    "arms": (_once(_text), "{} as a list of networks, each once"),
    "seeds": (_once(_SEED, 2), f"at least two {{}}, whole numbers {SEED_RANGE}, each once"),
    "contrasts": (_once(_pair, 0), "{} as a list of pairs of unlike arms, each once"),
}
"""The kinds of a group's values."""
