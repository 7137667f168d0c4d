"""Transfer: what fits by name and shape is taken, the record says so, and it never passes for training from scratch."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from srbench.errors import TrainingError, WeightsError
from srbench.training.initial import Transfer, TransferSource, open_source, transfer
from srbench.training.trainer import train
from srbench.upscalers.loading import open_upscaler
from srbench.zoo import build
from srbench.zoo.checkpoints import Architecture
from srbench.zoo.conversion import convert
from tests.training.small import small_job, small_recipe

_STILL = small_recipe(steps=1, batch=1, learning_rate=1e-30, ema=0.0)
"""A step that moves nothing: the result is what the training started from."""


def told(folder: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((folder / "training.json").read_text())
    return record


def test_another_scale_takes_all_but_the_upsampler(images: Path, tmp_path: Path) -> None:
    train(small_job(images, tmp_path / "x2", recipe=_STILL))
    train(small_job(images, tmp_path / "x3", scale=3, recipe=_STILL, seed=1, init=str(tmp_path / "x2")))
    first, second = (load_file(tmp_path / name / "weights.safetensors") for name in ("x2", "x3"))
    init = told(tmp_path / "x3")["init"]
    assert set(init["fresh"]) == set(init["unused"]) == {"last.weight", "last.bias"}
    assert all(torch.equal(first[key], second[key]) for key in first if key not in init["fresh"])
    assert init["sha256"] == told(tmp_path / "x3")["key"]["init"] == told(tmp_path / "x2")["weights_sha256"]
    details: Any = open_upscaler(f"zoo:imdn@{tmp_path / 'x3' / 'weights.safetensors'}", scale=3).identity.details
    assert details["init"]["origin"] == init["origin"]


def test_another_attention_starts_fresh(images: Path, tmp_path: Path) -> None:
    source = open_source("zoo:imdn@srbench", "imdn-bam", scale=2, source_scale=None, form=None)
    found = transfer(source, build("imdn-bam", scale=2, device="meta").state_dict(), strict=False)
    assert all(".attention." in key for key in (*found.fresh, *found.unused)) and len(found.fresh) == 4 * 6
    with pytest.raises(TrainingError, match=r"--init-strict: expected every tensor of zoo:imdn@srbench ×2 to fit"):
        transfer(source, build("imdn-bam", scale=2, device="meta").state_dict(), strict=True)


def test_sources_of_one_recipe_are_a_pair() -> None:
    imdn, bam, other = (
        open_source(f"zoo:{name}@srbench", "imdn", scale=4, source_scale=scale, form=None)
        for name, scale in (("imdn", 4), ("imdn-bam", 4), ("imdn", 2))
    )
    assert imdn.origin == bam.origin != other.origin and imdn.sha256 != bam.sha256
    unknown = replace(imdn, trained={})
    assert unknown.origin == imdn.sha256


def test_own_training_on_the_same_images_is_pointed_to_start(images: Path, tmp_path: Path) -> None:
    train(small_job(images, tmp_path / "a", recipe=_STILL))
    for init in (tmp_path / "a", tmp_path / "a" / "weights.safetensors"):
        with pytest.raises(TrainingError, match=rf"same images; continue it with --start {tmp_path / 'a'}"):
            train(small_job(images, tmp_path / "b", recipe=_STILL, init=str(init)))
    record = train(small_job(images, tmp_path / "c", recipe=_STILL, init="zoo:imdn@srbench"))
    again = train(small_job(images, tmp_path / "d", recipe=_STILL, seed=1, start=tmp_path / "c"))
    assert again["init"] == record["init"]


def test_a_start_that_cannot_be_used_is_refused(images: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="expected zoo:NAME, a weights file or the folder of a training"):
        train(small_job(images, tmp_path / "a", init=str(tmp_path / "none.pth")))
    torch.save({"weight": torch.ones(3, 3)}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match="expected the weights of a network that srbench knows, got others"):
        train(small_job(images, tmp_path / "a", init=str(tmp_path / "other.pth")))
    (tmp_path / "unfinished").mkdir()
    (tmp_path / "unfinished" / "checkpoint.pt").touch()
    with pytest.raises(TrainingError, match="got an unfinished one; finish it by repeating its command"):
        train(small_job(images, tmp_path / "a", init=str(tmp_path / "unfinished")))
    with pytest.raises(TrainingError, match=r"expected one of --start .* and --init"):
        small_job(images, tmp_path / "a", init="zoo:imdn", start=tmp_path)
    with pytest.raises(TrainingError, match="expected tensors that fit by name and shape, got none"):
        _transferred({"a": torch.zeros(2)}, {"b": torch.zeros(2), "a": torch.zeros(3)})


def test_the_form_of_the_weights_is_brought_along(images: Path, tmp_path: Path) -> None:
    path = tmp_path / "s-lwsr32.pth"
    torch.save(build("s-lwsr32", scale=4, form="authors").state_dict(), path)
    init = str(convert(path, network="s-lwsr32", scale=4, options=()).path)
    with pytest.raises(TrainingError, match="--form unit: expected the form of the weights in --init, authors"):
        train(small_job(images, tmp_path / "a", network="s-lwsr32", scale=4, init=init, form="unit"))
    record = train(small_job(images, tmp_path / "b", network="s-lwsr32", scale=4, recipe=_STILL, init=init))
    assert record["form"] == "authors"


def _transferred(weights: dict[str, Tensor], expected: dict[str, Tensor]) -> Transfer:
    return transfer(TransferSource("a file", "0" * 64, Architecture("imdn", 2), weights, {}), expected, strict=False)
