"""`training.json`, the record of a finished training, and `NAME-xS.json`, the record of weights that were published."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from srbench.records.fields import AtLeast, OneOf, Real, ScaleFactor, Whole
from srbench.records.recipe_model import LARGEST_SEED, Positive, RecipeRecord
from srbench.records.record_model import Items, RecordModel
from srbench.records.shared import EnvironmentFacts, Scalar

WEIGHTS_VERSION = 1
"""Version of the layout of a record of published weights."""

FormName = Annotated[Literal["authors", "paper", "unit"], OneOf(("authors", "paper", "unit"))]
Natural = Annotated[int, AtLeast(0)]
TrainingSeed = Annotated[int, Whole(0, LARGEST_SEED)]
Duration = Annotated[float, Real(0)]
# A held-out PSNR is infinite where all pixels are equal.
Decibels = Annotated[float, Field(allow_inf_nan=True)]


class TrainSetFacts(RecordModel):
    """The training images: their name, the hash of their pixels, and how many were trained on."""

    name: str
    fingerprint: str
    images: Positive


class PsnrPoint(RecordModel):
    """The PSNR in dB on the held-out images after a step."""

    step: Natural
    psnr: Decibels


class LossPoint(RecordModel):
    """The loss up to a step."""

    step: Natural
    loss: Annotated[float, Field(allow_inf_nan=True)]


class InitFacts(RecordModel):
    """The weights that a training started from by transfer.

    `origin` is equal for sources that differ only in their attention; `taken` counts the tensors that fitted, `fresh`
    names the ones of the network without a source, `unused` those of the source without use.
    """

    source: str
    sha256: str
    origin: str
    network: str
    scale: ScaleFactor
    taken: Natural
    fresh: Items[str]
    unused: Items[str] = ()


class OwnNetworkFacts(RecordModel):
    """The code of a network that is not of the zoo: its hash, the arguments of its factory, and its size."""

    source_sha256: str | None
    factory_args: dict[str, JsonValue]
    parameters: Natural


class StageRecord(RecordModel):
    """An earlier stage of a training: the training whose weights it continues from."""

    recipe: RecipeRecord
    recipe_sha256: str
    steps: Positive
    patches: Positive
    seed: TrainingSeed
    seconds: Duration
    train_set: TrainSetFacts
    history: Items[PsnrPoint]
    loss: Items[LossPoint] = ()
    weights_sha256: str


class SiteSaturation(RecordModel):
    """How far the gate of one attention site is saturated, over 8 fixed LR patches."""

    mean: float
    below: float
    above: float
    slope: float
    state: Annotated[str, OneOf(("open", "closed", "active"))]


class SaturationFacts(RecordModel):
    """The saturation of each attention site, by name, at initialisation and at the end of the training."""

    start: dict[str, SiteSaturation]
    end: dict[str, SiteSaturation]


class TimeLimitFacts(RecordModel):
    """The time limit of a training in seconds, the steps that were planned for it, and the steps that were done.

    From step `shortened_at` on, the rest of the schedule was run through in fewer steps.
    """

    seconds: Duration
    planned_steps: Positive
    steps: Positive
    shortened_at: Natural | None = None


class LossSpikeFacts(RecordModel):
    """The highest spike of a loss curve: its step, the loss there, and the lowest loss before it."""

    step: Natural
    loss: float
    lowest: float


class TrainingRecord(RecordModel):
    """`training.json`. Fields with a default are missing in records of earlier versions of srbench.

    `float32_sha256` is the hash of the weights before they were packed in float16, `log_sha256` the hash of
    `log.jsonl`, and `record_sha256` the hash of all other fields of this record.
    """

    network: str
    scale: ScaleFactor
    seed: TrainingSeed
    steps: Positive
    recipe: RecipeRecord
    recipe_sha256: str
    train_set: TrainSetFacts
    held_out: Items[str]
    patches: Positive
    protocol: str
    history: Items[PsnrPoint]
    psnr: Decibels | None
    started: str
    seconds: Duration
    processes: Positive
    accumulate: Positive
    compiled: bool
    graphs: bool
    environment: EnvironmentFacts
    key: dict[str, JsonValue]
    epochs: Duration | None = None
    stages: Items[StageRecord] = ()
    pixels: Items[str] | None = None
    weights_sha256: str | None = None
    form: FormName = "authors"
    scales: Items[ScaleFactor] = ()
    init: InitFacts | None = None
    saturation: SaturationFacts | None = None
    time_limit: TimeLimitFacts | None = None
    loss_spike: LossSpikeFacts | None = None
    own_network: OwnNetworkFacts | None = None
    float32_sha256: str | None = None
    ssim: float | None = None
    log_sha256: str | None = None
    record_sha256: str | None = None


class PublishedStage(RecordModel):
    """An earlier stage in the record of published weights."""

    recipe: RecipeRecord
    recipe_sha256: str
    steps: Positive
    patches: Positive
    seed: TrainingSeed
    seconds: Duration
    weights_sha256: str
    fingerprint: str


class PublishedTraining(RecordModel):
    """How published weights were trained. For a training in stages, names, sums and curves cover all stages."""

    recipe: str
    recipe_sha256: str
    recipe_values: RecipeRecord
    data: str
    fingerprint: str
    steps: Positive
    patches: Positive
    seed: TrainingSeed
    seconds: Duration
    device: str
    protocol: str
    history: Items[PsnrPoint]
    psnr: Decibels | None
    held_out: Items[str]
    started: str
    processes: Positive
    accumulate: Positive
    compiled: bool
    graphs: bool
    environment: EnvironmentFacts
    loss: Items[LossPoint] = ()
    stages: Items[PublishedStage] = ()
    form: FormName = "authors"
    scales: Items[ScaleFactor] = ()
    init: InitFacts | None = None
    saturation: SaturationFacts | None = None
    time_limit: TimeLimitFacts | None = None


class PublishedMeans(RecordModel):
    """Means over one dataset: PSNR in dB and SSIM, both on Y."""

    psnr_y: float
    ssim_y: float
    images: Positive


class HalfPrecisionFacts(RecordModel):
    """The change of the mean PSNR in dB by half precision, by dataset."""

    psnr_y_change: dict[str, float]


class WeightsFile(RecordModel):
    """The file of published weights."""

    name: str
    size: Positive
    sha256: str


class ScaleScores(RecordModel):
    """The scores of published weights at a further scale of the same file."""

    scores: Annotated[dict[str, PublishedMeans], Field(min_length=1)]
    bicubic: dict[str, PublishedMeans]
    half_precision: HalfPrecisionFacts


class WeightsRecord(RecordModel):
    """The record next to published weights. The catalogue reads it without this model, so that listing stays fast.

    For a file with several `scales`, `scores` are those at `scale`, and `other_scales` has the scores at the other
    scales.
    """

    schema_version: Annotated[int, OneOf((WEIGHTS_VERSION,))]
    network: str
    scale: ScaleFactor
    options: dict[str, Scalar]
    licence: str
    training: PublishedTraining
    protocol: str
    scores: Annotated[dict[str, PublishedMeans], Field(min_length=1)]
    bicubic: dict[str, PublishedMeans]
    half_precision: HalfPrecisionFacts
    note: str
    file: WeightsFile
    scales: Items[ScaleFactor] = ()
    other_scales: dict[str, ScaleScores] = Field(default_factory=dict)
