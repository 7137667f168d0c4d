"""How near to what the machine can do: networks against its matrix products, the rest against its memory.

A row's ratio is the share of the limit that is reached. Where a network's share is above 1, its convolutions run on
faster kernels than any matrix product at hand. Preparing and scoring move little data often, so their share counts
every byte once, in and out.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from benchmarks.report import BenchRow, Timing, milliseconds, timings
from srbench.metrics import psnr, ssim
from srbench.protocols import MATLAB_LUMA
from srbench.resize import imresize
from srbench.zoo import build
from srbench.zoo.costs import COSTS
from srbench.zoo.networks import NETWORKS

_SCALE, _LR = 4, (80, 120)
_MATRIX = 2048
_COPIED = 1 << 28
_SIDE = 1024
_WHY_LOW = {"pan": "24 to 40 channels and products pixel by pixel: memory decides"}


def rows() -> list[BenchRow]:
    """One row per network, then one per step of preparing and scoring."""
    return [_network_row(name) for name in NETWORKS] + _memory_rows()


def _network_row(name: str) -> BenchRow:
    torch.manual_seed(0)
    network = build(name, scale=_SCALE).eval()
    lr = torch.rand(1, 3, *_LR)
    with torch.inference_mode():
        network(lr)
        forward, *products = timings(partial(network, lr), *_matrix_products(), repeats=3)
    fastest = min(products, key=lambda timing: timing.median)
    peak = [2 * _MATRIX**3 / seconds for seconds in fastest.seconds]
    flops = COSTS[name, _SCALE].flops * (_LR[0] * _LR[1] * _SCALE**2) / (1280 * 720)
    reached = [flops / seconds for seconds in forward.seconds]
    title = f"{NETWORKS[name].title} ×{_SCALE}, LR {_LR[0]}×{_LR[1]}, share of the machine's float32 matrix products"
    return _share_row(title, forward, reached, peak, "FLOP/s", _WHY_LOW.get(name, ""))


def _matrix_products() -> list[Callable[[], object]]:
    """One product of float32 matrices by each of the libraries at hand: which is fastest depends on the processor."""
    first, second = torch.rand(_MATRIX, _MATRIX), torch.rand(_MATRIX, _MATRIX)
    pixels, kernel = first.view(1, _MATRIX, 1, _MATRIX), second.view(_MATRIX, _MATRIX, 1, 1)
    return [
        partial(torch.mm, first, second),
        partial(np.matmul, first.numpy(), second.numpy()),
        partial(torch.conv2d, pixels, kernel),
    ]


def _memory_rows() -> list[BenchRow]:
    random = np.random.default_rng(0)
    image, other = (random.integers(0, 256, (_SIDE, _SIDE, 3), dtype=np.uint8) for _ in range(2))
    first, second = MATLAB_LUMA(image), MATLAB_LUMA(other)
    steps: list[tuple[str, Callable[[], object], int, str]] = [
        (
            "MATLAB bicubic to a quarter",
            partial(imresize, image, 1 / _SCALE),
            image.nbytes + image.nbytes // _SCALE**2,
            "16 taps a side in float64, so arithmetic decides",
        ),
        ("luma", partial(MATLAB_LUMA, image), image.nbytes + first.nbytes, "three products a pixel, one core"),
        ("PSNR", partial(psnr, first, second, data_range=255), 2 * first.nbytes, "one core"),
        (
            "SSIM",
            partial(ssim, first, second, data_range=255, window=11, sigma=1.5, k1=0.01, k2=0.03),
            2 * first.nbytes,
            "110 products a pixel in float64, so arithmetic decides; one core",
        ),
    ]
    return [_memory_row(*step) for step in steps]


def _memory_row(name: str, step: Callable[[], object], size: int, why: str) -> BenchRow:
    source, target = np.ones(_COPIED, np.uint8), np.empty(_COPIED, np.uint8)
    copying, working = timings(partial(np.copyto, target, source), step, repeats=7)
    peak = [2 * _COPIED / seconds for seconds in copying.seconds]
    reached = [size / seconds for seconds in working.seconds]
    return _share_row(f"{name}, {_SIDE}×{_SIDE}, share of a plain copy's bandwidth", working, reached, peak, "B/s", why)


def _share_row(name: str, timing: Timing, reached: list[float], peak: list[float], unit: str, why: str) -> BenchRow:
    shares = [mine / best for mine, best in zip(reached, peak, strict=True)]
    rate, best = float(np.median(reached)), float(np.median(peak))
    note = f"{rate / 1e9:.3g} G{unit}" + (f"; {why}" if why else "")
    return BenchRow(
        name,
        milliseconds(timing.median),
        f"{best / 1e9:.3g} G{unit}",
        rate / best,
        "",
        note,
        f"{min(shares):.3g}–{max(shares):.3g}",
    )
