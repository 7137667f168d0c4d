"""`srbench.train`: the options of the command as keywords, and mistakes in them."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import pytest
from safetensors.numpy import load_file

import srbench
from srbench.cli.train import command
from srbench.errors import SrbenchError
from tests.training.small import SMALL


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    lines = (f"{name} = {json.dumps(value)}" for name, value in SMALL.items())
    (tmp_path / "small.toml").write_text("\n".join(lines))
    return tmp_path / "small.toml"


def test_train_has_the_options_of_the_command() -> None:
    assert list(inspect.signature(srbench.train).parameters) == [
        option.name for option in command.params if option.name != "recipe_help"
    ]


def test_trained_weights_are_repeated_by_the_same_keywords(images: Path, recipe: Path, tmp_path: Path) -> None:
    one, other = (
        srbench.train(
            model="imdn",
            scale=2,
            recipe=recipe,
            train_set=images,
            output=tmp_path / name,
            device="cpu",
            set={"steps": 2, "batch": 2},
            snapshot=[50],
        )
        for name in ("one", "other")
    )
    assert one.record.psnr == other.record.psnr
    assert (one.record.steps, one.record.recipe.batch) == (2, 2)
    assert str(one).splitlines()[-1].endswith(f"zoo:imdn@{one.weights} --scale 2")
    weights = [load_file(training.weights) for training in (one, other)]
    assert all((weights[0][name] == weights[1][name]).all() for name in weights[0])


@pytest.mark.parametrize(
    ("keywords", "named"),
    [
        ({}, "missing --model, --scale, --recipe, --train-set, --output"),
        ({"scales": "2,3"}, "scales: expected a list of int, got '2,3'"),
        ({"set": "steps=2"}, "set: expected a list of str, got 'steps=2'"),
        ({"snapshot": 50}, "snapshot: expected a list of int, got 50"),
        ({"scale": "4"}, "scale: expected int, got '4'"),
        ({"compile": "yes"}, "compile: expected bool, got 'yes'"),
        ({"form": "Unit"}, "form: expected one of authors, unit, paper, got 'Unit'"),
    ],
    ids=lambda value: next(iter(value), "nothing") if isinstance(value, dict) else "",
)
def test_wrong_keywords_are_named_before_any_work(keywords: dict[str, object], named: str) -> None:
    with pytest.raises(SrbenchError, match=named.replace("(", r"\(")):
        srbench.train(**keywords)


def test_unknown_keyword_offers_close_matches() -> None:
    with pytest.raises(TypeError, match="did you mean train_set"):
        srbench.train(trainset="Set5")
