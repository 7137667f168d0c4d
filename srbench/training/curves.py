"""The curves of a training as one SVG document."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from srbench.charts import Axis, Series, line_chart

Line = dict[str, Any]
"""One line of a training's log: `step`, and either `loss` and what goes with it, or `psnr`."""

_POINTS = 120


def curves(lines: list[Line], *, title: str) -> str:
    """The loss and, where it was measured, the held-out PSNR over the steps, as one SVG document."""
    loss, psnr = (_points(lines, name) for name in ("loss", "psnr"))
    step = Axis("step")
    charts = [line_chart([Series("loss", loss)], title=f"{title}: training loss", x=step, y=Axis("loss"))]
    if psnr:
        charts.append(line_chart([Series("held out", psnr, 1)], title=f"{title}: PSNR on held-out images", x=step,
                                 y=Axis("PSNR in dB (matlab-y)")))
    return _stacked(charts)


def _points(lines: list[Line], name: str) -> tuple[tuple[float, float], ...]:
    """(step, mean of the values up to there), at most `_POINTS` of them."""
    found = [(float(line["step"]), float(line[name])) for line in lines if name in line]
    width = max(1, -(-len(found) // _POINTS))
    groups = [found[start : start + width] for start in range(0, len(found), width)]
    return tuple((group[-1][0], sum(value for _, value in group) / len(group)) for group in groups)


def _stacked(charts: Sequence[str]) -> str:
    """Charts one below the other: documents of one size nested in a larger one."""
    width, height = (float(side) for side in re.findall(r'viewBox="0 0 (\S+) (\S+)"', charts[0])[0])
    parts = [chart.replace("<svg ", f'<svg y="{height * index:g}" height="{height:g}" ', 1)
             for index, chart in enumerate(charts)]
    size = f'viewBox="0 0 {width:g} {height * len(charts):g}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n{"".join(parts)}</svg>\n'
