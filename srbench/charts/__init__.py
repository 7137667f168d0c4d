"""Plots as SVG text: readable without scripts, in light and dark, in colours for colour-blind readers."""

from srbench.charts.drawing import Arrow, Series, histogram_chart, line_chart, scatter_chart
from srbench.charts.inset import least_shown
from srbench.charts.row_charts import Interval, PartsBar, interval_chart, parts_chart
from srbench.charts.scales import Axis, Scale
from srbench.charts.svg import INLINE, STANDALONE, Layout

__all__ = [
    "INLINE",
    "STANDALONE",
    "Arrow",
    "Axis",
    "Interval",
    "Layout",
    "PartsBar",
    "Scale",
    "Series",
    "histogram_chart",
    "interval_chart",
    "least_shown",
    "line_chart",
    "parts_chart",
    "scatter_chart",
]
