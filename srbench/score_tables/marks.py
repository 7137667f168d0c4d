"""Which scores of a column are the best and the second best, for bold and underlined numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from srbench.statistics import top_tier

Mark = Literal["first", "second"]
"""First: the best of a column and those that count as equal to it; second: the same among the rest."""

MarkRule = Literal["max", "tied", "none"]
"""Which scores count as equal.

"max": those that are printed equal; "tied": those in the tier of the best, by the rule of the leaderboard
(`srbench.statistics.top_tier`); "none": no marks.
"""

Row = TypeVar("Row")


@dataclass(frozen=True)
class Scores:
    """The mean of a model on a dataset, and the scores of its images in a common order (float64, may be infinite)."""

    mean: float
    images: NDArray[np.float64]


def best_marks(column: Mapping[Row, Scores], rule: MarkRule, *, higher: bool, digits: int) -> dict[Row, Mark]:
    """Return the marks of a column by row; rows without a mark are left out.

    Args:
        column: by row, the scores of the same images.
        rule: which scores count as equal. For "tied", means that differ by one unit of the last printed digit are
            equal, whatever the test says.
        higher: whether higher values are better.
        digits: decimals that are printed.

    Examples:
        >>> means = {"a": 1.234, "b": 1.231, "c": 1.1}
        >>> column = {name: Scores(value, np.full(5, value)) for name, value in means.items()}
        >>> best_marks(column, "max", higher=True, digits=2)
        {'a': 'first', 'b': 'first', 'c': 'second'}
    """
    tiers = {"max": _printed_equal, "tied": _tied, "none": None}[rule]
    left = {row: scores for row, scores in column.items() if not math.isnan(scores.mean)}
    marks: dict[Row, Mark] = {}
    for mark in ("first", "second") if tiers else ():
        if not left or tiers is None:
            break
        shares = tiers(list(left.values()), higher, digits)
        level = [row for row, equal in zip(left, shares, strict=True) if equal]
        marks |= dict.fromkeys(level, mark)
        left = {row: scores for row, scores in left.items() if row not in level}
    return marks


def _printed_equal(scores: Sequence[Scores], higher: bool, digits: int) -> list[bool]:
    best = (max if higher else min)(one.mean for one in scores)
    return [f"{one.mean:.{digits}f}" == f"{best:.{digits}f}" for one in scores]


def _tied(scores: Sequence[Scores], higher: bool, digits: int) -> list[bool]:
    sign = 1 if higher else -1
    return top_tier(
        [sign * one.mean for one in scores],
        lambda chosen: sign * np.stack([scores[index].images for index in chosen]),
        n=len(scores[0].images),
        tie=10.0**-digits,
    )
