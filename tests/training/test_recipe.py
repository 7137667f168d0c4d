from __future__ import annotations

from pathlib import Path

import pytest
import torch

from srbench.datasets.imageset import open_dataset
from srbench.errors import TrainingError, UnknownNameError
from srbench.records.recipe_model import RecipeRecord
from srbench.training.optimization import charbonnier, learning_rate
from srbench.training.recipe import load_recipe, recipe_from, recipe_names
from srbench.training.recipe_help import recipe_help, recipe_rows
from srbench.training.training_data import open_training_data
from tests.training.small import SMALL, small_recipe

OTHER = {
    "crops": "five",
    "lr": "pil-per-crop",
    "schedule": "halving",
    "loss": "l2",
    "optimiser": "adamw",
    "precision": "bf16",
    "held_out": ["i2"],
    "symmetries": False,
}


@pytest.mark.parametrize("name", recipe_names())
def test_shipped_recipes_survive_their_own_documents(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe_from(recipe.document()) == recipe
    assert recipe.summary


@pytest.mark.parametrize("key", list(small_recipe().document()))
def test_every_value_but_name_and_summary_is_in_the_hash(key: str) -> None:
    recipe = small_recipe(crops="five") if key == "lr" else small_recipe()
    value = getattr(recipe, key)
    other = OTHER.get(key, f"{value}!" if isinstance(value, str) else value / 2 if isinstance(value, float) else 5)
    other = 0.5 if value == 0.0 and isinstance(value, float) else other
    changed = recipe_from({**recipe.document(), key: other})
    assert (changed.sha256 == recipe.sha256) == (key in ("name", "summary"))


def test_the_papers_recipe_is_the_papers() -> None:
    paper = load_recipe("paper")
    assert (paper.steps, paper.batch, paper.patch, paper.loss, paper.optimiser) == (250_000, 16, 64, "l1", "adam")
    # Batches of 16 from 4000 pairs: 250 steps an epoch, halved every 200 epochs.
    rates = [learning_rate(paper, 250 * epoch) for epoch in (0, 199, 200, 400, 999)]
    assert rates == [1e-4, 1e-4, 0.5e-4, 0.25e-4, 1e-4 / 16]
    bsds = load_recipe("paper-bsds")
    differing = {key for key, value in paper.values().items() if bsds.values()[key] != value}
    assert differing == {"crops", "lr"}


def test_one_cycle_rises_to_the_rate_and_falls_to_nothing() -> None:
    recipe = small_recipe(steps=1000, warmup=0.1)
    rates = [learning_rate(recipe, step) for step in range(1000)]
    assert rates[0] == pytest.approx(recipe.learning_rate / 25)
    assert max(rates) == rates[100] == pytest.approx(recipe.learning_rate)
    assert rates[-1] < recipe.learning_rate / 1e4
    assert rates[:101] == sorted(rates[:101]) and rates[100:] == sorted(rates[100:], reverse=True)


def test_only_an_effective_setting_changes_name_and_hash() -> None:
    recipe = small_recipe()
    changed = recipe.changed(["steps=9", "held_out=i1", "learning_rate=0.001"])
    assert changed.name == "small[held_out=1 images, steps=9]"
    assert changed.sha256 != recipe.sha256
    assert recipe.changed(["steps=8"]) is recipe


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["learnig_rate=1"], "did you mean learning_rate"),
        (["steps=many"], "--set steps: expected a number, true or false, got 'many'"),
        (["steps=2.5"], "steps: expected an integer of at least 1, got 2.5"),
        (["steps"], "expected KEY=VALUE"),
        (["steps=0"], "steps: expected an integer of at least 1, got 0"),
        (["learning_rate=Infinity"], "learning_rate: expected a finite number above 0, got inf"),
        (
            ["clip=1e999", "epsilon=NaN"],
            "epsilon: expected a finite number above 0, got nan; recipe small.clip: expected a finite number",
        ),
        (
            [f"weight_decay={10**400}"],
            "weight_decay: expected a finite number of at least 0, got an integer of 90 digits or more",
        ),
        (["ema=1"], "ema: expected a finite number of at least 0 and below 1, got 1"),
        (["schedule=cosin"], "schedule: expected one of constant, halving, one-cycle, got 'cosin'"),
        (["lr=pil-per-crop"], 'crops = "five"'),
        (["held_out=i1,i1"], "expected each name in held_out once"),
        (["name=x"], "unknown recipe key"),
    ],
)
def test_invalid_settings_are_refused(settings: list[str], message: str) -> None:
    with pytest.raises((TrainingError, UnknownNameError), match=message.replace(".", r"\.")):
        small_recipe().changed(settings)


def test_recipe_files_with_unknown_or_missing_keys_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text('summary = "x"\nbatchs = 4\n')
    with pytest.raises(TrainingError, match=r"unknown field 'batchs' \(did you mean batch\?\)"):
        load_recipe(str(file))
    file.write_text('summary = "x"\n')
    with pytest.raises(
        TrainingError, match=r"steps: expected this field, got none; recipe own\.batch: expected this field"
    ):
        load_recipe(str(file))
    file.write_bytes(b"summary = '\xc4'\n")
    with pytest.raises(TrainingError, match=r"own\.toml: expected a recipe in TOML, got a file that is not UTF-8 text"):
        load_recipe(str(file))
    with pytest.raises(UnknownNameError, match="did you mean paper"):
        load_recipe("papr")


def test_a_recipe_refuses_true_as_a_number() -> None:
    with pytest.raises(TrainingError, match="steps: expected an integer of at least 1, got True"):
        recipe_from({**SMALL, "steps": True})


def test_count_of_held_out_images_chooses_by_pixel_hash(images: Path) -> None:
    recipe = small_recipe().changed(["held_out=2"])
    assert recipe.name == "small[held_out=2]"
    data = open_training_data(f"folder:{images}", recipe, scale=2)
    found = open_dataset(f"folder:{images}")
    assert data.held_out_names == tuple(sorted(found.names, key=lambda name: found.pixel_hashes[name])[:2])
    assert data.images == 4
    named = open_training_data(f"folder:{images}", small_recipe(held_out=list(data.held_out_names)), scale=2)
    assert named.train.key == data.train.key


def test_charbonnier_is_l1_for_large_and_smooth_for_small_differences() -> None:
    hr = torch.zeros(1, 3, 2, 2)
    assert charbonnier(hr + 0.5, hr).item() == pytest.approx(0.5, abs=1e-5)
    assert charbonnier(hr, hr).item() == pytest.approx(1e-3)


def test_recipe_help_explains_every_key_once() -> None:
    keys = [row[0] for row in recipe_rows()]
    assert sorted(keys) == sorted(set(RecipeRecord.model_fields) - {"name", "summary"})
    assert recipe_help().splitlines()[1].split(maxsplit=4)[:4] == ["steps", "integer", "≥", "1"]


def test_recipe_for_other_images_holds_out_a_tenth_by_hash(images: Path) -> None:
    found = open_dataset(f"folder:{images}")
    first = min(found.names, key=lambda name: found.pixel_hashes[name])
    assert open_training_data(f"folder:{images}", load_recipe("cpu"), scale=2).held_out_names == (first,)


@pytest.mark.parametrize("value", [0, -1, 1.5, True, [1]])
def test_held_out_is_a_list_of_names_or_a_count(value: object) -> None:
    with pytest.raises(TrainingError, match=r"held_out: expected a list of names or an integer of at least 1, got "):
        small_recipe(held_out=value)


def test_holding_out_every_image_is_refused(images: Path) -> None:
    with pytest.raises(
        TrainingError, match=r"expected images to train on, got 6, all of them held out; hold out fewer"
    ):
        open_training_data(f"folder:{images}", small_recipe(held_out=99), scale=2)
