"""LPIPS, DISTS and NIQE against the scores that OSEDiff's authors printed, and exact facts."""

from __future__ import annotations

import csv
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from numpy.typing import NDArray

from srbench.errors import MetricError, UnknownNameError
from srbench.fetch import RemoteFile
from srbench.files import sha256_of
from srbench.images import decode
from srbench.metrics import dists
from srbench.metrics.backbones import ALEXNET, features, load_backbone, load_parameters
from srbench.metrics.computed import load_niqe
from srbench.metrics.metric_entries import METRICS, Metric, get_metric

CPU = torch.device("cpu")
# The log was made on a GPU whose convolutions round to TF32; the README of the material measures this distance.
TOLERANCES = {"lpips_alex": 3e-5, "dists": 5e-5, "niqe": 0.005}
IMAGES = ("Nikon_045_LR4", "sony_107_x1")
"""Two of the six; `make reproduce` compares all."""
# Computed on a CPU with the authors' packages, from the README of the material.
LPIPS_VGG = {"sony_107_x1": 0.330566}
NIQE_MATLAB_Y = {"Nikon_045_LR4": 3.840214}


def noise(*shape: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.fixture
def mirror(test_data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = test_data / "checkpoints" / "perceptual"
    monkeypatch.setenv("SRBENCH_MIRROR", str(folder))
    return folder


def pair(test_data: Path, name: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    sr, hr = (decode(test_data / "data" / "OSEDiff6" / kind / f"{name}.png") for kind in ("SR", "HR"))
    return sr, hr


def test_scores_equal_the_printed_log(test_data: Path, mirror: Path) -> None:
    computed = {name: get_metric(name).load(CPU) for name in TOLERANCES}
    with (test_data / "reference" / "osediff_log6.csv").open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["image"] in IMAGES]
    assert len(rows) == 2
    for row in rows:
        sr, hr = pair(test_data, row["image"])
        for name, tolerance in TOLERANCES.items():
            assert computed[name](sr, hr) == pytest.approx(float(row[name]), abs=tolerance), (name, row["image"])


@pytest.mark.parametrize(
    ("metric", "expected", "tolerance"), [("lpips_vgg", LPIPS_VGG, 2e-6), ("niqe_matlab_y", NIQE_MATLAB_Y, 1e-4)]
)
def test_other_variants_equal_the_authors_packages(
    test_data: Path, mirror: Path, metric: str, expected: dict[str, float], tolerance: float
) -> None:
    compute = get_metric(metric).load(CPU)
    for name, score in expected.items():
        assert compute(*pair(test_data, name)) == pytest.approx(score, abs=tolerance)


def test_equal_images_have_no_distance(test_data: Path, mirror: Path) -> None:
    image = noise(64, 80, 3)
    for name in ("lpips_alex", "lpips_vgg", "dists"):
        assert get_metric(name).load(CPU)(image, image) == pytest.approx(0, abs=1e-6), name


def test_torchvisions_checkpoint_gives_the_same_features(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(1)
    sizes = {0: (64, 3, 11), 3: (192, 64, 5), 6: (384, 192, 3), 8: (256, 384, 3), 10: (256, 256, 3)}
    state = {}
    for number, (out, into, side) in sizes.items():
        state[f"features.{number}.weight"] = torch.randn(out, into, side, side, generator=generator) * 0.01
        state[f"features.{number}.bias"] = torch.randn(out, generator=generator)
    monkeypatch.setenv("SRBENCH_MIRROR", str(tmp_path))
    found = []
    for kind in ("safetensors", "pth"):
        path = tmp_path / f"{kind}.{kind}"
        if kind == "pth":
            torch.save({**state, "classifier.1.weight": torch.zeros(2)}, path)
        else:
            safetensors.torch.save_file(state, path)
        file = RemoteFile(path.name, (), None, sha256_of(path))
        weights, used = load_backbone(replace(ALEXNET, files=(file,)), CPU)
        assert used == file
        found.append(features(torch.ones(1, 3, 64, 64), ALEXNET, weights))
    assert all(torch.equal(*maps) for maps in zip(*found, strict=True))


VGG_SIZES = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512)
"""VGG16 (configuration D of its paper): the channels of each convolution, 0 for a pooling."""


@cache
def vgg_layers() -> list[tuple[str, torch.Tensor, torch.Tensor]]:
    """Return random weights of VGG16 by torchvision's names; a pooling has no weights."""
    generator, number, into = torch.Generator().manual_seed(2), 0, 3
    layers = []
    for out in VGG_SIZES:
        if out:
            weight = torch.randn(out, into, 3, 3, generator=generator) / (into * 4) ** 0.5
            layers.append((f"features.{number}", weight, torch.rand(out, generator=generator) * 0.1))
            into = out
        else:
            layers.append(("", torch.empty(0), torch.empty(0)))
        number += 2 if out else 1
    return layers


def dists_maps(image: torch.Tensor) -> list[torch.Tensor]:
    """Return the image and the last map of each stage before its L2 pooling (DISTS, section 3.1), in float64."""
    mean, deviation = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]], dtype=torch.float64)
    current, found = (image - mean.view(1, 3, 1, 1)) / deviation.view(1, 3, 1, 1), [image]
    for name, weight, bias in vgg_layers():
        if name:
            current = torch.nn.functional.conv2d(current, weight.double(), bias.double(), padding=1).relu()
            continue
        found.append(current)
        square = torch.nn.functional.pad(current.square(), (1, 1, 1, 1))
        hanning = {0: 0.25, 1: 0.5, 2: 0.25}
        height, width = current.shape[-2:]
        blurred = torch.stack(
            [
                hanning[i] * hanning[j] * square[..., i : i + height : 2, j : j + width : 2]
                for i in hanning
                for j in hanning
            ]
        ).sum(0)
        current = (blurred + 1e-12).sqrt()
    return [*found, current]


def test_dists_equals_its_equations_with_random_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    state = {
        f"{name}.{part}": value
        for name, *parts in vgg_layers()
        if name
        for part, value in zip(("weight", "bias"), parts, strict=True)
    }
    monkeypatch.setattr(dists, "load_backbone", lambda backbone, device: (state, None))
    first, second = torch.rand(2, 1, 3, 18, 21, generator=torch.Generator().manual_seed(3))
    weights = load_parameters("dists_alpha_beta.safetensors")
    alpha, beta = (weights[name].flatten().double() for name in ("alpha", "beta"))
    terms = []
    for x, y in zip(dists_maps(first.double()), dists_maps(second.double()), strict=True):
        x, y = x[0].flatten(1), y[0].flatten(1)
        means, deviations = (x.mean(1), y.mean(1)), (x.var(1, correction=0), y.var(1, correction=0))
        covariance = ((x - means[0][:, None]) * (y - means[1][:, None])).mean(1)
        texture = (2 * means[0] * means[1] + 1e-6) / (means[0] ** 2 + means[1] ** 2 + 1e-6)
        terms.append((texture, (2 * covariance + 1e-6) / (deviations[0] + deviations[1] + 1e-6)))
    texture, structure = (torch.cat(values) for values in zip(*terms, strict=True))
    expected = 1 - float((alpha @ texture + beta @ structure) / (alpha.sum() + beta.sum()))
    assert 0.01 < expected < 0.99
    assert dists.Dists(device=CPU)(first, second) == pytest.approx(expected, abs=1e-5)


def test_missing_weights_are_named_with_the_way_to_get_them() -> None:
    with pytest.raises(MetricError, match=r"alexnet_features.safetensors or alexnet-owt-7be5be79.pth .*SRBENCH_MIRROR"):
        get_metric("lpips_alex").load(CPU)


def test_niqe_refuses_what_it_is_not_defined_for() -> None:
    compute = load_niqe(CPU)
    with pytest.raises(MetricError, match="at least two blocks of 96×96 pixels for NIQE, got 191×96"):
        compute(noise(96, 191, 3), None)
    with pytest.raises(MetricError, match="nearly plain"):
        compute(np.full((192, 192, 3), 128, dtype=np.uint8), None)


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_an_entry_says_what_it_computes(metric: Metric) -> None:
    assert metric.version >= 1 and metric.convention and metric.source
    if metric.from_protocol:
        with pytest.raises(MetricError, match="computed by the protocol"):
            metric.load(CPU)


def test_a_mistyped_metric_gets_a_suggestion() -> None:
    with pytest.raises(UnknownNameError, match="lpips_alex"):
        get_metric("lpips_alx")
