"""Plots as SVG text: readable without scripts, in light and dark, in colours that the colour-blind can tell apart."""

from srbench.charts.drawing import (
    INLINE,
    STANDALONE,
    Interval,
    Layout,
    Series,
    histogram_chart,
    interval_chart,
    line_chart,
    scatter_chart,
)
from srbench.charts.scales import Axis, Scale

__all__ = [
    "INLINE",
    "STANDALONE",
    "Axis",
    "Interval",
    "Layout",
    "Scale",
    "Series",
    "histogram_chart",
    "interval_chart",
    "line_chart",
    "scatter_chart",
]
