"""Arguments of the Python functions that take one name or a list of names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from srbench.errors import SrbenchError

Value = TypeVar("Value")


def names_of(option: str, value: str | Iterable[str]) -> list[str]:
    """Return one name or several names as a list, each name once.

    Args:
        option: the name of the argument, for messages.
        value: one name, or a list of names.

    Raises:
        SrbenchError: a string of several names, as a shell would need it, or something that is not a string.

    Examples:
        >>> names_of("protocol", "matlab-y"), names_of("protocol", ["matlab-y", "bam2021", "matlab-y"])
        (['matlab-y'], ['matlab-y', 'bam2021'])
    """
    if isinstance(value, str):
        parts = value.replace(",", " ").split()
        if len(parts) > 1:
            raise SrbenchError(f"{option}: expected one name or a list of names, got {value!r}; pass {option}={parts}")
        return [value]
    return list(dict.fromkeys(values_of(option, value, str)))


def values_of(option: str, values: object, kind: type[Value]) -> list[Value]:
    """Return the values of a list, after checking their type. Raise SrbenchError for a string or other types.

    Examples:
        >>> values_of("scales", [2, 4], int)
        [2, 4]
    """
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise SrbenchError(f"{option}: expected a list of {kind.__name__}, got {values!r}; pass {option}=[…]")
    found = list(values)
    for value in found:
        if not isinstance(value, kind):
            raise SrbenchError(f"{option}: expected only {kind.__name__} in the list, got {value!r}; correct it")
    return [value for value in found if isinstance(value, kind)]
