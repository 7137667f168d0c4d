"""The keys of a recipe, with meaning, range and default, as one table made from the model of a recipe."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from pydantic import JsonValue

from srbench.records.recipe_model import RecipeRecord
from srbench.tables import text_table

HEAD = ("key", "values", "default", "meaning")
"""The columns of the table."""

MEANINGS: Mapping[str, str] = {
    "steps": "optimiser steps of the training",
    "batch": "patches in one step, over all processes together",
    "patch": "side of a patch in LR pixels",
    "learning_rate": "the highest learning rate of the schedule",
    "schedule": "how the learning rate changes over the steps",
    "crops": "take patches anywhere in an image, or from its five crops",
    "lr": "how LR images are made: MATLAB's bicubic of the image, or Pillow's of each crop",
    "symmetries": "flip and rotate patches at random",
    "repeat": "visits of each patch position in an epoch",
    "held_out": "images for measuring progress, never trained on: names, or a number of images chosen by their hash",
    "loss": "mean absolute error, mean squared error, or Charbonnier's smooth absolute error",
    "optimiser": "the optimiser",
    "beta1": "decay of the optimiser's mean of gradients",
    "beta2": "decay of the optimiser's mean of squared gradients",
    "epsilon": "the optimiser's term against division by zero",
    "weight_decay": "weight decay of the optimiser",
    "clip": "largest norm of the gradient; 0 does not clip",
    "halve_every": "steps between two halvings, with the schedule halving",
    "warmup": "share of the steps in which the rate rises, with the schedule one-cycle",
    "final": "last rate as a share of the highest, with the schedule one-cycle",
    "ema": "decay of the running average of the weights, which is the result; 0 takes the last weights",
    "precision": "number format of the network's middle; tf32 differs from fp32 on NVIDIA GPUs only",
    "validate_every": "steps between two measurements on the held-out images",
}
"""What each key decides."""


def recipe_rows() -> Iterator[tuple[str, str, str, str]]:
    """Yield key, values, default and meaning of every key that decides the result of a training."""
    properties = RecipeRecord.model_json_schema()["properties"]
    for key, meaning in MEANINGS.items():
        facts: dict[str, JsonValue] = properties[key]
        default = json.dumps(facts["default"]) if "default" in facts else "required"
        yield key, _values(facts), default, meaning


def recipe_help() -> str:
    """Return the table as text for a terminal."""
    return text_table(HEAD, recipe_rows())


def _values(facts: Mapping[str, JsonValue]) -> str:
    choices, kinds = facts.get("enum"), facts.get("anyOf")
    if isinstance(choices, list):
        return ", ".join(map(str, choices))
    if isinstance(kinds, list):
        return " or ".join(_values(kind) for kind in kinds if isinstance(kind, dict))
    if facts["type"] == "boolean":
        return "true, false"
    if facts["type"] == "array":
        return "list of names"
    bounds = [f"{sign} {facts[key]}" for key, sign in _BOUNDS.items() if key in facts]
    return " ".join(["integer" if facts["type"] == "integer" else "number", " and ".join(bounds)]).strip()


_BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
