"""`run.json`, the record of one finished evaluation, in all versions of its format (1 to 4)."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field, JsonValue

from srbench.records.fields import LrSourceName, OneOf, ScaleFactor, Whole
from srbench.records.record_model import Items, RecordModel
from srbench.records.shared import AdapterFacts, EnvironmentFacts, LrOrigins, MetricFacts, ProbeFacts

RUN_VERSION = 4
"""Version of the layout of `scores.parquet` and `run.json`."""

Natural = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]


class TransferFacts(RecordModel):
    """The weights that a training started from by transfer.

    `origin` is equal for the sources of a base and its variant.
    """

    source: str
    sha256: str
    origin: str


class RunModel(RecordModel):
    """The model of a run, as its upscaler describes it.

    Only here, fields without a definition are kept: upscalers of plugins add details of their own.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, JsonValue] = Field(init=False)

    spec: str
    weights_sha256: str | None
    parameters: Natural | None
    images_sha256: str | None = None
    source_sha256: str | None = None
    weights_file: str | None = None
    network: str | None = None
    attention: str | None = None
    form: str | None = None
    init: TransferFacts | None = None
    training_data: str | None = None
    training_fingerprint: str | None = None
    source: str | None = None
    licence: str | None = None
    recipe: str | None = None
    recipe_sha256: str | None = None
    steps: Natural | None = None
    seed: Natural | None = None
    tag: str | None = None


class StatedTraining(RecordModel):
    """What a weights file states about its training, with the names that the record of a run uses."""

    training_data: str | None = None
    init: TransferFacts | None = None
    recipe: str | None = None
    recipe_sha256: str | None = None
    steps: Natural | None = None
    seed: Natural | None = None


class RunProtocol(RecordModel):
    """A protocol of a run: its version, what it does in a sentence, and which LR it got."""

    version: Positive
    summary: str
    lr_source: LrSourceName


class RunDataset(RecordModel):
    """A dataset of a run: hash and name of its pixels, the number of scored images, and the number of all images."""

    fingerprint: str
    variant: str
    n: Natural
    n_expected: Natural


class RunRecord(RecordModel):
    """`run.json`. Fields with a default are missing in some versions."""

    schema_version: Annotated[int, Whole(1, RUN_VERSION)]
    model: RunModel
    scale: ScaleFactor
    protocols: dict[str, RunProtocol]
    lr_source: LrSourceName
    datasets: dict[str, RunDataset]
    precision: Annotated[str, OneOf(("fp32", "bf16", "fp16"))]
    tile: Positive | None
    self_ensemble: bool
    optimise: str
    seed: Natural | None
    environment: EnvironmentFacts
    started: str
    seconds: Annotated[float, Field(ge=0)]
    key: dict[str, JsonValue]
    scores_sha256: str
    images_at_once: Positive = 1
    processes: Positive = 1
    crc32: str | None = None
    further_environments: Items[EnvironmentFacts] = ()
    adapters: AdapterFacts | None = None
    lr_origins: LrOrigins | None = None
    warnings: dict[str, dict[str, Items[str]]] | None = None
    metrics: dict[str, MetricFacts] | None = None
    probe: ProbeFacts | None = None
    plugins: dict[str, str] | None = None
