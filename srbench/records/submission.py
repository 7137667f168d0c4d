"""`submission.json`: one model with one set of options, over one or more scales, datasets and protocols."""

from __future__ import annotations

import json
from typing import Annotated

from pydantic import Field

from srbench.records.fields import (
    Count,
    Day,
    EntryId,
    Link,
    LrSourceName,
    Name,
    Number,
    OneOf,
    Pattern,
    Psnr,
    ScaleFactor,
    ScaleName,
    Seconds,
    Sha256,
    Ssim,
    Text,
    Time,
    Whole,
)
from srbench.records.record_model import Items, RecordModel
from srbench.records.shared import (
    AdapterFacts,
    DatasetFacts,
    EnvironmentFacts,
    LrOrigins,
    MetricFacts,
    Plugins,
    ProbeFacts,
    ProtocolFacts,
    ShortText,
)

SCHEMA_VERSION = 1
"""Version of `submission.json`; grows whenever a field is removed or changes its meaning."""

MODEL_SPEC = 200
MODEL_NAME = 100
MODEL_SOURCE = 400
TRAINING_FACT = 300
"""The largest number of characters of a spec, a model's name, its source, and a fact about its training."""

ByScale = Annotated[dict[ScaleName, Count], Field(min_length=1, max_length=4)]
MacsByScale = Annotated[dict[ScaleName, Annotated[int, Whole(0, 10**16)]], Field(min_length=1, max_length=4)]
SpeedByScale = Annotated[dict[ScaleName, Annotated[float, Number(0, 1e9)]], Field(min_length=1, max_length=4)]
TimeByScale = Annotated[dict[ScaleName, Annotated[float, Number(0, 1e7)]], Field(min_length=1, max_length=4)]
SpecText = Annotated[
    str,
    Pattern(
        rf"[A-Za-z0-9][A-Za-z0-9_.:@+ -]{{0,{MODEL_SPEC - 1}}}",
        "a model spec without a path, such as zoo:imdn@authors",
    ),
]
TrainingText = Annotated[str, Text(TRAINING_FACT)]
Side = Annotated[int, Whole(1, 100_000)]


class PaperFacts(RecordModel):
    """The paper that describes the model."""

    title: ShortText
    url: Link | None
    year: Annotated[int, Whole(1990, 2100)] | None


class SubmittedModel(RecordModel):
    """The model of an entry. Parameters and MACs (for an LR of 360×240 pixels) are by scale."""

    spec: SpecText
    name: Annotated[str, Text(MODEL_NAME)]
    network: Name | None
    attention: Name | None
    tag: Name | None
    parameters: ByScale | None
    macs: MacsByScale | None
    source: Annotated[str, Text(MODEL_SOURCE)] | None
    weights_licence: Annotated[str, Text(100)] | None


class SubmittedTraining(RecordModel):
    """How the model was trained. `fingerprint` is of the training images' pixels.

    `form` is left out for the authors' form, as in entries from before there were forms. `init` is left out for a
    training from scratch; it is equal for two transfers that started from a pair.
    """

    data: TrainingText
    recipe: TrainingText | None
    recipe_sha256: Sha256 | None
    fingerprint: Sha256 | None
    steps: Annotated[int, Whole(0, 10**10)] | None
    seed: Annotated[int, Whole(0, 2**63)] | None
    tag: Name | None
    form: Annotated[str, OneOf(("unit", "paper"))] | None = None
    init: Sha256 | None = None


class RuntimeFacts(RecordModel):
    """The author's measurement of speed, by scale, for an LR of `size` = height, width."""

    device: Annotated[str, Text(200)]
    size: Annotated[Items[Side], Field(min_length=2, max_length=2)]
    fps: SpeedByScale | None
    seconds_per_image: TimeByScale | None


class SubmittedOptions(RecordModel):
    """How the model was run, equal in all runs of an entry."""

    precision: Annotated[str, OneOf(("fp32", "bf16", "fp16"))]
    tile: Side | None
    self_ensemble: bool
    optimise: Annotated[str, Pattern("[a-z]{1,20}", "one lower-case word")]
    lr_source: LrSourceName
    adapters: AdapterFacts | None = None


class ClaimedMean(RecordModel):
    """What a paper or an author states for one dataset."""

    scale: ScaleFactor
    dataset: Name
    psnr: Annotated[float, Number(0, 100)]
    ssim: Ssim | None
    source: ShortText


class MeanFacts(RecordModel):
    """PSNR in dB and SSIM over one dataset, recomputed from the table whenever an entry is checked."""

    dataset: Name
    protocol: Name
    psnr: Psnr | None
    ssim: Ssim | None
    psnr_lr: Psnr | None


class SubmittedRun(RecordModel):
    """One evaluation of the model."""

    scale: ScaleFactor
    weights_sha256: Sha256 | None
    images_sha256: Sha256 | None
    protocols: Annotated[dict[Name, ProtocolFacts], Field(min_length=1, max_length=20)]
    datasets: Annotated[dict[Name, DatasetFacts], Field(min_length=1, max_length=50)]
    means: Annotated[Items[MeanFacts], Field(min_length=1, max_length=1000)]
    environment: EnvironmentFacts
    started: Time
    seconds: Seconds
    probe: ProbeFacts | None = None
    lr_origins: LrOrigins | None = None
    metrics: dict[Name, MetricFacts] | None = None
    plugins: Plugins | None = None


class SubmissionRecord(RecordModel):
    """`submission.json`. Fields without a default are required; those with one came later and are left out if unset."""

    schema_version: Annotated[int, OneOf((SCHEMA_VERSION,))]
    id: EntryId
    title: Annotated[str, Text(120)]
    authors: Annotated[Items[Annotated[str, Text(100)]], Field(max_length=200)]
    paper: PaperFacts | None
    code: Link | None
    license: Annotated[str, Text(100)] | None
    date: Day
    model: SubmittedModel
    training: SubmittedTraining | None
    runtime: RuntimeFacts | None
    options: SubmittedOptions
    claims: Annotated[Items[ClaimedMean], Field(max_length=200)]
    footnotes: Annotated[Items[Annotated[str, Text(1000)]], Field(max_length=20)]
    runs: Annotated[Items[SubmittedRun], Field(min_length=1, max_length=100)]
    scores_sha256: Sha256


AUTHOR_FIELDS = (
    "title",
    "authors",
    "paper",
    "code",
    "license",
    "date",
    "training",
    "runtime",
    "claims",
    "footnotes",
)
"""The fields of `submission.json` that its author writes; all others come from the runs."""


def json_schema() -> str:
    """Return the JSON Schema (draft 2020-12) of `submission.json` as text."""
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **SubmissionRecord.model_json_schema(),
        "title": "A submission to the srbench leaderboard",
        "description": "One model with one set of options; written by `srbench submit`, checked more strictly by "
        "`srbench leaderboard check`.",
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"
