"""The form of a training: in its key where it matters, in its record and weights, and between its stages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from srbench.errors import TrainingError
from srbench.training.resume_from import read_stage
from srbench.training.trainer import train
from srbench.upscalers.loading import open_upscaler
from srbench.zoo import load
from tests.training.small import small_job, small_recipe


def test_weights_bring_the_form_they_were_trained_in(images: Path, tmp_path: Path) -> None:
    recipe = small_recipe(steps=1, batch=1)
    train(small_job(images, tmp_path / "unit", network="s-lwsr32", recipe=recipe))
    record = json.loads((tmp_path / "unit" / "training.json").read_text())
    assert (record["form"], record["key"]["form"]) == ("unit", "unit")
    weights = tmp_path / "unit" / "weights.safetensors"
    assert load("s-lwsr32", scale=2, file=weights).module.value_range == 1
    assert open_upscaler(f"zoo:s-lwsr32@{weights}", scale=2).identity.details["form"] == "unit"
    assert read_stage(tmp_path / "unit", network="s-lwsr32", scale=2, form=None).form == "unit"
    with pytest.raises(TrainingError, match="the form authors, got one in the form unit; leave out --form"):
        read_stage(tmp_path / "unit", network="s-lwsr32", scale=2, form="authors")
    with pytest.raises(TrainingError, match=r"holds a different training: form 'unit' there, None asked for"):
        train(small_job(images, tmp_path / "unit", network="s-lwsr32", recipe=recipe, form="authors"))


def test_keys_of_networks_with_one_form_stay_as_they_were(images: Path, tmp_path: Path) -> None:
    train(small_job(images, tmp_path, recipe=small_recipe(steps=1, batch=1)))
    key = json.loads((tmp_path / "training.json").read_text())["key"]
    assert list(key) == ["network", "scale", "recipe", "recipe_sha256", "train_set", "seed"]
