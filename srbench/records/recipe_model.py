"""The recipe of a training: every setting except the network, the images and the seed."""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from typing import Annotated, Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from srbench.records.fields import AtLeast, NamesOrCount, OneOf, Real
from srbench.records.record_model import PlainRecord, RecordModel

PATCH_SOURCES = ("whole", "five")
"""Where a patch may come from: anywhere in an image, or from one of its five crops."""

LR_MODES = ("matlab", "pil-per-crop")
"""How the LR of a patch is made; see `srbench.datasets.pairs`."""

OPTIMISERS = ("adam", "adamw")
SCHEDULES = ("constant", "halving", "one-cycle")
TRAINING_PRECISIONS = ("fp32", "tf32", "bf16")
LOSSES = ("l1", "l2", "charbonnier")

LARGEST_SEED = 2**63 - 1
"""The largest seed of a training: the largest int64."""

# The description of a recipe does not change its results.
_NOT_HASHED = ("name", "summary")

Positive = Annotated[int, AtLeast(1)]
PositiveNumber = Annotated[float, Real(0, above=True)]
NotNegative = Annotated[float, Real(0)]
Share = Annotated[float, Real(0, below=1)]


class RecipeRecord(RecordModel):
    """One recipe. Lengths are in steps of one global batch, patches in LR pixels.

    Attributes:
        crops, lr: where patches come from and how their LR was made; see `PATCH_SOURCES` and `LR_MODES`.
        patch, symmetries, repeat: side of a patch, flips and rotations, visits of each window in an epoch.
        held_out: names of training images that are never trained on, or their number, then chosen by their hash;
            progress is measured on them.
        batch: patches of one step, over all processes and accumulations together.
        optimiser, learning_rate, beta1, beta2, epsilon, weight_decay, clip: `clip` bounds the gradient's norm (0: off).
        schedule: `constant`; `halving` every `halve_every` steps; `one-cycle`: up from `learning_rate` / 25 over the
            share `warmup` of the steps, then down to the share `final` of it, both along a cosine.
        ema: decay of the running average of the weights, whose last state is the result; 0 takes the last weights.
        precision: of the network's middle; `tf32` differs from `fp32` only on NVIDIA GPUs, `bf16` everywhere.
        validate_every: steps between two measurements on the held-out images.
    """

    name: str
    summary: str
    steps: Positive
    batch: Positive
    patch: Positive
    learning_rate: PositiveNumber
    schedule: Annotated[str, OneOf(SCHEDULES)]
    crops: Annotated[str, OneOf(PATCH_SOURCES)] = "whole"
    lr: Annotated[str, OneOf(LR_MODES)] = "matlab"
    symmetries: bool = True
    repeat: Positive = 1
    held_out: Annotated[tuple[str, ...] | int, NamesOrCount()] = ()
    loss: Annotated[str, OneOf(LOSSES)] = "l1"
    optimiser: Annotated[str, OneOf(OPTIMISERS)] = "adam"
    beta1: Share = 0.9
    beta2: Share = 0.999
    epsilon: PositiveNumber = 1e-8
    weight_decay: NotNegative = 0.0
    clip: NotNegative = 0.0
    halve_every: Positive = 50000
    warmup: Share = 0.1
    final: Share = 0.0
    ema: Share = 0.0
    precision: Annotated[str, OneOf(TRAINING_PRECISIONS)] = "fp32"
    validate_every: Positive = 1000

    @model_validator(mode="after")
    def _check_combination(self) -> Self:
        if self.lr == "pil-per-crop" and self.crops != "five":
            raise PydanticCustomError(
                "refused", 'expected crops = "five" with lr = "pil-per-crop", which makes the LR of each crop'
            )
        if isinstance(self.held_out, tuple) and len(set(self.held_out)) != len(self.held_out):
            raise PydanticCustomError("refused", "expected each name in held_out once")
        return self

    @cached_property
    def sha256(self) -> str:
        """The hash of all values but name and summary."""
        text = json.dumps(self.values(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def values(self) -> PlainRecord:
        """Return what the hash covers: every value but name and summary, ready for JSON."""
        return {key: value for key, value in self.document().items() if key not in _NOT_HASHED}

    def document(self) -> PlainRecord:
        """Return the complete recipe, ready for JSON."""
        document: PlainRecord = self.model_dump(mode="json")
        return document
