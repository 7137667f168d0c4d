"""torch.compile: for many networks, and where it cannot work: the message says what is missing."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from srbench.errors import TrainingError, UpscalerError
from srbench.training.optimization import PerfOptions
from srbench.training.trainer import train
from srbench.upscalers.base import Identity, Options
from srbench.upscalers.tensors import network_upscaler
from srbench.zoo import build
from tests.training.small import small_job, write_images
from tests.zoo.small import SMALL


def _without_compiler(graph: object, inputs: object) -> None:
    raise RuntimeError("no working C++ compiler")


@pytest.mark.long
def test_a_missing_compiler_is_named_in_the_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # torch's own backend fails in the same way, after seconds of imports.
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=_without_compiler))
    network = build("imdn", scale=2, **SMALL["imdn"])
    upscaler = network_upscaler(network, Identity("own"), scale=2, options=Options("cpu", optimise="compile"))
    with pytest.raises(UpscalerError, match=r"--optimise compile: expected a machine .*, got .*no working C\+\+"):
        upscaler.upscale(np.zeros((9, 8, 3), np.uint8), dataset="test", name="image")
    images = write_images(tmp_path / "images")
    advice = r"install what it needs \(on the CPU a C\+\+ compiler such as g\+\+\), or leave the option out"
    with pytest.raises(TrainingError, match=rf"--compile: expected a machine .*; {advice}"):
        train(small_job(images, tmp_path / "out", network="pan", speed=PerfOptions(compiled=True)))
    # torch compiles eight kinds of one function, all networks share one, and a sweep may train more than eight.
    assert torch._dynamo.config.recompile_limit >= 100
