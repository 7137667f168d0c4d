"""How each cost grows: time per pixel of an image 4 and 16 times as large, and per image of ten times as many."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch

import srbench
from benchmarks.report import BenchRow, Timing, cost_row, timings
from srbench.images import save_png
from srbench.protocols import get_protocol
from srbench.zoo import build

SIDES = (256, 512, 1024)
"""Sides of the square HR images, in pixels."""

_FEW, _MANY = 10, 100
_SCALE = 4


def rows() -> list[BenchRow]:
    """One row per cost and size; 1 means that the cost grows with the pixels, or with the images, and no faster."""
    found = []
    for name, work in _costs().items():
        base, *larger = [_per_pixel(timing, side) for timing, side in zip(_timed(work), SIDES, strict=True)]
        found += [
            cost_row(f"{name}, per megapixel, {side}×{side} against {SIDES[0]}×{SIDES[0]}", timing, base)
            for timing, side in zip(larger, SIDES[1:], strict=True)
        ]
    return [*found, _images()]


def _timed(work: Callable[[int], Callable[[], object]]) -> list[Timing]:
    return timings(*(work(side) for side in SIDES), repeats=7)


def _per_pixel(timing: Timing, side: int) -> Timing:
    return Timing(tuple(seconds / (side * side / 1e6) for seconds in timing.seconds))


def _costs() -> dict[str, Callable[[int], Callable[[], object]]]:
    protocol = get_protocol("matlab-y")
    network = build("imdn", scale=_SCALE).eval()

    def preparing(side: int) -> Callable[[], object]:
        return partial(protocol.prepare, _image(side, 0), scale=_SCALE)

    def scoring(side: int) -> Callable[[], object]:
        return partial(protocol.score, _image(side, 0), _image(side, 1), scale=_SCALE)

    def upscaling(side: int) -> Callable[[], object]:
        return partial(_forward, network, torch.rand(1, 3, side // _SCALE, side // _SCALE))

    return {"preparing (matlab-y ×4)": preparing, "scoring (matlab-y ×4)": scoring, "IMDN ×4": upscaling}


def _image(side: int, seed: int) -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


def _forward(network: torch.nn.Module, lr: torch.Tensor) -> None:
    with torch.inference_mode():
        network(lr)


def _images() -> BenchRow:
    """`srbench.evaluate` on ten times as many images of one size."""
    with tempfile.TemporaryDirectory() as folder:
        for count in (_FEW, _MANY):
            for index in range(count):
                save_png(Path(folder) / str(count) / f"{index}.png", _image(128, index))

        def evaluation(count: int) -> Callable[[], object]:
            return partial(srbench.evaluate, "bicubic", f"folder:{Path(folder) / str(count)}", scale=_SCALE)

        few, many = timings(evaluation(_FEW), evaluation(_MANY))
    name = f"evaluating bicubic, per image, {_MANY} images against {_FEW}"
    return cost_row(
        name,
        Timing(tuple(seconds / _MANY for seconds in many.seconds)),
        Timing(tuple(seconds / _FEW for seconds in few.seconds)),
    )
