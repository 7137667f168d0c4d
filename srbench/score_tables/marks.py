"""Which scores of a column are the best and the second best, for bold and underlined numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from srbench.statistics import MIN_IMAGES, hold_zero

Mark = Literal["first", "second"]
"""First: the best of a column and those that count as equal to it; second: the same among the rest."""

MarkRule = Literal["max", "tied", "none"]
"""Which scores count as equal. "max": those that are printed equal; "tied": those that do not differ significantly from
the best; "none": no marks."""

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
        rule: which scores count as equal. "tied" compares the printed means where there are fewer than `MIN_IMAGES`
            images, and otherwise asks whether Student's 95 % interval of the mean difference to the best contains 0.
        higher: whether higher values are better.
        digits: decimals that are printed.

    Examples:
        >>> means = {"a": 1.234, "b": 1.231, "c": 1.1}
        >>> column = {name: Scores(value, np.full(5, value)) for name, value in means.items()}
        >>> best_marks(column, "max", higher=True, digits=2)
        {'a': 'first', 'b': 'first', 'c': 'second'}
    """
    equal = {"max": _printed_equal, "tied": _not_significantly_different, "none": None}[rule]
    left = {row: scores for row, scores in column.items() if not math.isnan(scores.mean)}
    marks: dict[Row, Mark] = {}
    for mark in ("first", "second") if equal else ():
        if not left or equal is None:
            break
        best = (max if higher else min)(left.values(), key=lambda scores: scores.mean)
        level = [row for row, scores in left.items() if equal(best, scores, digits)]
        marks |= dict.fromkeys(level, mark)
        left = {row: scores for row, scores in left.items() if row not in level}
    return marks


Equal = Callable[[Scores, Scores, int], bool]


def _printed_equal(best: Scores, other: Scores, digits: int) -> bool:
    return f"{best.mean:.{digits}f}" == f"{other.mean:.{digits}f}"


def _not_significantly_different(best: Scores, other: Scores, digits: int) -> bool:
    if best is other or len(best.images) < MIN_IMAGES:
        return _printed_equal(best, other, digits)
    return hold_zero(best.images, other.images[np.newaxis])[0]
