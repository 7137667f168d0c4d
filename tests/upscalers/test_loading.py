"""Model specs: each kind opens, and each mistake is explained."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

import srbench
from srbench.errors import SrbenchError, UnknownNameError, UpscalerError
from srbench.images import save_png
from srbench.upscalers.base import Options
from srbench.upscalers.loading import as_upscaler, open_upscaler
from srbench.zoo import build
from srbench.zoo.reading import RECORD_KEY

LR = np.random.default_rng(5).integers(0, 256, (12, 10, 3), dtype=np.uint8)

FACTORY = """
import torch

def nearest(scale):
    return torch.nn.Upsample(scale_factor=scale, mode="nearest")

def number(scale):
    return scale

def raising(scale):
    raise KeyError("by design")

def leaving(scale):
    raise SystemExit(3)

def without_scale():
    return None

def lazy(scale):
    return torch.nn.LazyConv2d(3, 3)

def failing(scale):
    def upscale(lr):
        raise ValueError("by design")
    return upscale

constant = 3
"""


@pytest.fixture
def user_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "user_upscalers.py").write_text(FACTORY)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "user_upscalers", raising=False)
    return "python:user_upscalers"


def test_bicubic_pillow_equals_pillow(tmp_path: Path) -> None:
    expected = np.asarray(Image.fromarray(LR).resize((30, 36), Image.Resampling.BICUBIC))
    assert np.array_equal(open_upscaler("bicubic:pillow", scale=3).checked(LR, dataset="d", name="n"), expected)


def test_python_factory(user_module: str) -> None:
    upscaler = open_upscaler(f"{user_module}:nearest", scale=2)
    sr = upscaler.checked(LR, dataset="d", name="n")
    assert np.array_equal(np.rint(np.asarray(sr) * 255), np.repeat(np.repeat(LR, 2, 0), 2, 1))
    assert upscaler.identity.weights_sha256
    assert upscaler.identity.parameters == 0


@pytest.mark.parametrize(
    ("rest", "named"),
    [
        ("", "no factory"),
        (":missing", "missing"),
        (":number", "to return a torch module.*got int"),
        (":raising", r"raising\(scale=2\) raised KeyError: 'by design'.*--debug"),
        (":leaving", "raised SystemExit: 3"),
        (":without_scale", r"a parameter scale, got without_scale\(\); write one"),
        (":lazy", "got lazy ones; call it once"),
        (":constant", "called with scale=…, got int"),
        (":failing", "failing on d/n: the model raised ValueError: by design"),
        ("_torn:any", r"import user_upscalers_torn raised SyntaxError: .*line 1"),
    ],
)
def test_wrong_python_specs_are_explained(user_module: str, tmp_path: Path, rest: str, named: str) -> None:
    (tmp_path / "user_upscalers_torn.py").write_text("def any(:")
    with pytest.raises(UpscalerError, match=f"{user_module}.*{named}"):
        open_upscaler(user_module + rest, scale=2).checked(LR, dataset="d", name="n")
    with pytest.raises(UpscalerError, match=r"python::any: .* got no module"):
        open_upscaler("python::any", scale=2)


@pytest.mark.parametrize("scale", ["4", 4.0, None])
def test_wrong_scales_and_models_are_named(scale: Any) -> None:
    for model in ("bicubic", torch.nn.Identity(), open_upscaler("bicubic", scale=4)):
        with pytest.raises(UpscalerError, match=f"expected an integer such as 4, got {scale!r}"):
            as_upscaler(model, scale=scale)
    wrong: tuple[tuple[Any, str], ...] = ((None, "NoneType"), (lambda lr: lr, "function"), (3, "int"))
    for model, name in wrong:
        with pytest.raises(UpscalerError, match=rf"got {name}; wrap a function .* python:pkg\.module:factory"):
            as_upscaler(model, scale=4)  # type: ignore[arg-type]  # the mistake


@pytest.mark.parametrize("layout", ["Set5/baby.png", "Set5/baby_x2.png", "Set5/babyx2.png", "baby_SR.png", "baby.png"])
def test_image_folders_in_common_layouts_are_read(tmp_path: Path, layout: str) -> None:
    stored = np.repeat(np.repeat(LR, 2, 0), 2, 1)
    (tmp_path / layout).parent.mkdir(exist_ok=True)
    save_png(tmp_path / layout, stored)
    upscaler = open_upscaler(f"images:{tmp_path}", scale=2)
    assert np.array_equal(upscaler.checked(LR, dataset="Set5", name="baby"), stored)


def test_missing_image_folders_and_images_are_reported(tmp_path: Path) -> None:
    with pytest.raises(UpscalerError, match="got none"):
        open_upscaler(f"images:{tmp_path / 'missing'}", scale=2)
    with pytest.raises(UpscalerError, match="got none in this folder"):
        open_upscaler(f"images:{tmp_path}", scale=2)
    for name in ("baby.png", "baby_SR.png"):
        save_png(tmp_path / name, LR)
    upscaler = open_upscaler(f"images:{tmp_path}", scale=2)
    with pytest.raises(UpscalerError, match=r"baby\.png and baby_SR\.png"):
        upscaler.upscale(LR, dataset="Set5", name="baby")
    with pytest.raises(UpscalerError, match="no such file"):
        upscaler.upscale(LR, dataset="Set5", name="bird")


@pytest.mark.parametrize("spec", ["bicubik", "zoo", "zoo:", "file:x", "", "zoo:imdm@authors", "zoo:imdn@author"])
def test_unknown_specs_are_srbench_errors(spec: str) -> None:
    with pytest.raises(SrbenchError):
        open_upscaler(spec, scale=2)


def test_close_matches_are_offered() -> None:
    for options, named in (
        (Options(tile=cast(Any, 48.5)), "got 48.5"),
        (Options(tile=True), "got True"),
        ({"tile": 48}, "Options, got dict"),
        (Options(device=cast(Any, None)), "got None"),
    ):
        with pytest.raises(UpscalerError, match=named):
            as_upscaler(torch.nn.Identity(), scale=2, options=options)  # type: ignore[arg-type]  # what it is about
    with pytest.raises(UpscalerError, match="device meta"):
        as_upscaler(build("pan", scale=2, device="meta"), scale=2)
    with pytest.raises(UnknownNameError, match="did you mean bicubic"):
        open_upscaler("bicubik", scale=2)
    with pytest.raises(UnknownNameError, match="imdn"):
        open_upscaler("zoo:imdm@authors", scale=2)


def test_network_options_are_refused_where_they_mean_nothing() -> None:
    for options in (Options(tile=8), Options(self_ensemble=True), Options(precision="bf16")):
        with pytest.raises(UpscalerError, match="for networks"):
            open_upscaler("bicubic", scale=2, options=options)
    with pytest.raises(UpscalerError, match=r"--device: .*'quatsch'"):
        open_upscaler("bicubic", scale=2, options=Options("quatsch"))


def test_load_model_gives_the_authors_network(mirror: Path) -> None:
    import torch

    network = srbench.load_model("zoo:imdn@authors", scale=4)
    with torch.inference_mode():
        assert network(torch.rand(1, 3, 8, 9)).shape == (1, 3, 32, 36)
    with pytest.raises(UpscalerError, match="torch module"):
        srbench.load_model("bicubic", scale=4)


def test_own_weights_files_record_their_training(tmp_path: Path) -> None:
    record = {
        "network": "pan-bam",
        "scales": [2],
        "options": {},
        "recipe": "short",
        "recipe_sha256": "a" * 64,
        "steps": 7,
        "seed": 3,
        "train_set": "Photos",
    }
    network, path = build("pan-bam", scale=2), tmp_path / "weights.safetensors"
    save_file(network.state_dict(), path, metadata={RECORD_KEY: json.dumps(record)})
    upscaler = open_upscaler(f"zoo:pan-bam@{path}", scale=2, options=Options(device="cpu"))
    lr = np.zeros((8, 8, 3), dtype=np.uint8)
    with torch.inference_mode():
        expected = network.eval()(torch.zeros(1, 3, 8, 8))[0].permute(1, 2, 0).numpy()
    assert np.array_equal(upscaler.checked(lr, dataset="any", name="black"), expected)
    told = upscaler.identity.details
    assert (told["network"], told["attention"], told["training_data"]) == ("pan", "bam", "Photos")
    assert (told["recipe"], told["steps"], told["seed"]) == ("short", 7, 3)
    with pytest.raises(SrbenchError, match="asked for pan ×4"):
        open_upscaler(f"zoo:pan@{path}", scale=4)
    converted = {"network": "pan-bam", "scales": [2], "options": {}, "training_data": "Paintings"}
    save_file(network.state_dict(), path, metadata={RECORD_KEY: json.dumps(converted)})
    assert open_upscaler(f"zoo:pan-bam@{path}", scale=2).identity.details["training_data"] == "Paintings"
