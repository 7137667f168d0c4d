"""One training of several scales: a file that serves each of them, with the heads of untrained scales as they were."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from srbench.datasets.imageset import open_dataset
from srbench.errors import TrainingError, WeightsError
from srbench.result import evaluate
from srbench.training import publishing
from srbench.training.publishing import publish
from srbench.training.trainer import train
from srbench.zoo import build, load
from srbench.zoo.trained_cards import model_card
from srbench.zoo.weights_catalogue import trained_entry
from tests.training.small import small_job, small_recipe, write_images

_RECIPE = small_recipe(steps=4, batch=1, validate_every=4, ema=0.0)


def test_one_file_serves_every_trained_scale(images: Path, tmp_path: Path) -> None:
    job = small_job(images, tmp_path, network="carn-m", recipe=_RECIPE, scales=(2, 3), seed=3)
    train(job)
    record = json.loads((tmp_path / "training.json").read_text())
    assert record["scales"] == record["key"]["scales"] == [2, 3] and record["psnr"] > 0
    torch.manual_seed(3)
    before, after = build("carn-m", scale=2).state_dict(), load_file(tmp_path / "weights.safetensors")
    moved = {key.split(".")[1] for key in before if key.startswith("up.") and not torch.equal(before[key], after[key])}
    assert moved == {"x2", "x3"}
    assert [load("carn-m", scale=scale, file=tmp_path / "weights.safetensors").scale for scale in (2, 3)] == [2, 3]


@pytest.mark.long
def test_published_file_is_one_entry_for_several_scales(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = open_dataset(f"folder:{write_images(tmp_path / 'others', count=1, side=48)}")
    monkeypatch.setattr(publishing, "benchmark_sets", lambda root: [others])
    run, packaged = tmp_path / "run", tmp_path / "packaged"
    train(small_job(images, run, network="carn-m", recipe=_RECIPE, scales=(2, 3)))
    published = publish(run, packaged=packaged, larger=tmp_path / "larger")
    assert published.weights.name == "carn-m-x2x3.safetensors"
    entry = trained_entry(published.record)
    assert entry.scales == (2, 3) and [score.scale for score in entry.scores] == [2, 3]
    module = load("carn-m", scale=3, file=published.weights).module
    psnr = evaluate(module, others, scale=3).scores["psnr_y"].mean()
    assert psnr == pytest.approx(entry.scores[1].psnr_y, abs=1e-4)
    assert "## Scores under `matlab-y` at ×3" in model_card(published.record)
    with pytest.raises(WeightsError, match="is there already, from seed 0"):
        publishing._replaced("carn-m", (3,), packaged, replace=False)
    with pytest.raises(WeightsError, match="got one that also serves ×2; publish a training of all of them"):
        publishing._replaced("carn-m", (3,), packaged, replace=True)
    (record,) = publishing._replaced("carn-m", (2, 3, 4), packaged, replace=True)
    publishing._remove(record, packaged, tmp_path / "larger", keep="carn-m-x2x3x4.safetensors")
    assert list(packaged.iterdir()) == []


def test_resuming_several_scales_gives_the_same_weights(images: Path, tmp_path: Path) -> None:
    for name in ("whole", "parts"):
        job = small_job(images, tmp_path / name, network="carn-m", recipe=_RECIPE, scales=(2, 3))
        if name == "parts":
            train(small_job(images, tmp_path / name, network="carn-m", recipe=_RECIPE, scales=(2, 3), pause_at=3))
        train(job)
    whole, parts = (load_file(tmp_path / name / "weights.safetensors") for name in ("whole", "parts"))
    assert all(torch.equal(whole[key], parts[key]) for key in whole)


def test_scales_need_a_head_each(images: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"a network with a head for each scale \(carn, carn-m\), got imdn"):
        small_job(images, tmp_path, scales=(2, 3))
    for scales in ((3, 4), (2, 2), (2, 5)):
        with pytest.raises(TrainingError, match=r"--scales: expected each of \(2, 3, 4\) once at most"):
            small_job(images, tmp_path, network="carn", scales=scales)
