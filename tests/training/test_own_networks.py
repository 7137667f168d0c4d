"""Networks of the user's own code: trained, resumed, scored, timed and exported as networks of the zoo are."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from srbench.cli import main
from srbench.errors import SrbenchError, TrainingError, UpscalerError
from srbench.files import sha256_of
from srbench.training.command import evaluation_command
from srbench.training.job import Job
from srbench.training.own_networks import build_network
from srbench.training.trainer import train
from srbench.training.training_sweep import read_sweep
from srbench.upscalers.base import Options
from srbench.upscalers.loading import module_of, open_upscaler
from tests.training.small import losses, small_job

CODE = """
from torch import nn


def make(scale, width=4):
    layers = [nn.Conv2d(3, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, 3 * scale**2, 3, padding=1)]
    return nn.Sequential(*layers, nn.PixelShuffle(scale))


def wrong_scale(scale):
    return make(scale + 1)


def no_module(scale):
    return lambda lr: lr


def no_weights(scale):
    return nn.Upsample(scale_factor=scale)
"""


@pytest.fixture
def code(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.py"
    path.write_text(CODE)
    return path


@pytest.fixture
def own_job(images: Path, code: Path, tmp_path: Path) -> Callable[..., Job]:
    def made(factory: str = "make", **changes: object) -> Job:
        return small_job(images, tmp_path / "run", network=f"python:{code}:{factory}", **changes)

    return made


def test_record_keeps_hash_arguments_and_size_of_the_code(own_job: Callable[..., Job], code: Path) -> None:
    job = own_job(factory_args=(("width", 6),))
    record = train(job)
    assert record["network"] == "python:tiny.py:make"
    parameters = sum(weights.numel() for weights in build_network(job, form="authors").parameters())
    assert record["own_network"] == {
        "source_sha256": sha256_of(code),
        "factory_args": {"width": 6},
        "parameters": parameters,
    }


def test_trained_weights_load_again_into_the_same_code(own_job: Callable[..., Job]) -> None:
    job = own_job(factory_args=(("width", 6),))
    train(job)
    spec, arguments = (
        f"{job.network}@{job.output / 'weights.safetensors'}",
        Options("cpu", factory_arg=job.factory_args),
    )
    upscaler = open_upscaler(spec, scale=2, options=arguments)
    assert upscaler.identity.details["steps"] == 8
    assert evaluation_command(job).startswith(f"srbench evaluate --model {spec} --factory-arg width=6")
    first, second = (module_of(open_upscaler(one, scale=2, options=arguments)) for one in (spec, job.network))
    lr = torch.rand(1, 3, 8, 8)
    assert not torch.equal(first(lr), second(lr))
    with pytest.raises(UpscalerError, match=r"give --factory-arg width=6$"):
        open_upscaler(spec, scale=2, options=Options("cpu"))
    with pytest.raises(UpscalerError, match=r"expected the scale of its weights, \[2\], got 3"):
        open_upscaler(spec, scale=3, options=arguments)


def test_interrupted_own_training_resumes_with_equal_losses(own_job: Callable[..., Job], tmp_path: Path) -> None:
    train(replace(own_job(), output=tmp_path / "at once"))
    train(own_job(pause_at=3, checkpoint_every=1))
    train(own_job())
    assert losses(own_job().output) == losses(tmp_path / "at once")


def test_edited_code_is_another_training(own_job: Callable[..., Job], code: Path) -> None:
    train(own_job())
    code.write_text(CODE.replace("nn.ReLU()", "nn.GELU()"))
    with pytest.raises(TrainingError, match=r"holds a different training: source_sha256"):
        train(own_job())


def test_own_weights_start_a_stage_and_a_transfer(own_job: Callable[..., Job], tmp_path: Path) -> None:
    first = own_job()
    train(first)
    stage = train(replace(first, start=first.output, seed=1, output=tmp_path / "stage"))
    assert len(stage["stages"]) == 1
    larger = train(replace(first, scale=3, init=str(first.output), output=tmp_path / "larger"))
    assert larger["init"]["fresh"] == ["2.weight", "2.bias"]


@pytest.mark.parametrize(
    ("factory", "told"),
    [
        (
            "wrong_scale",
            r"expected floats of shape \(2, 3, 16, 16\) at ×2 .* got .* of shape \(2, 3, 24, 24\)",
        ),
        ("no_module", "expected a torch module to train, got function"),
        ("no_weights", "expected a module with weights to train, got none that require gradients"),
        ("absent", "expected a function or class that is defined there"),
    ],
)
def test_unsuitable_factory_is_refused_before_training(own_job: Callable[..., Job], factory: str, told: str) -> None:
    with pytest.raises(SrbenchError, match=told):
        train(own_job(factory))
    assert not own_job().output.exists()


def test_zoo_network_takes_no_factory_arguments(images: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"expected a network python:FILE\.py:factory, got imdn"):
        small_job(images, tmp_path, factory_args=(("width", 6),))


def test_sweep_gives_arguments_to_own_networks_only(code: Path, tmp_path: Path) -> None:
    sweep = tmp_path / "sweep.toml"
    sweep.write_text(
        f'networks = ["python:{code}:make", "pan"]\nscales = [2]\nrecipe = "cpu"\ntrain_set = "Set5"\n'
        'factory_arg = ["width=8"]\n'
    )
    own, pan = read_sweep(sweep, tmp_path)
    assert (own.output.name, own.factory_args) == ("tiny-make-x2-seed0", (("width", 8),))
    assert pan.factory_args == ()


@pytest.mark.long
def test_export_and_speed_take_trained_own_weights(own_job: Callable[..., Job], tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    job = own_job()
    train(job)
    spec = f"{job.network}@{job.output / 'weights.safetensors'}"
    exported = CliRunner().invoke(main, ["zoo", "export", spec, "--scale", "2", "-o", str(tmp_path / "tiny.onnx")])
    assert exported.exit_code == 0, exported.output
    timed = CliRunner().invoke(
        main,
        ["speed", spec, "--scale", "2", "--size", "16", "--repetitions", "3", "--device", "cpu"],
    )
    assert timed.exit_code == 0, timed.output
    assert json.loads((job.output / "training.json").read_text())["own_network"]["parameters"] == 556
