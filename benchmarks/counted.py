"""An upscaler that leaves a trace of every forward pass but those of the probe: `python:benchmarks.counted:imdn`."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import torch

import srbench
from srbench.evaluation.probe import PROBE_SIZES

TRACE = "SRBENCH_TRACE"
"""The environment variable that names the file to which each forward pass adds one byte."""


def imdn(scale: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """IMDN with its authors' weights, counted."""
    network = srbench.load_model("zoo:imdn@authors", scale=scale)

    def counted(lr: torch.Tensor) -> torch.Tensor:
        if tuple(lr.shape[-2:]) not in PROBE_SIZES:
            with Path(os.environ[TRACE]).open("ab") as trace:
                trace.write(b".")
        sr: torch.Tensor = network(lr)
        return sr

    return counted
