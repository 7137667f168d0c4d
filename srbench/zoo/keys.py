"""Renaming between the keys of published checkpoints and the names of our modules. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

KeyRow = tuple[str, str]
"""(module path in the published checkpoint, module path in our network).

`{i}` and `{i+1}` stand for a number, `{end}` in our path for the number after the largest one of its list.
"""

_END = "{end}"

UPSAMPLER_OF_BASICSR: tuple[KeyRow, ...] = (
    ("upsample.0", "up.stages.0"),
    ("upsample.2", "up.stages.1"),
    ("conv_last", "last"),
)
"""Rows of BasicSR's up-sampler and last convolution, which its networks share."""

_PLACEHOLDER = re.compile(r"\\\{(\w)(?:\\\+(\d+))?\\\}")


class KeyTable:
    """A two-way rename table of module paths; the last part of a key, the parameter's name, stays.

    A row `("IMDB{i+1}.c1", "blocks.{i}.split.0")` maps `IMDB3.c1.weight` to `blocks.2.split.0.weight` and back.
    `in_code` names our modules whose values this family's authors keep in their code and not in their files; `needs`
    are the settings that a network must have for that code to be the same. `left_out` are module paths of the
    checkpoint whose tensors our network does not need.
    """

    def __init__(
        self,
        rows: Iterable[KeyRow],
        *,
        in_code: Iterable[str] = (),
        needs: Mapping[str, float | bool] | None = None,
        left_out: Iterable[str] = (),
    ) -> None:
        self.rows = tuple(rows)
        self.in_code = tuple(in_code)
        self.needs = dict(needs or {})
        self.left_out = tuple(left_out)
        self._left_out = [_pattern(path) for path in self.left_out]
        self._to_ours = [_rule(theirs, ours) for theirs, ours in self.rows]
        self._to_theirs = [_rule(ours, theirs) for theirs, ours in self.rows]

    def ours(self, key: str) -> str | None:
        """Our name of a published key, or None where no row knows it."""
        return _rename(key, self._to_ours)

    def for_keys(self, keys: Iterable[str]) -> KeyTable:
        """Return the table with `{end}` replaced by the number that it stands for in a checkpoint with these keys."""
        open_rows = [ours for _, ours in self.rows if _END in ours]
        if not open_rows:
            return self
        known = KeyTable(row for row in self.rows if _END not in row[1])
        found = [ours for key in keys if (ours := known.ours(key)) is not None]
        ends = {ours: str(_length(ours.partition(_END)[0], found)) for ours in open_rows}
        rows = ((theirs, ours.replace(_END, ends.get(ours, ""))) for theirs, ours in self.rows)
        return KeyTable(rows, in_code=self.in_code, needs=self.needs, left_out=self.left_out)

    def is_in_code(self, key: str) -> bool:
        """Whether one of our keys belongs to a module whose values are not in this family's files."""
        return key.rpartition(".")[0] in self.in_code

    def leaves_out(self, key: str) -> bool:
        """Whether a published key is one that our network does not need."""
        path, _, _ = key.rpartition(".")
        return any(pattern.fullmatch(path) for pattern in self._left_out)

    def theirs(self, key: str) -> str | None:
        """The published name of one of our keys, or None where no row knows it."""
        return _rename(key, self._to_theirs)


def slot_rows(theirs: str, ours: str, attention: Iterable[KeyRow]) -> tuple[KeyRow, ...]:
    """Rows of an attention part that sits at the path `theirs` in the checkpoint and at `ours` in our network."""
    return tuple((f"{theirs}.{left}", f"{ours}.{right}") for left, right in attention)


def _length(path: str, keys: Iterable[str]) -> int:
    """Return the length of the list at a path of our network, as far as the keys show it."""
    item = re.compile(rf"{_pattern(path).pattern}(?P<item>\d+)\.")
    return 1 + max((int(match["item"]) for key in keys if (match := item.match(key))), default=-1)


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
