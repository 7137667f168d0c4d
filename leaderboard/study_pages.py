"""The pages of controlled studies, made from the results of `srbench study report`, stored as `NAME.study.json`."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from markupsafe import Markup

from leaderboard.addresses import address_safe
from leaderboard.collection import Collection
from leaderboard.pages import Page
from leaderboard.rendering import render, short_signed
from srbench.charts import Axis, Interval, interval_chart
from srbench.errors import ResultsError, SubmissionError
from srbench.statistics import far_apart
from srbench.submissions import Problem
from srbench.submissions.untrusted_files import MAX_JSON_BYTES, printable_name, read_bytes

INDEX = "studies/index.html"
SUFFIX = ".study.json"
"""How the names of result files next to the entries end. Each is a copy of a study's `results.json`."""
EARLY_STEPS = 5000
"""Studies of fewer steps are titled as early training."""

SCHEMA_VERSION = 1

_OUTCOMES = {
    "better": "{a} is better than {b}",
    "worse": "{a} is worse than {b}",
    "equivalent": "{a} and {b} are equivalent within ±{margin:g} dB",
    "undecided": "{n} seeds do not decide between {a} and {b}",
}


_UNKNOWN = {"outcome": "undecided", "detectable": math.nan, "interval": (math.nan, math.nan), "mean": math.nan}
"""The numbers of a contrast without measurements."""

REACH = 0.3
"""Charts cut differences beyond this many dB and show an arrow instead, so that the margin stays visible."""

_DIFFERENCE = Axis("A − B after the last step, dB, with its 95 % interval", form=short_signed)


@dataclass(frozen=True)
class Difference:
    """One contrast on one endpoint, A minus B in dB.

    `way` has the percentages of the steps with mean and interval, `ends` lower end, mean and upper end after the last;
    without numbers, where trainings diverged and fewer than two seeds are left, it is empty.
    """

    a: str
    b: str
    endpoint: str
    in_domain: bool
    asked: bool
    outcome: str
    verdict: str
    detectable: str
    ends: tuple[float, float, float]
    way: tuple[tuple[str, str], ...]

    @property
    def result(self) -> str:
        """Mean and 95 % interval after the last step."""
        return self.way[-1][1]


@dataclass(frozen=True)
class Study:
    """A study as its page shows it: `document` is `results.json`; `slug` is the name of its page."""

    slug: str
    document: dict[str, Any]
    groups: tuple[tuple[dict[str, Any], tuple[Difference, ...]], ...]

    @property
    def short_title(self) -> str:
        """What was compared, without how: `IMDN ×4, 600 steps`."""
        return f"{self.question.b.upper()} ×{self.document['study']['scale']}, {self.steps:,} steps"

    @property
    def title(self) -> str:
        """What was compared and how it was trained, in words."""
        early = ", early training" if self.steps < EARLY_STEPS else ""
        question = self.question
        return f"{question.a.upper()} or {question.b.upper()}, ×{self.document['study']['scale']}{early}"

    @property
    def steps(self) -> int:
        """How many steps each training had."""
        return int(self.document["recipe"]["steps"])

    @property
    def training(self) -> str:
        """At which learning rates and for how many steps the arms of the question were trained, in words."""
        rates = self.document["learning_rates"]
        chosen = [rates[arm]["chosen"] if arm in rates else None for arm in (self.question.a, self.question.b)]
        if None in chosen:
            return f"after {self.steps:,} steps"
        a, b = chosen
        if a == b:
            return f"both arms at learning rate {a:g}, after {self.steps:,} steps"
        return f"{self.question.a} at learning rate {a:g}, {self.question.b} at {b:g}, after {self.steps:,} steps"

    @property
    def rates_differ(self) -> bool:
        """Whether the arms were trained at different learning rates."""
        return len({found["chosen"] for found in self.document["learning_rates"].values()}) > 1

    def far_apart(self, group: Mapping[str, Any]) -> list[str]:
        """The arms of a group of which some trainings broke down."""
        ends = {arm: group["means"][arm][group["endpoints"][0]["name"]]["100"] for arm in group["arms"]}
        return [arm for arm, values in ends.items() if far_apart(values)]

    def chart(self, group: Mapping[str, Any], differences: Sequence[Difference]) -> Markup:
        """The differences of one of the groups after the last step, as SVG."""
        intervals = [
            Interval(one.endpoint, *one.ends, strong=one.asked, group=f"{one.a} − {one.b}") for one in differences
        ]
        description = "; ".join(f"{one.a} minus {one.b} on {one.endpoint}: {one.result}" for one in differences)
        plan = self.document["study"]
        # The writer of the SVG escapes what it is given.
        return Markup(
            interval_chart(
                intervals,
                title=f"Differences of {plan['name']}, {group['name']}",
                x=_DIFFERENCE,
                margin=plan["margin_db"],
                description=description,
                reach=max(REACH, 2 * plan["margin_db"]),
            )
        )

    @property
    def question(self) -> Difference:
        """The difference that the study was made for."""
        found = (one for group, differences in self.groups for one in (*differences, *unmeasured(group)))
        return next(one for one in found if one.asked)


def unmeasured(group: Mapping[str, Any]) -> list[Difference]:
    """The contrasts of a group for which its diverged trainings leave fewer than two seeds."""
    return [_difference({**one, "by_percentage": {}}) for one in group.get("unmeasured", ())]


def lost_seeds(diverged: Mapping[str, Sequence[int]]) -> str:
    """`imdn-bam with seed 2; imdn with seeds 1, 3`: which trainings diverged, out of the seeds by arm."""
    return "; ".join(
        f"{arm} with seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}" for arm, seeds in diverged.items()
    )


def pages(collection: Collection) -> Iterator[Page]:
    """Return a page and a data file for each study, and their index."""
    studies, _ = read_studies(collection.root)
    yield Page(INDEX, partial(render, "studies.html.j2", path=INDEX, studies=studies, study_path=study_path))
    for study in studies:
        yield Page(study_path(study), partial(_page, study))
        yield Page(_data_path(study), partial(json.dumps, study.document, indent=1))


def study_path(study: Study) -> str:
    """Return the path of a study's page."""
    return f"studies/{study.slug}.html"


def _data_path(study: Study) -> str:
    return f"data/studies/{study.slug}.json"


def read_studies(folder: Path) -> tuple[list[Study], list[Problem]]:
    """Return the studies whose results are in a folder, and what is wrong with those that cannot be shown."""
    studies: list[Study] = []
    problems: list[Problem] = []
    for path in study_files(folder):
        try:
            studies.append(parse(read_bytes(path, limit=MAX_JSON_BYTES), path.name))
        except (ResultsError, SubmissionError) as error:
            problems.append(Problem(printable_name(path.name), str(error)))
    return studies, problems


def study_files(folder: Path) -> list[Path]:
    """Return the result files in a folder by name: a study comes before its repetition, whose name is longer."""
    return sorted(folder.glob(f"*{SUFFIX}"), key=lambda path: path.name.removesuffix(SUFFIX))


def parse(data: bytes, name: str) -> Study:
    """Return the study in a `results.json`. Raises ResultsError if it is damaged, incomplete or has another version."""
    try:
        document = json.loads(data.decode("utf-8"), parse_constant=_no_constant)
        if document["schema_version"] != SCHEMA_VERSION:
            raise ValueError(f"schema version {document['schema_version']!r}")
        groups = tuple((group, tuple(map(_difference, group["differences"]))) for group in document["groups"])
        study = Study(address_safe(name.removesuffix(SUFFIX)), document, groups)
        _ = study.question
        _page(study)  # reads every field
    except Exception as error:
        found = f"{type(error).__name__}: {error}"[:300]
        raise ResultsError(
            f"{name}: expected a study's results.json (schema version {SCHEMA_VERSION}), got {found}; "
            "write it with srbench study report"
        ) from error
    return study


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def _page(study: Study) -> str:
    return render(
        "study.html.j2",
        path=study_path(study),
        study=study,
        index=INDEX,
        data=_data_path(study),
        unmeasured=unmeasured,
        lost_seeds=lost_seeds,
    )


def _difference(one: dict[str, Any]) -> Difference:
    found = one["by_percentage"]
    last: dict[str, Any] = found["100"] if found else _UNKNOWN
    if one.get("diverged"):
        left = f"{last['n']} seeds are left" if found else "fewer than two seeds are left to compare"
        verdict = (
            f"Undecided between {one['a']} and {one['b']}, since trainings diverged "
            f"({lost_seeds(one['diverged'])}) and {left}"
        )
    else:
        verdict = _OUTCOMES[last["outcome"]].format(a=one["a"], b=one["b"], margin=last["margin"], n=last["n"])
    ordered = sorted(found.items(), key=lambda item: int(item[0]))
    return Difference(
        a=str(one["a"]),
        b=str(one["b"]),
        endpoint=str(one["endpoint"]),
        in_domain=one["role"] == "in-domain",
        asked=one["is_the_question"] is True,
        outcome=last["outcome"],
        verdict=verdict,
        detectable=f"{last['detectable']:.3f}",
        ends=(last["interval"][0], last["mean"], last["interval"][1]),
        way=tuple((share, _interval(value)) for share, value in ordered),
    )


def _interval(found: dict[str, Any]) -> str:
    low, high = found["interval"]
    return f"{found['mean']:+z.3f} ({low:+z.3f} to {high:+z.3f})"
