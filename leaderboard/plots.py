"""Charts of quality against cost: PSNR over parameters, MACs and measured speed, with the Pareto front."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial

from markupsafe import Markup

from leaderboard.addresses import address_safe, link, model_path
from leaderboard.boards import front_board
from leaderboard.collection import Collection
from leaderboard.entries import Entry, Group
from leaderboard.matching import matched_pairs
from leaderboard.pages import Page
from leaderboard.ranking import ranked_entries, reference_inputs
from leaderboard.rendering import render, thousands
from leaderboard.views import View, views
from srbench.charts import INLINE, STANDALONE, Arrow, Axis, Layout, Series, least_shown, scatter_chart

INDEX = "charts/index.html"
FAMILIES = ("without attention", "BAM", "other attention")
"""The clouds of a chart, in the order of their colours."""

_MOST_POINTS = 500
_MOST_NAMED = 40
"""A chart with more points than this names only those of the Pareto front."""
_OWN_TRAINING = ", trained by srbench"
_PSNR = Axis("mean PSNR, dB")


@dataclass(frozen=True)
class Measure:
    """The x axis of a chart: `value` reads it from an entry at a scale; `low` means that less is better."""

    slug: str
    title: str
    axis: Axis
    value: Callable[[Entry, int], float | None]
    low: bool = True


@dataclass(frozen=True)
class Point:
    """An entry in a chart: its cost or speed, its mean PSNR in dB, and its family's number."""

    entry: Entry
    x: float
    psnr: float
    family: int


@dataclass(frozen=True)
class Chart:
    """One chart: the points that are shown, the Pareto front among them (cheapest first), and how many there were."""

    measure: Measure
    title: str
    points: tuple[Point, ...]
    front: tuple[Point, ...]
    total: int
    pairs: frozenset[tuple[str, str]] = frozenset()

    def svg(self, *, root: str = "", layout: Layout = INLINE) -> Markup:
        """The chart as SVG; `root` leads from its page to the site's root."""
        # The functions that write SVG escape all text from entries.
        return Markup(
            scatter_chart(
                self._series(root),
                title=self.title,
                x=self.measure.axis,
                y=_PSNR,
                description=self.description,
                layout=layout,
                arrows=self.arrows,
            )
        )

    @property
    def has_overview(self) -> bool:
        """Whether a few points are so far below the others that the chart shows them only in its overview."""
        return least_shown([point.psnr for point in self.points]) is not None

    @property
    def has_own_training(self) -> bool:
        """Whether weights that were trained by srbench are among the points."""
        return any(_OWN_TRAINING in point.entry.title for point in self.points)

    @property
    def arrows(self) -> list[Arrow]:
        """Arrows from each base to the same network with BAM, where both are shown."""
        places = {point.entry.id: (point.x, point.psnr) for point in self.points}
        titles = {point.entry.id: _short_title(point.entry) for point in self.points}
        return [
            (places[base], places[variant], f"{titles[base]} → {titles[variant]}")
            for base, variant in sorted(self.pairs)
            if base in places and variant in places
        ]

    @property
    def description(self) -> str:
        """The chart in words."""
        listed = "; ".join(
            f"{point.entry.title}, {self.measure.axis.form(point.x)}, {point.psnr:.3f} dB" for point in self.front[:12]
        )
        return f"{len(self.points)} models. On the Pareto front, from the lowest PSNR: {listed}."

    def _series(self, root: str) -> list[Series]:
        ordered = sorted(self.front, key=lambda point: point.x, reverse=not self.measure.low)
        steps = tuple((point.x, point.psnr) for point in ordered)
        front = Series("Pareto front", steps, colour=6, dashed=True, stepped=True)
        return [front, *(cloud for cloud in self._clouds(root) if cloud.points)]

    def _clouds(self, root: str) -> Iterator[Series]:
        held = set(map(id, self.front))
        for on_front in (True, False):
            for number, family in enumerate(FAMILIES):
                chosen = [p for p in self.points if p.family == number and (id(p) in held) == on_front]
                yield Series(
                    family,
                    tuple((point.x, point.psnr) for point in chosen),
                    colour=number,
                    dashed=not on_front,
                    labels=tuple(_short_title(point.entry) for point in chosen),
                    links=tuple(link(model_path(point.entry.id), root=root) for point in chosen),
                    named=on_front or len(self.points) <= _MOST_NAMED,
                )


def _short_title(entry: Entry) -> str:
    """Return an entry's title as charts name it: `IMDN (srbench)` for `IMDN, trained by srbench`."""
    return entry.title.replace(_OWN_TRAINING, " (srbench)")


def charts_path(view: View, dataset: str) -> str:
    """Return the path of the page with a dataset's charts in a view."""
    return f"charts/{view.stem}-{address_safe(dataset)}.html"


def pages(collection: Collection) -> Iterator[Page]:
    """Return a page of charts per scale, protocol and dataset, each chart also as a file, and their index."""
    listed: list[tuple[View, list[str]]] = []
    found = matched_pairs(collection).values()
    pairs = frozenset((pair.base.id, pair.variant.id) for pairs in found for pair in pairs)
    for view in views(collection):
        shown = []
        for dataset in view.datasets:
            entries = _shown(view, dataset)
            if len(entries) > 1:
                shown.append(dataset)
                yield from _pages(view, dataset, entries, pairs)
        if shown:
            listed.append((view, shown))
    yield Page(INDEX, lambda: _index(collection, listed, pairs))


def _index(collection: Collection, listed: Sequence[tuple[View, list[str]]], pairs: frozenset[tuple[str, str]]) -> str:
    """Return the index, with the first chart of the front page's table."""
    board = front_board(collection)
    first: tuple[View, str, Chart] | None = None
    if board and any(view.stem == board.view.stem and board.ranked_on in shown for view, shown in listed):
        found = charts(board.view, board.ranked_on, _shown(board.view, board.ranked_on), pairs)
        first = (board.view, board.ranked_on, found[0]) if found else None
    return render("charts.html.j2", path=INDEX, listed=listed, charts_path=charts_path, first=first, families=FAMILIES)


def charts(
    view: View, dataset: str, entries: Sequence[Entry], pairs: frozenset[tuple[str, str]] = frozenset()
) -> list[Chart]:
    """Return the charts of a dataset for which at least two entries have a value; `pairs` are base and variant ids."""
    found = []
    for measure in _measures(view, dataset, entries):
        points = list(_points(measure, view, dataset, entries))
        title = f"PSNR against {measure.title}: {dataset} ×{view.scale}, {view.protocol.name}"
        front = pareto_front(points, low=measure.low)
        found.append(Chart(measure, title, _thinned(points, front), tuple(front), len(points), pairs))
    return found


def pareto_front(points: Sequence[Point], *, low: bool) -> list[Point]:
    """Return the points that no other point beats in both PSNR and x, by rising PSNR; of equal points, the first."""
    front: list[Point] = []
    for point in sorted(points, key=lambda point: (point.x if low else -point.x, -point.psnr, point.entry.id)):
        if not front or point.psnr > front[-1].psnr:
            front.append(point)
    return front


def _pages(view: View, dataset: str, entries: Sequence[Entry], pairs: frozenset[tuple[str, str]]) -> Iterator[Page]:
    path = charts_path(view, dataset)
    made = cache(partial(charts, view, dataset, entries, pairs))  # once for the page and its files
    yield Page(path, partial(_page, path, view, dataset, made))
    for measure in _measures(view, dataset, entries):
        yield Page(svg_path(view, dataset, measure), partial(_svg, made, measure.slug))


def svg_path(view: View, dataset: str, measure: Measure) -> str:
    """Return the path of the file of one chart."""
    return f"charts/{view.stem}-{address_safe(dataset)}-{measure.slug}.svg"


def _page(path: str, view: View, dataset: str, made: Callable[[], list[Chart]]) -> str:
    return render(
        "charts_of.html.j2",
        path=path,
        view=view,
        dataset=dataset,
        charts=made(),
        families=FAMILIES,
        svg_path=svg_path,
        charts_path=charts_path,
    )


def _svg(made: Callable[[], list[Chart]], slug: str) -> str:
    chart = next(chart for chart in made() if chart.measure.slug == slug)
    return str(chart.svg(layout=replace(STANDALONE, right=210)))


def _points(measure: Measure, view: View, dataset: str, entries: Sequence[Entry]) -> Iterator[Point]:
    for entry in entries:
        x, psnr = measure.value(entry, view.scale), _psnr(entry, view, dataset)
        if x is not None and x > 0 and psnr is not None:
            yield Point(entry, x, psnr, _family(entry))


def _thinned(points: list[Point], front: list[Point]) -> tuple[Point, ...]:
    """Return at most `_MOST_POINTS` points: those of the Pareto front first, then those with the highest PSNR."""
    if len(points) <= _MOST_POINTS:
        return tuple(points)
    held = set(map(id, front))
    others = sorted((point for point in points if id(point) not in held), key=lambda point: -point.psnr)
    return (*front, *others)[:_MOST_POINTS]


def _shown(view: View, dataset: str) -> list[Entry]:
    """Return the entries of the main group that were scored on all images of the same pixels."""
    group = view.group(dataset)
    main = ranked_entries(view.entries, view.protocol.name)
    inputs = reference_inputs(main, group)
    alike = [e for e in main if group in e.means and e.means[group].inputs == inputs]
    return [e for e in alike if _psnr(e, view, dataset) is not None]


def _psnr(entry: Entry, view: View, dataset: str) -> float | None:
    """Return the mean of a complete set if it is finite."""
    psnr = entry.means[view.group(dataset)].psnr
    return psnr if psnr is not None and math.isfinite(psnr) else None


def _family(entry: Entry) -> int:
    attention = str(entry.document["model"]["attention"] or "none").lower()
    return {"none": 0, "bam": 1}.get(attention, 2)


def _measures(view: View, dataset: str, entries: Sequence[Entry]) -> list[Measure]:
    """Return the measures that at least two entries have; where no speeds were measured, those of the scoring runs."""
    costs, speeds = _known(_MEASURES, view, entries), _known(_speeds(entries), view, entries)
    return costs + (speeds or _known(_run_speeds(view, dataset, entries), view, entries))


def _known(measures: Sequence[Measure], view: View, entries: Sequence[Entry]) -> list[Measure]:
    return [one for one in measures if sum(bool(one.value(entry, view.scale)) for entry in entries) > 1]


def _speeds(entries: Sequence[Entry]) -> list[Measure]:
    """Return one measure per device and input size, because speeds of two devices are not compared."""
    places = sorted({_place(entry) for entry in entries if entry.document["runtime"]})
    return [
        Measure(
            f"fps-{number}",
            f"claimed speed on {device}",
            Axis(f"frames per second, LR {width}×{height}", logarithmic=True, form=_rate),
            partial(_fps_at, (device, height, width)),
            low=False,
        )
        for number, (device, height, width) in enumerate(places, start=1)
    ]


def _rate(value: float) -> str:
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def _place(entry: Entry) -> tuple[str, int, int]:
    runtime = entry.document["runtime"]
    return runtime["device"], *runtime["size"]


def _fps_at(place: tuple[str, int, int], entry: Entry, scale: int) -> float | None:
    if not entry.document["runtime"] or _place(entry) != place:
        return None
    return frames_per_second(entry, scale)


def _run_speeds(view: View, dataset: str, entries: Sequence[Entry]) -> list[Measure]:
    """Return one measure per device that the dataset was scored on."""
    group = view.group(dataset)
    devices = sorted({device for entry in entries if (device := _device(entry, group))})
    return [
        Measure(
            f"images-{number}",
            f"speed of the scoring run on {device}",
            Axis(f"images of {dataset} per second", logarithmic=True, form=_rate),
            partial(_images_per_second, group, device),
            low=False,
        )
        for number, device in enumerate(devices, start=1)
    ]


def _images_per_second(group: Group, device: str, entry: Entry, scale: int) -> float | None:
    mean = entry.means.get(group)
    if mean is None or not mean.seconds or _device(entry, group) != device or scale != group[0]:
        return None
    return 1 / mean.seconds


def _device(entry: Entry, group: Group) -> str:
    """Return the device that a group was scored on, in words; empty if the run does not name it."""
    for run in entry.document["runs"]:
        if run["scale"] == group[0] and group[1] in run["protocols"] and group[2] in run["datasets"]:
            return _described(run["environment"])
    return ""


def _described(environment: Mapping[str, object]) -> str:
    device = str(environment["device"] or "")
    if device != "cpu":
        return device
    threads = environment["threads"]
    processor = environment["processor"] or environment["system"] or "a processor"
    return f"{processor}, {threads} thread{'s' * (threads != 1)}" if threads else str(processor)


def frames_per_second(entry: Entry, scale: int) -> float | None:
    """Return the measured frames per second at a scale; None if the entry has no measurement."""
    runtime = entry.document["runtime"] or {}
    fps = (runtime.get("fps") or {}).get(str(scale))
    seconds = (runtime.get("seconds_per_image") or {}).get(str(scale))
    if fps:
        return float(fps)
    return 1 / seconds if seconds else None


_MEASURES = (
    Measure(
        "parameters",
        "parameters",
        Axis("parameters", logarithmic=True, form=thousands),
        lambda entry, scale: entry.at("parameters", scale),
    ),
    Measure(
        "macs",
        "MACs",
        Axis("MACs for an LR of 360×240", logarithmic=True, form=thousands),
        lambda entry, scale: entry.at("macs", scale),
    ),
)
