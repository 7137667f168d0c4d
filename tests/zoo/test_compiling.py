"""torch.compile without a compiler: the message says what is missing, in evaluation and in training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from srbench.errors import TrainingError, UpscalerError
from srbench.training.learner import Speed
from srbench.training.trainer import train
from srbench.upscalers.base import Identity, Options
from srbench.upscalers.tensors import network_upscaler
from srbench.zoo import build
from tests.training.small import small_job, write_images
from tests.zoo.small import SMALL


# torch's own compiler imports what torch deprecates.
@pytest.mark.filterwarnings("ignore:`torch.jit.script_method`:DeprecationWarning")
def test_a_machine_without_a_compiler_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inductor = pytest.importorskip("torch._inductor.config", reason="this torch compiles otherwise")
    monkeypatch.setattr(inductor.cpp, "cxx", (None, "no-such-compiler"))
    # What an earlier run compiled needs no compiler.
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "compiled"))
    network = build("imdn", scale=2, **SMALL["imdn"])
    upscaler = network_upscaler(network, Identity("own"), scale=2, options=Options("cpu", optimise="compile"))
    with pytest.raises(UpscalerError, match=r"--optimise compile: expected a machine .* got .*no-such-compiler"):
        upscaler.upscale(np.zeros((9, 8, 3), np.uint8), dataset="test", name="image")
    images = write_images(tmp_path / "images")
    with pytest.raises(TrainingError, match=r"--compile: expected a machine .* C\+\+ compiler such as g\+\+"):
        train(small_job(images, tmp_path / "out", network="pan", speed=Speed(compiled=True)))
