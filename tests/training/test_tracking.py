"""Held-out crops, the SSIM after the last step, and event files of TensorBoard."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from srbench.errors import TrainingError
from srbench.images import decode
from srbench.protocols import get_protocol
from srbench.training import tracking
from srbench.training.trainer import train
from tests.training.small import small_job, small_recipe

_RECIPE = small_recipe(steps=4, batch=1, validate_every=2, held_out=["i1"])


def test_crops_of_held_out_images_are_the_lr_and_hr_of_the_protocol(images: Path, tmp_path: Path) -> None:
    record = train(small_job(images, tmp_path / "run", network="pan", recipe=_RECIPE))
    found = {kind: decode(tmp_path / f"run/held-out/i1-x2-{kind}.png") for kind in ("lr", "sr", "hr")}
    hr, lr = get_protocol("matlab-y").prepare(decode(images / "i1.png"), scale=2)
    assert np.array_equal(found["hr"], hr) and np.array_equal(found["lr"], lr)
    scores = get_protocol("matlab-y").score(found["sr"], hr, scale=2)
    assert record["psnr"] == pytest.approx(scores["psnr_y"], abs=1e-9)
    assert record["ssim"] == pytest.approx(scores["ssim_y"], abs=1e-9)


def test_event_files_hold_the_log_and_the_crops(images: Path, tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    train(small_job(images, tmp_path / "run", network="pan", recipe=_RECIPE, track="tensorboard"))
    events = accumulator.EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    events.Reload()
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    for name in ("loss", "psnr", "ssim"):
        logged = [(line["step"], pytest.approx(line[name])) for line in lines if name in line]
        assert [(event.step, event.value) for event in events.Scalars(name)] == logged
    assert set(events.Tags()["images"]) == {f"held-out/i1-x2-{kind}" for kind in ("lr", "sr", "hr")}


def test_tracking_without_its_package_names_the_extra(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracking, "find_spec", lambda name: None)
    with pytest.raises(TrainingError, match=r"pip install 'sisr-bench\[tracking\]'"):
        train(small_job(images, tmp_path / "run", track="tensorboard"))
    assert not (tmp_path / "run").exists()


def test_transfer_is_measured_before_its_first_step(images: Path, tmp_path: Path) -> None:
    first = train(small_job(images, tmp_path / "first", network="pan", scale=4, recipe=_RECIPE))
    init = (tmp_path / "first" / "weights.safetensors").rename(tmp_path / "imported.safetensors")
    record = train(small_job(images, tmp_path / "second", network="pan", scale=4, recipe=_RECIPE, init=str(init)))
    assert record["history"][0] == {"step": 0, "psnr": pytest.approx(first["psnr"], abs=1e-6)}
