"""Plots: values land where the axes say, text is escaped, names do not overlap."""

from __future__ import annotations

import math
from xml.etree import ElementTree

import numpy as np
import pytest

from srbench.charts import (
    INLINE,
    STANDALONE,
    Axis,
    Interval,
    Scale,
    Series,
    histogram_chart,
    interval_chart,
    least_shown,
    scatter_chart,
)
from srbench.charts.labels import LabelPlaces

_SVG = "{http://www.w3.org/2000/svg}"
_X, _Y = Axis("parameters", logarithmic=True), Axis("PSNR")


@pytest.mark.parametrize(
    ("values", "ends"), [((7e5, 1.5e6), (5e5, 2e6)), ((10.0, 10.0), (10.0, 20.0)), ((3.0, 4e2), (2.0, 5e2))]
)
def test_a_logarithmic_axis_ends_at_the_nearest_round_values(
    values: tuple[float, float], ends: tuple[float, float]
) -> None:
    scale = Scale.over(values, _X, 0, 100)
    assert (scale.low, scale.high) == pytest.approx(ends)
    assert (scale.ticks()[0], scale.ticks()[-1]) == pytest.approx(ends)


def test_a_linear_axis_shows_its_last_tick() -> None:
    scale = Scale.over((31.885, 32.21), _Y, 100, 0)  # the steps of 0.1 are not exact
    assert scale.ticks() == pytest.approx([31.8, 31.9, 32.0, 32.1, 32.2, 32.3])


def test_a_linear_axis_across_zero_has_its_tick() -> None:
    assert Scale.over((-0.024, 0.066), _Y, 0, 100).ticks() == pytest.approx([0, 0.05])


def test_a_stepped_line_never_promises_more_than_a_point_gives() -> None:
    front = Series("front", ((1e5, 30.0), (1e6, 32.0)), stepped=True)
    root = ElementTree.fromstring(scatter_chart([front], title="t", x=_X, y=_Y, layout=INLINE))
    path = next(path.get("d") for path in root.iter(f"{_SVG}path") if "line" in path.get("class", ""))
    assert path == f"M{INLINE.left:.1f} 250.0H404.0V14.0"


def test_where_names_do_not_fit_the_highest_points_have_theirs() -> None:
    spots = (*((3e5 + step, 31.0 + step / 1e4) for step in range(5)), (1e6, 32.0))
    crowded = Series("all", spots, labels=("lost", "4", "3", "2", "a<b", "apart"), named=True)
    root = ElementTree.fromstring(scatter_chart([crowded], title="t", x=_X, y=_Y, description="d", layout=INLINE))
    names = [text for text in root.iter(f"{_SVG}text") if text.get("class") == "name"]
    assert [name.text for name in names] == ["apart", "a<b", "2", "3"]
    assert len({(name.get("x"), name.get("y")) for name in names}) == len(names)
    assert root.findtext(f"{_SVG}desc") == "d"
    assert not list(root.iter(f"{_SVG}style"))


def test_labels_cover_no_point_line_or_other_label() -> None:
    rng = np.random.default_rng(3)
    places = LabelPlaces(INLINE)
    spots = [(float(x), float(y)) for x, y in zip(rng.uniform(70, 400, 30), rng.uniform(20, 240, 30), strict=True)]
    for spot in spots:
        places.take_point(spot)
    places.take_line((64, 130), (404, 130))
    before = len(places.taken)
    drawn = [text for spot in spots if (text := places.label(spot, "IMDN-BAM"))]
    assert len(drawn) == len(places.taken) - before > 10
    for index, box in enumerate(places.taken[before:], start=before):
        assert not any(box.meets(other) for other in places.taken[:index])


def test_low_outliers_are_shown_in_an_overview_alone() -> None:
    values = (25.0, 30.0, 30.1, 30.2, 30.3, 30.4)
    cloud = Series("all", tuple((10.0 + index, value) for index, value in enumerate(values)))
    root = ElementTree.fromstring(scatter_chart([cloud], title="t", x=_X, y=_Y, layout=INLINE))
    radii = [circle.get("r") for circle in root.iter(f"{_SVG}circle")]
    assert radii.count("4") == 5 and radii.count("3") == 1 and radii.count("1.5") == 5
    ticks = [float(text.text or "") for text in root.iter(f"{_SVG}text") if text.get("text-anchor") == "end"]
    assert min(ticks) >= 29.9
    assert least_shown(values[1:]) is None


def test_the_last_tick_label_stays_inside_the_drawing() -> None:
    x = Axis("MACs", logarithmic=True, form=lambda value: f"{value / 1e9:g} G")
    root = ElementTree.fromstring(
        scatter_chart([Series("a", ((2.1e10, 1.0), (9e10, 2.0)))], title="t", x=x, y=_Y, layout=INLINE)
    )
    ticks = {text.text: (text.get("x"), text.get("text-anchor")) for text in root.iter(f"{_SVG}text")}
    assert ticks["100 G"] == (f"{INLINE.width - 2:.1f}", "end")
    assert ticks["20 G"] == (f"{INLINE.left:.1f}", "middle")


def test_an_arrow_leads_from_one_point_to_the_edge_of_another() -> None:
    series = [Series("a", ((1.0, 1.0), (2.0, 2.0)))]
    arrow = ((1.0, 1.0), (2.0, 2.0), "a → b")
    root = ElementTree.fromstring(scatter_chart(series, title="t", x=_X, y=_Y, arrows=[arrow]))
    (drawn,) = [path for path in root.iter(f"{_SVG}path") if path.get("class") == "axis arrow"]
    first, second = [(float(c.get("cx", "")), float(c.get("cy", ""))) for c in root.iter(f"{_SVG}circle")][:2]
    start, end = ([float(n) for n in part.split()] for part in drawn.get("d", "M")[1:].split("M")[0].split("L"))
    assert start == pytest.approx(first, abs=0.1)
    assert 4 < math.dist(end, second) < 6 and drawn[0].text == "a → b"


def test_a_histogram_counts_and_marks_every_value_once() -> None:
    values = [28.0, 28.1, 30.0, 35.0]
    root = ElementTree.fromstring(histogram_chart(values, title="t", x=Axis("dB"), layout=INLINE))
    titles = [title.text or "" for title in root.iter(f"{_SVG}title")]
    assert sum(int(title.rpartition(": ")[2]) for title in titles if " to " in title) == len(values)
    rug = next(path for path in root.iter(f"{_SVG}path") if path.get("class") == "rug axis")
    assert rug.get("d", "").count("M") == len(values)


def test_a_histogram_of_equal_values_is_one_bar() -> None:
    root = ElementTree.fromstring(histogram_chart([30.0, 30.0], title="t", x=Axis("dB")))
    assert len(list(root.iter(f"{_SVG}rect"))) == 1


def test_only_texts_that_would_be_cut_are_squeezed() -> None:
    for title, length in (("PSNR: Set5 ×4", None), ("PSNR against " * 9, f"{STANDALONE.width - STANDALONE.left - 2}")):
        root = ElementTree.fromstring(histogram_chart([30.0], title=title, x=Axis("dB")))
        shown = next(text for text in root.iter(f"{_SVG}text") if text.get("class") == "title")
        assert (shown.text, shown.get("textLength")) == (title, length)
    series = [Series(name, ((1.0, 1.0),)) for name in ("imdn ×4", "imdn-bam@srbench with a longer name ×4")]
    root = ElementTree.fromstring(scatter_chart(series, title="t", x=_X, y=_Y))
    named = {text.text: text.get("textLength") for text in root.iter(f"{_SVG}text")}
    assert [named[one.name] for one in series] == [None, f"{STANDALONE.right - 16 - 34 - 2}"]


def test_intervals_are_drawn_at_their_values_on_the_axis() -> None:
    found = [Interval("a < b", -0.02, 0.01, 0.04, strong=True), Interval("c", 0.0, 0.02, 0.04)]
    root = ElementTree.fromstring(interval_chart(found, title="t", x=_Y, margin=0.02))
    band = next(rect for rect in root.iter(f"{_SVG}rect"))
    left, width = (float(band.get(name, "")) for name in ("x", "width"))
    lines = [path.get("d", "") for path in root.iter(f"{_SVG}path") if "line" in path.get("class", "")]
    ends = [[float(part.split(" ")[0]) for part in line[1:].split("H")] for line in lines]
    # On an axis from -0.02 to 0.04 with the margin 0.02, the first interval begins where the band begins, and the
    # second one in the middle of the band; both end as far again to the right.
    assert ends[0] == pytest.approx([left, left + 1.5 * width], abs=0.1)
    assert ends[1] == pytest.approx([left + width / 2, left + 1.5 * width], abs=0.1)
    titles = [title.text for title in root.iter(f"{_SVG}title")]
    assert titles == ["no difference", "a < b: 0.01 (-0.02 to 0.04)", "c: 0.02 (0 to 0.04)"]
    assert [text.text for text in root.iter(f"{_SVG}text") if text.get("class") == "strong"] == ["a < b"]


def test_intervals_of_a_group_are_below_its_name() -> None:
    found = [
        Interval("short", 0, 1, 2, group="p − q"),
        Interval("a longer label", 0, 1, 2, strong=True, group="p − q"),
        Interval("short", 0, 1, 2, group="q − r"),
        Interval("x" * 200, 0, 1, 2),
    ]
    root = ElementTree.fromstring(interval_chart(found[:3], title="t", x=_Y, margin=0.02))
    texts = list(root.iter(f"{_SVG}text"))[-5:]
    assert [text.text for text in texts] == ["p − q", "short", "a longer label", "q − r", "short"]
    ends = {float(text.get("x", "")) for text in texts if text.get("text-anchor") == "end"}
    assert len(ends) == 1 and 14 * 0.6 * len("a longer label") < ends.pop() < INLINE.width / 2
    titles = [title.text or "" for title in root.iter(f"{_SVG}title")]
    assert titles[1].startswith("p − q, short: 1")
    endless = ElementTree.fromstring(interval_chart(found, title="t", x=_Y, margin=0.02))
    cut = [text.text or "" for text in endless.iter(f"{_SVG}text")][-1]
    assert cut.endswith("x…") and 14 * 0.5 * len(cut) < INLINE.width / 2


def test_an_interval_without_an_end_is_refused() -> None:
    with pytest.raises(ValueError, match="expected finite values"):
        interval_chart([Interval("d", float("nan"), 0.0, 1.0)], title="t", x=_Y, margin=0.02)
