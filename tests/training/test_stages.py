"""Trainings in stages: one goes on from another's weights, and the record tells both as one."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file

from srbench.cli import main
from srbench.datasets import open_dataset
from srbench.errors import TrainingError
from srbench.training import publishing
from srbench.training.publishing import publish
from srbench.training.trainer import train
from srbench.zoo import load
from tests.training.small import losses, small_job, small_recipe, write_images

STILL = small_recipe(name="still", steps=3, learning_rate=1e-12, ema=0.0, validate_every=3)


@pytest.fixture(scope="module")
def first(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("stages") / "first"
    train(small_job(images, output, network="pan", recipe=small_recipe(steps=4)))
    return output


@pytest.fixture(scope="module")
def second(images: Path, first: Path) -> Path:
    output = first.parent / "second"
    train(small_job(images, output, network="pan", recipe=STILL, seed=1, start=first))
    return output


def told(folder: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((folder / "training.json").read_text())
    return record


def test_a_stage_begins_with_the_weights_of_the_one_before(first: Path, second: Path) -> None:
    before, after = (load_file(folder / "weights.safetensors") for folder in (first, second))
    assert before.keys() == after.keys()
    for key, value in before.items():
        torch.testing.assert_close(after[key], value, rtol=0, atol=1e-10)


def test_the_record_sums_all_stages_of_a_training(
    images: Path, first: Path, second: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What is scored does not matter here, and the embedded photographs take long.
    others = open_dataset(f"folder:{write_images(first.parent / 'others', count=1, side=44)}")
    monkeypatch.setattr(publishing, "benchmark_sets", lambda root: [others])
    third = first.parent / "third"
    train(small_job(images, third, network="pan", recipe=STILL, seed=2, start=second))
    kept = publish(third, packaged=first.parent / "packaged").record["training"]
    assert (kept["recipe"], kept["seed"]) == ("small, then still, then still", 2)
    assert (kept["steps"], kept["patches"]) == (10, 40)
    hashes = [told(folder)["recipe_sha256"] for folder in (first, second, third)]
    assert kept["recipe_sha256"] == hashlib.sha256("\n".join(hashes).encode()).hexdigest()
    assert [stage["recipe_sha256"] for stage in kept["stages"]] == hashes[:2]
    weights = [hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest() for folder in (first, second)]
    assert [stage["weights_sha256"] for stage in kept["stages"]] == weights
    assert [line["step"] for line in kept["history"]] == [4, 7, 10]
    assert [line["step"] for line in kept["loss"]] == list(range(1, 11))
    assert [line["loss"] for line in kept["loss"]] == pytest.approx([*losses(first), *losses(second), *losses(third)])
    entry = load("pan", scale=2, file=third / "weights.safetensors")
    assert entry.scale == 2


def test_a_start_is_part_of_what_a_folder_holds(images: Path, first: Path, second: Path) -> None:
    with pytest.raises(TrainingError, match=r"holds a different training: start '[0-9a-f]{64}' there, None asked for"):
        train(small_job(images, second, network="pan", recipe=STILL, seed=1))


def test_a_start_that_is_none_is_refused(images: Path, first: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"expected a training of imdn ×2, got one of pan ×2; stages share"):
        train(small_job(images, tmp_path / "out", start=first))
    with pytest.raises(TrainingError, match=r"the folder of a finished training, got no readable training\.json"):
        train(small_job(images, tmp_path / "out", network="pan", start=tmp_path))
    with pytest.raises(TrainingError, match=r"held out all that small holds out, got small, which trained on i0"):
        recipe = small_recipe(steps=2, held_out=["i0", "i1"])
        train(small_job(images, tmp_path / "out", network="pan", recipe=recipe, start=first))
    others = write_images(tmp_path / "others", count=5)
    with pytest.raises(TrainingError, match="expected a training on the same images, got one on training-images"):
        train(small_job(others, tmp_path / "out", network="pan", recipe=STILL, start=first))
    assert not (tmp_path / "out").exists()
    result = CliRunner().invoke(main, ["train", "--sweep", "x.toml", "--output", "o", "--start", str(first)])
    assert result.exit_code == 2 and "--start: with --sweep its file says that" in result.stderr
