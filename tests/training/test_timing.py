"""What is said before a training on a processor that lacks the recipe's precision, and how often checkpoints come."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from srbench import environment
from srbench.training import timing
from srbench.training.processes import DistContext
from srbench.training.timing import bf16_warning, seconds_per_step
from srbench.training.trainer import train
from tests.training.small import small_job, small_recipe

_CPU = DistContext(0, 1, torch.device("cpu"))


def test_slow_bf16_processors_give_a_warning(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(timing, "has_native", lambda _: False)
    times = {"bf16": 0.8, "fp32": 0.1}
    monkeypatch.setattr(timing, "seconds_per_step", lambda *_, precision, **__: times[precision])
    recipe = small_recipe(name="budget-cpu", precision="bf16", steps=1, batch=1)
    train(small_job(images, tmp_path, recipe=recipe, progress=True))
    told = "warning: budget-cpu computes in bf16, which this processor does not have: 800 ms a step, and 100 ms in"
    assert told in capsys.readouterr().err
    own = small_job(images, tmp_path, recipe=small_recipe(precision="bf16"))
    assert (bf16_warning(own, _CPU, form="unit") or "").endswith("use --set precision=fp32")
    monkeypatch.setattr(timing, "has_native", lambda _: True)
    assert bf16_warning(own, _CPU, form="unit") is None


def test_timing_a_step_leaves_the_training_as_it_is(images: Path, tmp_path: Path) -> None:
    job = small_job(images, tmp_path, recipe=small_recipe(batch=2))
    torch.manual_seed(3)
    before = torch.get_rng_state()
    assert 0 < seconds_per_step(job, _CPU, form="unit") < 60
    assert torch.equal(before, torch.get_rng_state())


def test_processor_features_are_those_that_linux_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    environment.processor_features.cache_clear()
    lines = ["model name\t: A", "flags\t\t: fpu avx2 avx512f avx512_bf16 fma"]
    monkeypatch.setattr(environment, "_processor_lines", lambda: lines)
    assert environment.processor_features() == ("avx2", "fma", "avx512f", "avx512_bf16")
    assert [environment.has_native(name) for name in ("fp32", "bf16", "fp16")] == [True, True, False]
    environment.processor_features.cache_clear()
