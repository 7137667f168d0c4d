"""Charts: the front is what no point beats, speeds of two devices stay apart, only like is drawn with like."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from leaderboard.collection import Collection, collect
from leaderboard.entries import Entry
from leaderboard.plots import Point, charts, pages, pareto_front
from leaderboard.views import views
from tests.submissions.generated import generate

PLACES = some.lists(some.tuples(some.integers(1, 9), some.integers(20, 29)), min_size=1, max_size=30)


@settings(max_examples=60, deadline=None)
@given(places=PLACES, low=some.booleans())
def test_the_front_is_what_no_other_point_beats(places: list[tuple[int, int]], low: bool) -> None:
    points = [Point(named(number), x, psnr, 0) for number, (x, psnr) in enumerate(places)]

    def beats(a: Point, b: Point) -> bool:
        cheaper = a.x <= b.x if low else a.x >= b.x
        return cheaper and a.psnr >= b.psnr and (a.x, a.psnr) != (b.x, b.psnr)

    best = {(p.x, p.psnr) for p in points if not any(beats(other, p) for other in points)}
    front = pareto_front(points, low=low)
    assert {(p.x, p.psnr) for p in front} == best
    assert len(front) == len(best)


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    """Five entries with speeds of two devices; the last was run with self-ensemble."""
    for number, folder in enumerate(generate(tmp_path / "in", 5)):
        document = json.loads((folder / "submission.json").read_text())
        device = "one device" if number < 2 else "another device"
        document["runtime"] = {
            "device": device,
            "size": [180, 320],
            "fps": {"4": 10.0 + number},
            "seconds_per_image": None,
        }
        document["options"]["self_ensemble"] = number == 4
        (folder / "submission.json").write_text(json.dumps(document))
    return collect(tmp_path / "in")


def test_speeds_of_two_devices_are_two_charts(collection: Collection) -> None:
    view = views(collection)[0]
    found = charts(view, "Set5", [entry for entry in collection if entry.id != "net-00004"])
    assert [chart.measure.title for chart in found] == [
        "parameters",
        "MACs",
        "claimed speed on another device",
        "claimed speed on one device",
    ]
    assert [len(chart.points) for chart in found] == [4, 4, 2, 2]
    # Width before height, as in the axis of MACs; submissions have it the other way round.
    assert [chart.measure.axis.label for chart in found[1:]] == [
        "MACs for an LR of 360×240",
        *["frames per second, LR 320×180"] * 2,
    ]


def test_without_measured_speed_charts_use_the_scoring_run(collection: Collection) -> None:
    view = views(collection)[0]
    entries = [entry for entry in collection if entry.id < "net-00003"]
    for entry in entries:
        entry.document["runtime"] = None
    chart = charts(view, "Set5", entries)[-1]
    assert chart.measure.title == "speed of the scoring run on a processor, 2 threads"
    for point in chart.points:
        seconds = [float(str(row["seconds"])) for row in point.entry.rows()[4, "matlab-y", "Set5"]]
        assert point.x == pytest.approx(len(seconds) / sum(seconds))


def test_a_self_ensemble_is_not_drawn_among_plain_entries(collection: Collection) -> None:
    made = {page.path: page.content for page in pages(collection)}
    html = str(made["charts/x4-matlab-y-Set5.html"]())
    assert "net-00003.html" in html
    assert "net-00004.html" not in html
    assert str(made["charts/x4-matlab-y-Set5-parameters.svg"]()).startswith("<svg xmlns=")


def named(number: int) -> Entry:
    return cast(Entry, cast(Any, SimpleNamespace(id=f"net-{number:03}")))
