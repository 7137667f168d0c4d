"""A controlled study: the plan, fixed before its results, and the results that follow from the stored runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Hashable, Iterable
from functools import cached_property
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import PydanticCustomError

from srbench.files import SHA256
from srbench.records.fields import AtLeast, OneOf, Pattern, Real, Rule, Whole, refusal
from srbench.records.recipe_model import LARGEST_SEED
from srbench.records.record_model import Items, PlainRecord, RecordModel
from srbench.records.shared import Scalar

STUDY_VERSION = 1
"""Version of the layout of a study's results."""

STUDY_METRICS = ("psnr_y", "psnr_rgb", "psnr_y_aliased")
"""The columns of the score table that an endpoint may use: those in dB, like the margin."""

ENDPOINT_ROLES = ("target", "in-domain")
"""How the dataset of an endpoint is related to the training images: another kind of image, or the same source."""

FORM_NAMES = ("authors", "paper", "unit")
OUTCOMES = ("better", "worse", "equivalent", "undecided")


class NonBlank(Rule):
    """Text that is not blank."""

    def check(self, value: object) -> object:
        if not isinstance(value, str) or not value.strip():
            raise refusal("text", value)
        return value

    def schema(self) -> JsonSchemaValue:
        return {"type": "string", "minLength": 1}


def _repeated(values: Iterable[Hashable]) -> bool:
    found = list(values)
    return len(set(found)) < len(found)


def _require_once(values: tuple[Hashable, ...]) -> tuple[Hashable, ...]:
    if _repeated(values):
        raise PydanticCustomError("refused", "expected each value once, got one several times")
    return values


def _require_different_rates(rates: tuple[float, ...]) -> tuple[float, ...]:
    # Two rates with the same spelling would share a folder.
    if _repeated(f"{rate:g}" for rate in rates):
        raise PydanticCustomError("refused", "expected each rate once in six digits, got one several times")
    return rates


def _require_complete(percentages: tuple[int, ...]) -> tuple[int, ...]:
    if 100 not in percentages:
        raise PydanticCustomError("refused", "expected 100 among the percentages, got none")
    return percentages


def _require_two_arms(pair: tuple[str, str]) -> tuple[str, str]:
    if pair[0] == pair[1]:
        raise PydanticCustomError("refused", "expected a pair of two different arms, got the same one twice")
    return pair


Once = AfterValidator(_require_once)
Words = Annotated[str, NonBlank()]
Seed = Annotated[int, Whole(0, LARGEST_SEED)]
Rate = Annotated[int | float, Real(0, above=True)]
Contrast = Annotated[tuple[Words, Words], Field(strict=False), AfterValidator(_require_two_arms)]


class Endpoint(RecordModel):
    """An endpoint: the mean of a metric over a dataset. A study needs scores for each `needed` endpoint.

    A `final` endpoint is measured only after all steps: for a dataset that takes long to score.
    """

    dataset: Words
    metric: Annotated[str, OneOf(STUDY_METRICS)] = "psnr_y"
    role: Annotated[str, OneOf(ENDPOINT_ROLES)] = "target"
    needed: bool = True
    final: Literal[True] | None = None

    @property
    def name(self) -> str:
        """The name, such as `Set14 psnr_y`."""
        return f"{self.dataset} {self.metric}"

    def is_measured_at(self, percent: int) -> bool:
        """Whether the plan measures this endpoint after a percentage of the steps."""
        return percent == 100 or not self.final


class ArmGroup(RecordModel):
    """Arms that are trained with the same seeds, and the comparisons between them: (A, B) means A minus B."""

    name: Words
    arms: Annotated[Items[Words], Field(min_length=1), Once]
    seeds: Annotated[Items[Seed], Field(min_length=2), Once]
    contrasts: Annotated[Items[Contrast], Once]


class RateSearch(RecordModel):
    """How each arm's learning rate is chosen from several seeds, which are not seeds of the study.

    Attributes:
        seeds: with each of them, every arm is trained at every rate.
        broken_db: a rate is unstable for an arm if the training of one seed diverges, or ends this many dB on the
            held-out images below the arm's best training.
        factor: the rate taken is at least this factor below every unstable rate; among those, it is the one with the
            highest mean over the seeds.
        shared: also train all arms at one rate: the one that is stable for all, with the highest mean over all arms.
        percent: the share of the study's steps that each training of the search takes; None is all of them.
    """

    seeds: Annotated[Items[Seed], Field(min_length=2), Once]
    broken_db: Rate = 1.0
    factor: Rate = 2
    shared: bool = True
    percent: Annotated[int, Whole(1, 100)] | None = None


class StudyPlan(RecordModel):
    """A controlled comparison of ways to train, decided before its results are known.

    Attributes:
        scale, recipe, train_set: the same for all arms; `recipe` is a name or a `….toml` file.
        recipe_sha256: the hash that the recipe must have, since a name does not pin it; None takes any.
        learning_rates, search_seed: each arm takes the rate that is best on the held-out training images with this
            seed, which is not one of the study's seeds.
        search: several search seeds in place of `search_seed`, and the rule for the choice.
        correction: "holm" also gives p-values that are corrected by Holm, for all contrasts of a group on one
            endpoint but the study's question; None leaves them uncorrected.
        percentages: the shares of the steps at which the differences are shown; 100 is the result.
        protocol, margin_db: how results are scored, and the difference below which arms count as equivalent.
        endpoints, groups: the first contrast of the first group on the first endpoint is the study's question.
        factory_args: arguments of the arms that are own code, `python:FILE.py:factory`.
        form: how all arms compute inside; None is the form of every training from scratch, `unit`.
        steps: of each training; None is the recipe's number.
    """

    name: Words
    question: Words
    scale: Annotated[int, Whole(1, 8)]
    recipe: Words
    train_set: Words
    learning_rates: Annotated[Items[Rate], Field(min_length=1), AfterValidator(_require_different_rates)]
    search_seed: Seed | None = None
    percentages: Annotated[Items[Annotated[int, Whole(1, 100)]], Once, AfterValidator(_require_complete)]
    protocol: Words
    margin_db: Rate
    endpoints: Annotated[Items[Endpoint], Field(min_length=1)]
    groups: Annotated[Items[ArmGroup], Field(min_length=1)]
    recipe_sha256: Annotated[str, Pattern(SHA256.pattern, "the 64 hexadecimal digits of a hash")] | None = None
    form: Annotated[Literal["authors", "paper", "unit"], OneOf(FORM_NAMES)] | None = None
    search: RateSearch | None = None
    correction: Annotated[Literal["holm"], OneOf(("holm",))] | None = None
    factory_args: dict[str, Scalar] | None = None
    steps: Annotated[int, AtLeast(1)] | None = None

    @property
    def arms(self) -> tuple[str, ...]:
        """Every arm of every group, once."""
        return tuple(dict.fromkeys(arm for group in self.groups for arm in group.arms))

    @property
    def search_seeds(self) -> tuple[int, ...]:
        """The seeds of the search for learning rates."""
        return self.search.seeds if self.search else () if self.search_seed is None else (self.search_seed,)

    @cached_property
    def sha256(self) -> str:
        """The hash of the plan."""
        text = json.dumps(self.document(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def document(self) -> PlainRecord:
        """Return the plan ready for JSON; the hash covers it."""
        values: PlainRecord = self.model_dump(mode="json")
        # Fields that were added later are left out if they are not set, so that the hashes of older plans stay equal.
        values["endpoints"] = [_what_is_set(endpoint) for endpoint in self.endpoints]
        values["search"] = _what_is_set(self.search) if self.search else None
        return {key: value for key, value in values.items() if value is not None}


def _what_is_set(part: RecordModel) -> PlainRecord:
    values: PlainRecord = part.model_dump(mode="json")
    return {key: value for key, value in values.items() if value is not None}


class RecipeSummary(RecordModel):
    """The recipe of a study, in short."""

    name: str
    summary: str
    sha256: str
    steps: Annotated[int, AtLeast(1)]
    patches: Annotated[int, AtLeast(1)]


class TrainSetSummary(RecordModel):
    """The training images of a study."""

    name: str
    fingerprint: str
    images: Annotated[int, AtLeast(1)]


class ChosenRate(RecordModel):
    """The learning rate of an arm, and the held-out PSNR of each rate that was tried; None where it diverged.

    With several search seeds, `tried` has the mean over them, None for an unstable rate, and `by_seed` each PSNR.
    """

    chosen: Annotated[int | float, Real(0, above=True)]
    tried: dict[str, float | None]
    by_seed: dict[str, Items[float | None]] | None = None


class MeasuredDifference(RecordModel):
    """A minus B in dB over `n` seeds: Student's interval and p value, and the test for equivalence within `margin`."""

    n: Annotated[int, AtLeast(2)]
    mean: float
    deviation: float
    interval: Annotated[tuple[float, float], Field(strict=False)]
    p_value: float
    detectable: float
    margin: float
    p_equivalent: float
    outcome: Annotated[str, OneOf(OUTCOMES)]


class ContrastResult(RecordModel):
    """One contrast on one endpoint. `by_percentage` is missing where fewer than two seeds are left to compare.

    `p_holm` is the p-value after all steps, corrected as the plan's `correction` says.
    """

    a: str
    b: str
    endpoint: str
    role: Annotated[str, OneOf(ENDPOINT_ROLES)]
    is_the_question: bool
    diverged: dict[str, Items[int]] | None = None
    by_percentage: dict[str, MeasuredDifference] | None = None
    p_holm: float | None = None

    @property
    def final(self) -> MeasuredDifference | None:
        """The difference after all steps."""
        return self.by_percentage["100"] if self.by_percentage else None


class MeasuredEndpoint(RecordModel):
    """An endpoint for which a group has scores."""

    name: str
    role: Annotated[str, OneOf(ENDPOINT_ROLES)]


class SiteGain(RecordModel):
    """The mean value of one attention map, over fixed patches and the seeds, at initialisation and after training."""

    arm: str
    site: str
    start: float
    end: float


class GroupResult(RecordModel):
    """The results of one group. `means` are by arm, endpoint and percentage: one per seed, None where it diverged.

    `rate` is the learning rate of all its arms, where they share one that the plan's search has chosen for all.
    `spiked` are the seeds by arm whose loss rose to many times its lowest value during the training.
    """

    name: str
    arms: Items[str]
    seeds: Items[int]
    endpoints: Items[MeasuredEndpoint]
    diverged: dict[str, Items[int]] | None = None
    spiked: dict[str, Items[int]] | None = None
    means: dict[str, dict[str, dict[str, Items[float | None]]]]
    differences: Items[ContrastResult]
    unmeasured: Items[ContrastResult] = ()
    rate: float | None = None


class StudyResults(RecordModel):
    """`results.json` of a study."""

    schema_version: Annotated[int, OneOf((STUDY_VERSION,))]
    study: StudyPlan
    sha256: str
    recipe: RecipeSummary
    train_set: TrainSetSummary
    learning_rates: dict[str, ChosenRate]
    hours: float
    devices: Items[str]
    groups: Annotated[Items[GroupResult], Field(min_length=1)]
    gains: Items[SiteGain] | None = None

    def planned_seeds(self, group: GroupResult) -> tuple[int, ...]:
        """Return the seeds that the plan has for one of the groups; results of finished seeds may have fewer."""
        # At the shared learning rate, the groups of the plan come a second time.
        return self.study.groups[self.groups.index(group) % len(self.study.groups)].seeds

    def is_repetition(self, group: GroupResult) -> bool:
        """Return whether a group at one rate has the trainings of its arms at their own rates, since all are equal."""
        return group.rate is not None and all(self.learning_rates[arm].chosen == group.rate for arm in group.arms)
