"""The curves of trainings as one SVG document."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from srbench.charts import Axis, Series, line_chart

Line = dict[str, float]
"""One line of a training's log: `step`, and either `loss` and what goes with it, or `psnr`."""

_POINTS = 120


def curves(runs: Mapping[str, Sequence[Line]], *, title: str) -> str:
    """Return an SVG of loss and held-out PSNR over the steps, with one line per training; `runs` is keyed by name.

    Raises ValueError where no training has either.
    """
    step = Axis("step")
    kinds = (
        ("loss", "training loss", Axis("loss")),
        ("psnr", "PSNR on held-out images", Axis("PSNR in dB (matlab-y)")),
    )
    charts = [
        line_chart(series, title=f"{title}: {what}", x=step, y=axis)
        for value, what, axis in kinds
        if (series := _series(runs, value))
    ]
    return _stacked(charts)


def thinned(lines: Sequence[Line], value: str) -> list[Line]:
    """Return at most `_POINTS` points of a log: a step, and the mean of `value` since the previous point."""
    found = [line for line in lines if value in line]
    width = max(1, -(-len(found) // _POINTS))
    groups = [found[start : start + width] for start in range(0, len(found), width)]
    return [{"step": group[-1]["step"], value: sum(line[value] for line in group) / len(group)} for group in groups]


def _series(runs: Mapping[str, Sequence[Line]], value: str) -> list[Series]:
    points = {
        name: tuple((float(line["step"]), float(line[value])) for line in thinned(lines, value))
        for name, lines in runs.items()
    }
    return [Series(name, points[name], colour) for colour, name in enumerate(points) if points[name]]


def _stacked(charts: Sequence[str]) -> str:
    """Return an SVG document with charts of equal size below each other."""
    if not charts:
        raise ValueError("expected a loss or a PSNR to draw, got none")
    width, height = (float(side) for side in re.findall(r'viewBox="0 0 (\S+) (\S+)"', charts[0])[0])
    parts = [
        chart.replace("<svg ", f'<svg y="{height * index:g}" height="{height:g}" ', 1)
        for index, chart in enumerate(charts)
    ]
    size = f'viewBox="0 0 {width:g} {height * len(charts):g}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n{"".join(parts)}</svg>\n'
