"""The pages of controlled studies, made from the results of `srbench study report`, stored as `NAME.study.json`."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from markupsafe import Markup

from leaderboard.addresses import address_safe
from leaderboard.collection import Collection
from leaderboard.pages import Page
from leaderboard.rendering import render, short_signed
from srbench.charts import Axis, Interval, interval_chart
from srbench.errors import ResultsError, SrbenchError, SubmissionError, numbered
from srbench.records.record_model import validate
from srbench.records.study import STUDY_VERSION, ContrastResult, GroupResult, MeasuredDifference, StudyResults
from srbench.statistics import far_apart, p_text
from srbench.submissions import Problem
from srbench.submissions.untrusted_files import MAX_JSON_BYTES, parse_json, printable_name, read_bytes

INDEX = "studies/index.html"
SUFFIX = ".study.json"
"""How the names of result files next to the entries end. Each is a copy of a study's `results.json`."""
EARLY_STEPS = 5000
"""Studies of fewer steps are titled as early training."""

_OUTCOMES = {
    "better": "{a} is better than {b}",
    "worse": "{a} is worse than {b}",
    "equivalent": "{a} and {b} are equivalent within ±{margin:g} dB",
    "undecided": "{n} seeds do not decide between {a} and {b}",
}

_METRICS = {"psnr_y": "PSNR", "psnr_y_aliased": "PSNR (aliased)", "ssim_y": "SSIM"}

REACH = 0.3
"""Charts cut differences beyond this many dB and show an arrow instead, so that the margin stays visible."""

_DIFFERENCE = Axis("A − B after the last step, dB, with its 95 % interval", form=short_signed)


@dataclass(frozen=True)
class Difference:
    """One contrast on one endpoint, A minus B in dB.

    `way` has mean and interval by percentage of the steps, where the endpoint was measured; `ends` has the lower end,
    the mean and the upper end after the last step. Both are empty if diverged trainings leave fewer than two seeds.
    `p_holm` is empty where the plan corrects nothing.
    """

    a: str
    b: str
    endpoint: str
    in_domain: bool
    asked: bool
    outcome: str
    verdict: str
    p_holm: str
    detectable: str
    ends: tuple[float, float, float]
    way: Mapping[str, str]

    @property
    def result(self) -> str:
        """Mean and 95 % interval after the last step."""
        return self.way["100"]


@dataclass(frozen=True)
class Study:
    """A study as its page shows it: `results` is `results.json`, `text` its content, `slug` the name of its page."""

    slug: str
    results: StudyResults
    text: str
    groups: tuple[tuple[GroupResult, tuple[Difference, ...]], ...]

    @property
    def short_title(self) -> str:
        """What was compared, with the learning rates of both arms, as charts name it: `PAN ×4 (0.004/0.002)`."""
        return f"{self.question.b.upper()} ×{self.results.study.scale} ({'/'.join(self._rates) or 'rates not stated'})"

    @property
    def title(self) -> str:
        """What was compared and how it was trained, in words."""
        early = ", early training" if self.steps < EARLY_STEPS else ""
        rates = f", rate{'s' * (len(self._rates) > 1)} {' and '.join(self._rates)}" if self._rates else ""
        question = self.question
        return f"{question.a.upper()} or {question.b.upper()}, ×{self.results.study.scale}{early}{rates}"

    @property
    def _rates(self) -> list[str]:
        """The learning rates of the arms of the question, A first; one where both are equal."""
        found = (self.results.learning_rates.get(arm) for arm in (self.question.a, self.question.b))
        return list(dict.fromkeys(f"{one.chosen:g}" for one in found if one))

    @property
    def steps(self) -> int:
        """How many steps each training had."""
        return self.results.recipe.steps

    @property
    def training(self) -> str:
        """At which learning rates and for how many steps the arms of the question were trained, in words."""
        a, b = (self.results.learning_rates.get(arm) for arm in (self.question.a, self.question.b))
        after = f"after {self.steps:,} steps"
        if a is None or b is None:
            return after
        if a.chosen == b.chosen:
            return f"both arms at learning rate {a.chosen:g}, {after}"
        return f"{self.question.a} at learning rate {a.chosen:g}, {self.question.b} at {b.chosen:g}, {after}"

    @property
    def rates_differ(self) -> bool:
        """Whether the arms were trained at different learning rates."""
        return len({found.chosen for found in self.results.learning_rates.values()}) > 1

    def far_apart(self, group: GroupResult) -> list[str]:
        """The arms of a group with seeds so far apart that some trainings seem to have failed."""
        ends = {arm: group.means[arm][group.endpoints[0].name]["100"] for arm in group.arms}
        return [arm for arm, values in ends.items() if far_apart(values)]

    def chart(self, group: GroupResult, differences: Sequence[Difference]) -> Markup:
        """The differences of one of the groups after the last step, as SVG."""
        intervals = [
            Interval(one.endpoint, *one.ends, strong=one.asked, group=f"{one.a} − {one.b}") for one in differences
        ]
        description = "; ".join(f"{one.a} minus {one.b} on {one.endpoint}: {one.result}" for one in differences)
        plan = self.results.study
        # `interval_chart` escapes all text.
        return Markup(
            interval_chart(
                intervals,
                title=f"Differences of {plan.name}, {group.name}",
                x=_DIFFERENCE,
                margin=plan.margin_db,
                description=description,
                reach=max(REACH, 2 * plan.margin_db),
            )
        )

    @property
    def question(self) -> Difference:
        """The difference that answers the study's question."""
        found = (one for group, differences in self.groups for one in (*differences, *unmeasured(group)))
        return next(one for one in found if one.asked)


def endpoint_title(name: str) -> str:
    """Return an endpoint's name as pages show it: `Set14 PSNR (aliased)` for `Set14 psnr_y_aliased`."""
    dataset, _, metric = name.rpartition(" ")
    return f"{dataset} {_METRICS.get(metric, metric)}".strip()


def unmeasured(group: GroupResult) -> list[Difference]:
    """Return the contrasts of a group for which its diverged trainings leave fewer than two seeds."""
    return [_difference(one) for one in group.unmeasured]


def seeds_by_arm(trainings: Mapping[str, Sequence[int]]) -> str:
    """Return trainings in words: `imdn-bam with seed 2; imdn with seeds 1, 3`."""
    return "; ".join(f"{arm} with {numbered('seed', seeds)}" for arm, seeds in trainings.items())


def pages(collection: Collection) -> Iterator[Page]:
    """Return a page and a data file for each study, and their index."""
    studies, _ = read_studies(collection.root)
    yield Page(INDEX, partial(render, "studies.html.j2", path=INDEX, studies=studies, study_path=study_path))
    for study in studies:
        yield Page(study_path(study), partial(_page, study))
        yield Page(_data_path(study), study.text.encode)


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
        document = parse_json(data, "the file")
        results = validate(StudyResults, document, "the results", error=ResultsError)
        groups = tuple((group, tuple(map(_difference, group.differences))) for group in results.groups)
        study = Study(address_safe(name.removesuffix(SUFFIX)), results, json.dumps(document, indent=1), groups)
        _ = study.question
        _page(study)  # raises if a group names an arm or endpoint without means
    except Exception as error:
        found = (str(error) if isinstance(error, SrbenchError) else f"{type(error).__name__}: {error}")[:300]
        raise ResultsError(
            f"{printable_name(name)}: expected a study's results.json (schema version {STUDY_VERSION}), got {found}; "
            "write it with srbench study report"
        ) from error
    return study


def _page(study: Study) -> str:
    return render(
        "study.html.j2",
        path=study_path(study),
        study=study,
        index=INDEX,
        data=_data_path(study),
        unmeasured=unmeasured,
        seeds_by_arm=seeds_by_arm,
        endpoint_title=endpoint_title,
    )


def _difference(one: ContrastResult) -> Difference:
    last, found = one.final, one.by_percentage or {}
    return Difference(
        a=one.a,
        b=one.b,
        endpoint=endpoint_title(one.endpoint),
        in_domain=one.role == "in-domain",
        asked=one.is_the_question,
        outcome=last.outcome if last else "undecided",
        verdict=_verdict(one),
        p_holm=p_text(one.p_holm, missing=""),
        detectable=f"{last.detectable if last else math.nan:.3f}",
        ends=(last.interval[0], last.mean, last.interval[1]) if last else (math.nan, math.nan, math.nan),
        way={share: _interval(difference) for share, difference in found.items()},
    )


def _verdict(one: ContrastResult) -> str:
    last = one.final
    if one.diverged or last is None:
        left = f"{last.n} seeds are left" if last else "fewer than two seeds are left to compare"
        lost = seeds_by_arm(one.diverged or {})
        return f"Undecided between {one.a} and {one.b}, since trainings diverged ({lost}) and {left}"
    return _OUTCOMES[last.outcome].format(a=one.a, b=one.b, margin=last.margin, n=last.n)


def _interval(found: MeasuredDifference) -> str:
    low, high = found.interval
    return f"{found.mean:+z.3f} ({low:+z.3f} to {high:+z.3f})".replace("-", "−")
