"""Renaming between the keys of published checkpoints and the names of our modules. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Iterable

Row = tuple[str, str]
"""(module path in the published checkpoint, module path in our network); `{i}` and `{i+1}` stand for a number."""

_PLACEHOLDER = re.compile(r"\\\{(\w)(?:\\\+(\d+))?\\\}")


class KeyTable:
    """A two-way rename table of module paths; the parameter's own name (the last part of a key) is carried over.

    A row `("IMDB{i+1}.c1", "blocks.{i}.split.0")` maps `IMDB3.c1.weight` to `blocks.2.split.0.weight` and back.
    """

    def __init__(self, rows: Iterable[Row]) -> None:
        self.rows = tuple(rows)
        self._to_ours = [_rule(theirs, ours) for theirs, ours in self.rows]
        self._to_theirs = [_rule(ours, theirs) for theirs, ours in self.rows]

    def ours(self, key: str) -> str | None:
        """Our name of a published key, or None where no row knows it."""
        return _rename(key, self._to_ours)

    def theirs(self, key: str) -> str | None:
        """The published name of one of our keys, or None where no row knows it."""
        return _rename(key, self._to_theirs)


def slot_rows(theirs: str, ours: str, attention: Iterable[Row]) -> tuple[Row, ...]:
    """Rows of an attention part that sits at the path `theirs` in the checkpoint and at `ours` in our network."""
    return tuple((f"{theirs}.{left}", f"{ours}.{right}") for left, right in attention)


_Rule = tuple[re.Pattern[str], str, dict[str, int], dict[str, int]]


def _rename(key: str, rules: Iterable[_Rule]) -> str | None:
    path, _, leaf = key.rpartition(".")
    for pattern, template, offsets, targets in rules:
        if match := pattern.fullmatch(path):
            numbers = {name: int(text) - offsets[name] for name, text in match.groupdict().items()}
            if min(numbers.values(), default=0) >= 0:
                shifted = {name: number + targets[name] for name, number in numbers.items()}
                return f"{template.format(**shifted)}.{leaf}"
    return None


def _rule(source: str, target: str) -> _Rule:
    return _pattern(source), _template(target), _offsets(source), _offsets(target)


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(_PLACEHOLDER.sub(r"(?P<\1>\\d+)", re.escape(path)))


def _template(path: str) -> str:
    return re.sub(r"\{(\w)(?:\+\d+)?\}", r"{\1}", path)


def _offsets(path: str) -> dict[str, int]:
    return {name: int(offset or 0) for name, offset in re.findall(r"\{(\w)(?:\+(\d+))?\}", path)}
