"""The evaluation loop on real images with authors' weights, and its behaviour when something goes wrong."""

from __future__ import annotations

import csv
import math
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

import srbench
from srbench.datasets import ImageSet, open_dataset
from srbench.errors import DatasetError, ImageError, ProtocolError, UpscalerError
from srbench.evaluation import Plan, run
from srbench.images import encode_png, save_png
from srbench.protocols import get_protocol
from srbench.resize import imresize
from srbench.result import evaluate
from srbench.upscalers.base import Identity, Image, Options, Upscaler
from srbench.upscalers.loading import open_upscaler

# PROTOCOLS.md: IMDN with its authors' weights, measured under both protocols.
IMDN_SET5 = {
    2: {"matlab-y": (37.996, 0.9605), "bam2021": (38.050, 0.9608)},
    3: {"matlab-y": (34.360, 0.9270), "bam2021": (35.101, 0.9408)},
    4: {"matlab-y": (32.210, 0.8948), "bam2021": (32.252, 0.8954)},
}


class Nearest(Upscaler):
    """Repeats pixels and counts its calls by image; returns NaN for the image `failing`."""

    probed = False

    def __init__(self, scale: int = 2, failing: str = "") -> None:
        self.identity, self.options, self.scale = Identity("nearest"), Options(device="cpu"), scale
        self.calls: Counter[str] = Counter()
        self._failing = failing

    def upscale(self, lr: Image, *, dataset: str, name: str) -> Image:
        self.calls[name] += 1
        if name == self._failing:
            return np.full((1, 1, 3), np.nan, np.float32)
        return np.repeat(np.repeat(lr, self.scale, 0), self.scale, 1)


@pytest.fixture
def small_set(tmp_path: Path) -> ImageSet:
    random = np.random.default_rng(0)
    (tmp_path / "set").mkdir()
    for name in "abcde":
        save_png(tmp_path / "set" / f"{name}.png", random.integers(0, 256, (33, 29, 3), dtype=np.uint8))
    return open_dataset(f"folder:{tmp_path / 'set'}")


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_imdn_scores_what_its_paper_prints(test_data: Path, mirror: Path, scale: int) -> None:
    scores = srbench.evaluate(
        "zoo:imdn@authors",
        "Set5",
        scale=scale,
        protocol=["matlab-y", "bam2021"],
        data_root=test_data / "data",
        options=Options(device="cpu"),
    ).scores
    for protocol, (psnr, ssim) in IMDN_SET5[scale].items():
        means = scores[scores["protocol"] == protocol][["psnr_y", "ssim_y"]].mean()
        assert means["psnr_y"] == pytest.approx(psnr, abs=0.001)
        assert means["ssim_y"] == pytest.approx(ssim, abs=0.0001)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_pan_meets_its_authors_log_image_by_image(test_data: Path, mirror: Path, scale: int) -> None:
    with (test_data / "reference" / "pan_authors_log.csv").open() as file:
        log = {
            row["image"]: row
            for row in csv.DictReader(file)
            if row["scale"] == str(scale) and row["dataset"] == "Set5" and row["image"] != "mean"
        }
    scores = evaluate(
        "zoo:pan@authors",
        "Set5",
        scale=scale,
        protocol=["matlab-y", "matlab-rgb"],
        data_root=test_data / "data",
        options=Options(device="cpu"),
    ).scores
    assert set(scores["image"]) == set(log)
    for score in scores.to_dict("records"):
        kind = "y" if score["protocol"] == "matlab-y" else "rgb"
        assert score[f"psnr_{kind}"] == pytest.approx(float(log[score["image"]][f"psnr_{kind}"]), abs=1e-4)
        assert score[f"ssim_{kind}"] == pytest.approx(float(log[score["image"]][f"ssim_{kind}"]), abs=2e-6)


def test_matlabs_lr_files_score_like_made_lr(test_data: Path) -> None:
    made, given = (
        evaluate("bicubic", "Set5", scale=3, lr=source, data_root=test_data / "data").scores
        for source in ("made", "given")
    )
    differing = [column for column in made if not made[column].equals(given[column])]
    assert set(differing) == {"lr_source", "lr_origin", "seconds"}
    assert set(given["lr_origin"]) == {"MATLAB bicubic, symmetric border"}


def test_protocols_of_one_preparation_share_a_forward_pass(small_set: ImageSet) -> None:
    upscaler = Nearest()
    names = ["matlab-y", "matlab-y-rounded", "matlab-rgb", "bam2021"]
    scores = evaluate(upscaler, small_set, scale=2, protocol=names).scores
    assert set(upscaler.calls.values()) == {2}, "three matlab protocols cost one pass, bam2021 another"
    assert Counter(scores["protocol"]) == dict.fromkeys(names, 5)
    assert scores.loc[scores["protocol"] == "matlab-rgb", "psnr_y"].isna().all()


def test_each_row_is_what_its_protocol_says(small_set: ImageSet) -> None:
    scores = evaluate(Nearest(), small_set, scale=2).scores.set_index("image")
    for name in small_set.names:
        protocol = get_protocol("matlab-y")
        hr, lr = protocol.prepare(small_set.hr(name), scale=2)
        sr = np.repeat(np.repeat(lr, 2, 0), 2, 1)
        expected = protocol.score(sr, hr, scale=2)
        assert dict(scores.loc[name, list(expected)]) == expected
        assert scores.loc[name, "psnr_lr"] == protocol.psnr_lr(sr, lr, scale=2)
        assert scores.loc[name, "hr_sha256"] == small_set.pixel_hashes[name]


def test_what_is_done_is_not_computed_again(small_set: ImageSet) -> None:
    upscaler = Nearest()
    plan = Plan(upscaler, [small_set], [get_protocol("matlab-y"), get_protocol("matlab-rgb")])
    done = [(small_set.name, protocol, name) for protocol in ("matlab-y", "matlab-rgb") for name in "ab"]
    rows = [row for batch in run(plan, done=[*done, (small_set.name, "matlab-y", "c")]) for row in batch]
    assert set(upscaler.calls) == {"c", "d", "e"}
    assert [(row["image"], row["protocol"]) for row in rows if row["image"] == "c"] == [("c", "matlab-rgb")]


def test_a_failing_image_loses_nothing_before_it(small_set: ImageSet) -> None:
    kept = []
    with pytest.raises(UpscalerError, match="got shape"):
        for batch in run(Plan(Nearest(failing="d"), [small_set], [get_protocol("matlab-y")])):
            kept += [row["image"] for row in batch]
    assert kept == ["a", "b", "c"]


@pytest.mark.parametrize("large", [False, True])
def test_images_on_several_cores_keep_their_order(
    small_set: ImageSet, monkeypatch: pytest.MonkeyPatch, large: bool
) -> None:
    if large:
        monkeypatch.setattr("srbench.evaluation.scheduling._LARGE", 0)
    threads = torch.get_num_threads()
    upscaler, failing = Nearest(), Nearest(failing="d")
    for each in (upscaler, failing):
        each.fills_all_cores, each.images_at_once = True, 3
    together = evaluate(upscaler, small_set, scale=2, protocol=["matlab-y", "bam2021"]).scores.drop(columns="seconds")
    alone = evaluate(Nearest(), small_set, scale=2, protocol=["matlab-y", "bam2021"]).scores.drop(columns="seconds")
    assert together.equals(alone)
    kept = []
    with pytest.raises(UpscalerError, match="got shape"):
        for batch in run(Plan(failing, [small_set], [get_protocol("matlab-y")])):
            kept += [row["image"] for row in batch]
    assert kept == ["a", "b", "c"]
    assert torch.get_num_threads() == threads


def test_saved_images_score_the_same(small_set: ImageSet, tmp_path: Path) -> None:
    protocols = [get_protocol(name) for name in ("matlab-y", "matlab-y-rounded", "matlab-rgb")]
    plan = Plan(Nearest(), [small_set], protocols, save_images=tmp_path / "sr")
    rows = pd.DataFrame([row for batch in run(plan) for row in batch])
    again = evaluate(
        f"images:{tmp_path / 'sr'}", small_set, scale=2, protocol=[entry.name for entry in protocols]
    ).scores
    plan_of_images = Plan(open_upscaler(f"images:{tmp_path / 'sr'}", scale=2), [small_set], protocols)
    key = plan_of_images.key()
    save_png(tmp_path / "sr/another/a.png", small_set.hr("a"))
    assert replace(plan_of_images, upscaler=open_upscaler(f"images:{tmp_path / 'sr'}", scale=2)).key() == key
    save_png(tmp_path / "sr/set/a.png", small_set.hr("a"))
    assert replace(plan_of_images, upscaler=open_upscaler(f"images:{tmp_path / 'sr'}", scale=2)).key() != key
    for column in ("psnr_y", "ssim_y", "psnr_rgb", "ssim_rgb", "psnr_lr"):
        assert np.array_equal(rows[column].astype(float), again[column].astype(float), equal_nan=True)


def test_images_of_two_preparations_cannot_share_a_folder(small_set: ImageSet, tmp_path: Path) -> None:
    with pytest.raises(ProtocolError, match="--save-images"):
        Plan(Nearest(), [small_set], [get_protocol("matlab-y"), get_protocol("bam2021")], save_images=tmp_path)


def test_hr_as_sr_is_infinite_and_faithful_to_its_lr(small_set: ImageSet, tmp_path: Path) -> None:
    for name in small_set.names:
        save_png(tmp_path / "sr" / f"{name}.png", small_set.hr(name)[:32, :28])
    scores = evaluate(f"images:{tmp_path / 'sr'}", small_set, scale=2).scores
    assert (scores["psnr_y"] == math.inf).all()
    assert (scores["psnr_lr"] == math.inf).all()


def test_a_module_is_scored_like_its_spec(test_data: Path, mirror: Path) -> None:
    root = test_data / "data"
    module = srbench.load_model("zoo:pan@authors", scale=4)
    view: Any = srbench.datasets.Set5(scale=4, data_root=root)
    by_module = srbench.evaluate(module, view, scale=4).scores
    by_spec = srbench.evaluate("zoo:pan@authors", "Set5", scale=4, data_root=root).scores
    assert by_module.drop(columns=["model", "seconds"]).equals(by_spec.drop(columns=["model", "seconds"]))


def test_evaluation_restores_a_network_in_training_mode(small_set: ImageSet) -> None:
    network = srbench.zoo.build("imdn-bam", scale=2, channels=16, blocks=1, reduction=4)
    frozen = next(module for module in network.modules() if isinstance(module, nn.Conv2d))
    frozen.eval().requires_grad_(False)
    network.deep_dtype = torch.float16

    def state() -> list[object]:
        return [
            network.deep_dtype,
            *(part.training for part in network.modules()),
            *(parameter.requires_grad for parameter in network.parameters()),
        ]

    before = state()
    assert len(evaluate(network, small_set, scale=2, options=Options("cpu", "bf16")).scores) == 5
    assert state() == before
    with pytest.raises(DatasetError, match="by design"):
        evaluate(network, VanishingSet("set", small_set.store), scale=2, options=Options("cpu"))
    assert state() == before
    network.deep_dtype = None
    network(torch.rand(1, 3, 8, 8)).mean().backward()
    assert [parameter.grad is None for parameter in network.parameters()].count(True) == 2, "those of the frozen one"


class VanishingSet(ImageSet):
    """Its second image cannot be read."""

    def hr(self, name: str) -> NDArray[np.uint8]:
        if name == "b":
            raise DatasetError("by design")
        return super().hr(name)


@pytest.mark.parametrize("model", ["zoo:imdn@authors", "zoo:pan@authors"])
def test_optimised_inference_moves_no_score(test_data: Path, mirror: Path, model: str) -> None:
    plain, fast = (
        evaluate(model, "Set5", scale=4, data_root=test_data / "data", options=Options("cpu", optimise=how)).scores
        for how in ("none", "fold")
    )
    assert (plain["psnr_y"] - fast["psnr_y"]).abs().max() < 0.0005


def test_a_repetition_is_dropped_and_two_sets_of_one_name_are_refused(small_set: ImageSet, tmp_path: Path) -> None:
    again = open_dataset(f"folder:{small_set.location}/../set")
    scores = evaluate(Nearest(), [small_set, again], scale=2, protocol=["matlab-y", "matlab-y"]).scores
    assert list(scores["image"]) == list("abcde")
    save_png(tmp_path / "other/set/f.png", small_set.hr("a"))
    with pytest.raises(DatasetError, match=r"two called set: .*5 images.*1 images.*rename a folder"):
        evaluate(Nearest(), [small_set, f"folder:{tmp_path}/other/set"], scale=2)


def test_mistakes_are_named(small_set: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for shape, named in (((3, 9), "at least"), ((8, 8), "shaves 4"), ((8, 11), "shaves 4")):
        upscaler = Nearest(4)
        save_png(tmp_path / f"{shape}/a.png", np.zeros((30, 30, 3), np.uint8))
        save_png(tmp_path / f"{shape}/b.png", np.zeros((*shape, 3), np.uint8))
        with pytest.raises(ImageError, match=f"/b: .*{named}"):
            evaluate(upscaler, f"folder:{tmp_path}/{shape}", scale=4)
        assert not upscaler.calls, "it is found before anything is computed"
    with pytest.raises(UpscalerError, match="×4"):
        evaluate(Nearest(), small_set, scale=4)
    with pytest.raises(DatasetError):
        evaluate(Nearest(), small_set, scale=2, lr="given")
    lr, upscaler = encode_png(small_set.hr("a")[:16, :14]), Nearest()
    with (
        monkeypatch.context() as patch,
        pytest.raises(DatasetError, match=r"expected a given LR at ×2 for each of 5 images .* got none for e;"),
    ):
        patch.setattr(type(small_set.store), "lr", lambda _, name, scale: lr if name < "e" else None)
        evaluate(upscaler, small_set, scale=2, lr="given")
    assert not upscaler.calls, "nor does a file that is not there wait for those before it"
    with pytest.raises(ProtocolError, match="at least one"):
        evaluate(Nearest(), [], scale=2)
    with pytest.raises(ProtocolError, match="'made', 'given' or 'any', got 'Given'"):
        evaluate(Nearest(), small_set, scale=2, lr="Given")  # type: ignore[arg-type]  # the mistake
    for protocol in ("bd", "dn-srbench1", "bam2021"):
        with pytest.raises(ProtocolError, match=r"makes its own LR.*--lr made"):
            evaluate(Nearest(3), small_set, scale=3, lr="given", protocol=["matlab-y", protocol])


def test_a_protocol_of_given_files_takes_them_unasked(test_data: Path, small_set: ImageSet) -> None:
    scores = evaluate(
        "bicubic", "Set5", scale=2, protocol=["div2k-rgb", "matlab-rgb"], data_root=test_data / "data"
    ).scores
    assert set(zip(scores["protocol"], scores["lr_source"], strict=True)) == {
        ("div2k-rgb", "given"),
        ("matlab-rgb", "made"),
    }
    with pytest.raises(DatasetError, match=r"expected a given LR at ×2 .* got none for a, b, c, d, e;"):
        evaluate(Nearest(), small_set, scale=2, protocol="div2k-rgb")


def test_pairs_y_scores_real_pairs_from_any_files(tmp_path: Path) -> None:
    random = np.random.default_rng(23)
    hr = random.integers(0, 256, (48, 44, 3), dtype=np.uint8)
    lr = random.integers(0, 256, (12, 11, 3), dtype=np.uint8)
    save_png(tmp_path / "Set5/HR/a.png", hr)
    save_png(tmp_path / "Set5/LR_bicubic/X4/ax4.png", lr)
    [row] = evaluate("bicubic", "Set5", scale=4, protocol="pairs-y", data_root=tmp_path).scores.to_dict("records")
    expected = get_protocol("pairs-y").score(imresize(lr, 4), hr, scale=4)
    assert (row["psnr_y"], row["ssim_y"]) == (expected["psnr_y"], expected["ssim_y"])
    assert math.isnan(row["psnr_lr"])
    assert row["lr_source"] == "any"
    save_png(tmp_path / "Set5/HR/a.png", hr[:, :43].copy())
    with pytest.raises(ImageError, match="exactly 4 times the sides of its LR, got 43×48"):
        evaluate("bicubic", "Set5", scale=4, protocol="pairs-y", data_root=tmp_path)
