"""Training records and records of published weights as plain JSON, typed without pydantic so that listings stay fast.

`srbench.records.training` has the models that validate the same files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    from srbench.environment import Environment

Point = dict[str, float]
"""A step of a training with what was measured there, such as `loss` or `psnr`."""

MeansDocument = dict[str, float]
"""`psnr_y`, `ssim_y` and the number of `images` of a dataset."""


class TrainSetDocument(TypedDict):
    """The training images: their name, the hash of their pixels, and how many were trained on."""

    name: str
    fingerprint: str
    images: int


class InitDocument(TypedDict):
    """The weights that a training started from, and which of their tensors it took."""

    source: str
    sha256: str
    origin: str
    network: str
    scale: int
    taken: int
    fresh: list[str]
    unused: list[str]


class LossSpikeDocument(TypedDict):
    """The highest spike of a loss curve: its step, the loss there, and the lowest loss before it."""

    step: int
    loss: float
    lowest: float


class StageDocument(TypedDict, total=False):
    """An earlier training whose weights another one continued from."""

    recipe: Mapping[str, object]
    recipe_sha256: str
    steps: int
    patches: int
    seed: int
    seconds: float
    train_set: TrainSetDocument
    history: list[Point]
    loss: list[Point]
    weights_sha256: str


class TrainingDocument(StageDocument, total=False):
    """`training.json`. A training that was paused has only `paused`, the step, and `seconds`."""

    network: str
    scale: int
    scales: list[int]
    form: Literal["authors", "paper", "unit"]
    stages: list[StageDocument]
    init: InitDocument
    own_network: Mapping[str, object]
    held_out: list[str]
    epochs: float
    protocol: str
    psnr: float | None
    started: str
    pixels: list[str]
    processes: int
    accumulate: int
    compiled: bool
    graphs: bool
    environment: Environment
    saturation: Mapping[str, object]
    time_limit: Mapping[str, float]
    loss_spike: LossSpikeDocument
    key: dict[str, object]
    ssim: float
    float32_sha256: str
    log_sha256: str
    record_sha256: str
    paused: int


class StagesTotal(TypedDict):
    """A training and its earlier stages together: one recipe's name and hash, and sums."""

    recipe: str
    recipe_sha256: str
    steps: int
    patches: int
    seconds: float


class PublishedTrainingDocument(StagesTotal, total=False):
    """How published weights were trained."""

    recipe_values: Mapping[str, object]
    data: str
    fingerprint: str
    seed: int
    device: str
    protocol: str
    history: list[Point]
    loss: list[Point]
    psnr: float | None
    held_out: list[str]
    started: str
    processes: int
    accumulate: int
    compiled: bool
    graphs: bool
    environment: Environment
    stages: list[Mapping[str, object]]
    init: InitDocument
    scales: list[int]
    form: Literal["authors", "paper", "unit"]
    saturation: Mapping[str, object]
    time_limit: Mapping[str, float]


class HalfPrecisionDocument(TypedDict):
    """The change of the mean PSNR in dB by half precision, by dataset."""

    psnr_y_change: dict[str, float]


class ScoresDocument(TypedDict):
    """The scores of published weights at one scale, by dataset."""

    scores: dict[str, MeansDocument]
    bicubic: dict[str, MeansDocument]
    half_precision: HalfPrecisionDocument


class WeightsFileDocument(TypedDict):
    """The file of published weights."""

    name: str
    size: int
    sha256: str


class WeightsDocument(ScoresDocument, total=False):
    """`NAME-xS.json`, the record next to published weights. Its own scores are those at `scale`."""

    schema_version: int
    network: str
    scale: int
    scales: list[int]
    other_scales: dict[str, ScoresDocument]
    options: dict[str, int | float | bool]
    licence: str
    training: PublishedTrainingDocument
    protocol: str
    note: str
    file: WeightsFileDocument
