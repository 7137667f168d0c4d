"""Signals stop a training with a checkpoint; outside a terminal lines say how far it is."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from srbench.training import clock
from srbench.training.optimization import Optimization
from srbench.training.progress import ProgressLines
from srbench.training.trainer import train
from tests.training.small import losses, small_job


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_signal_stops_with_a_checkpoint_to_resume_from(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    plain, steps, handler = Optimization.step, [], signal.getsignal(signal.Signals[name])

    def step(made: Optimization, *values: Any) -> Tensor:
        steps.append(1)
        if len(steps) == 3:
            signal.raise_signal(signal.Signals[name])
        return plain(made, *values)

    with monkeypatch.context() as patch:
        patch.setattr(Optimization, "step", step)
        with pytest.raises(KeyboardInterrupt):
            train(small_job(images, tmp_path / "run", progress=True))
    message = (
        f"{name}: stopped at step 3 of 8; the checkpoint is kept in {tmp_path / 'run'}: repeat the command to resume"
    )
    assert message in capsys.readouterr().err.splitlines()
    assert signal.getsignal(signal.Signals[name]) is handler
    train(small_job(images, tmp_path / "run"))
    train(small_job(images, tmp_path / "at once"))
    assert losses(tmp_path / "run") == losses(tmp_path / "at once")


def test_one_line_at_the_start_and_one_every_minute(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = ProgressLines("imdn ×4, recipe cpu, seed 0", Path("out"), last_step=1000, batch=4, every=None, shown=True)
    for second in range(100):
        monkeypatch.setattr(clock, "now", lambda second=second: float(second))
        lines.tick(second + 1, lambda: 0.05)
        lines.step(second + 1, 0.05, None if second < 50 else 27.5)
    first, minute = capsys.readouterr().err.splitlines()
    assert first == "imdn ×4, recipe cpu, seed 0: step 3 of 1000, about 17 min to go, written to out"
    assert minute == "step 61/1000, loss 0.0500, held-out PSNR 27.500 dB, 4.0 patches/s, 16 min left"


def test_lines_follow_the_number_of_steps_given(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(small_job(images, tmp_path / "run", progress=True, print_every=4))
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("step ")]
    assert [re.match(r"step (\d)/8, loss 0\.\d+, held-out PSNR", line)[1] for line in lines] == ["4", "8"]  # type: ignore[index]  # all lines match
