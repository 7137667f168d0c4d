"""`srbench.evaluate` against the forward passes that it cannot do without: what decoding, degrading and scoring add."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

import torch

import srbench
from benchmarks.report import BenchRow, cost_row, test_data, timings, without_data
from srbench.datasets import open_dataset
from srbench.protocols import get_protocol
from srbench.upscalers.base import Options
from srbench.upscalers.loading import open_upscaler

SCALE = 4
"""The scale that is measured: the smallest forward passes, so the hardest to hide the rest behind."""

_NAME = "evaluate, IMDN ×4 on BSD100, against its forward passes alone"


def rows() -> list[BenchRow]:
    """One row: median of five interleaved evaluations over the summed forward passes of the same images."""
    data = test_data()
    on_gpu = torch.cuda.is_available()
    limit = "≤ 1.3" if on_gpu else "≤ 1.15"
    if data is None:
        return [without_data(_NAME, limit)]
    os.environ.setdefault("SRBENCH_MIRROR", str(data / "checkpoints"))
    upscaler = open_upscaler("zoo:imdn@authors", scale=SCALE, options=Options())
    module = srbench.load_model("zoo:imdn@authors", scale=SCALE, device="cuda" if on_gpu else "cpu")
    batches = _batches(data, "cuda" if on_gpu else "cpu")

    def forward_passes() -> None:
        with torch.inference_mode():
            for batch in batches:
                module(batch)
        if on_gpu:
            torch.cuda.synchronize()

    def evaluation() -> None:
        srbench.evaluate(upscaler, "BSD100", scale=SCALE, data_root=data / "data")

    forward_passes()
    before = _peak_memory()
    evaluation()
    note = f"peak memory {_peak_memory():.0f} MB, {before:.0f} MB before the first evaluation"
    whole, alone = timings(evaluation, forward_passes)
    return [cost_row(_NAME, whole, alone, limit, note)]


def _batches(data: Path, device: str) -> list[torch.Tensor]:
    images = open_dataset("BSD100", data_root=data / "data")
    protocol = get_protocol("matlab-y")
    pairs = (protocol.prepare(images.hr(name), scale=SCALE) for name in images.names)
    return [torch.from_numpy(lr).permute(2, 0, 1)[None].float().div(255).to(device) for _, lr in pairs]


def _peak_memory() -> float:
    """The most memory this process has held so far, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)  # macOS counts bytes, Linux kilobytes
