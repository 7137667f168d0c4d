"""Axes with round ends and ticks, and the conversion of data to pixels along an axis."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass


def plain(value: float) -> str:
    """Return the number of a tick in its shortest form."""
    return f"{value:g}"


@dataclass(frozen=True)
class Axis:
    """One axis: its label, whether it is logarithmic (then every value must be positive), how its ticks are written."""

    label: str
    logarithmic: bool = False
    form: Callable[[float], str] = plain


@dataclass(frozen=True)
class Scale:
    """The conversion of data to pixels along one axis."""

    low: float
    high: float
    start: float
    stop: float
    logarithmic: bool

    @classmethod
    def over(cls, values: Sequence[float], axis: Axis, start: float, stop: float) -> Scale:
        """A scale that holds every value, with its ends on ticks. Raises ValueError for values it cannot hold."""
        if not values or not all(map(math.isfinite, values)):
            raise ValueError(f"expected finite values along {axis.label!r}, got {list(values)[:5]}")
        low, high = min(values), max(values)
        if axis.logarithmic:
            if low <= 0:
                raise ValueError(f"expected positive values along the logarithmic axis {axis.label!r}, got {low}")
            return cls(*_round_ends(low, high), start, stop, True)
        step = _step(high - low)
        first = math.floor(low / step)
        last = max(math.ceil(high / step), first + 1)
        return cls(first * step, last * step, start, stop, False)

    def __call__(self, value: float) -> float:
        if self.logarithmic:
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.stop - self.start)

    def ticks(self) -> list[float]:
        """Return round values over the axis; on a logarithmic axis powers of ten, with 2 and 5 if they fit."""
        if not self.logarithmic:
            step = _step(self.high - self.low)
            first, last = math.ceil(self.low / step - 1e-6), math.floor(self.high / step + 1e-6)
            return [step * index for index in range(first, last + 1)]
        decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        factors = (1, 2, 5) if len(decades) <= 4 else (1,)
        found = [factor * 10.0**decade for decade in decades for factor in factors]
        return [value for value in found if self.low * 0.999 <= value <= self.high * 1.001]


def _round_ends(low: float, high: float) -> tuple[float, float]:
    """The nearest of 1, 2, 5, 10, … below and above a positive range."""
    steps = [
        factor * 10.0**decade
        for decade in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 2)
        for factor in (1, 2, 5)
    ]
    first = max(value for value in steps if value <= low * (1 + 1e-9))
    return first, min(value for value in steps if value > first and value >= high * (1 - 1e-9))


def _step(span: float) -> float:
    """Return a round step that divides a span into four to ten parts."""
    rough = (span or 1) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
