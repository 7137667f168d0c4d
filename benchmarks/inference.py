"""Optimised against eager inference, for every network, on random weights: time and the largest change of a pixel."""

from __future__ import annotations

import torch

from benchmarks.report import BenchRow, speed_row, timings
from srbench.zoo import build
from srbench.zoo.networks import NETWORKS
from srbench.zoo.optimize import optimized

_SCALE = 4
_SIDE = 32


def rows() -> list[BenchRow]:
    """One row per network: eager time over optimised time."""
    return [_row(name) for name in NETWORKS]


def _row(name: str) -> BenchRow:
    torch.manual_seed(0)
    eager = build(name, scale=_SCALE).eval()
    fast = optimized(eager)
    lr = torch.rand(1, 3, _SIDE, _SIDE)
    with torch.inference_mode():
        change = 255 * float((eager(lr) - fast(lr)).abs().max())
        mine, theirs = timings(lambda: fast(lr), lambda: eager(lr), repeats=3)
    title = f"{NETWORKS[name].title} ×{_SCALE}, LR {_SIDE}×{_SIDE}, optimised against eager"
    note = f"times faster; largest change {change:.1e} of 255"
    return speed_row(title, mine, theirs, note=note)
