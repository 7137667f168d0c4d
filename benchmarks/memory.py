"""Peak memory: a large image in tiles, scored whole; and a stream of many small images."""

from __future__ import annotations

import multiprocessing
import resource
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image
from torch import nn

from benchmarks.report import BenchRow
from srbench.datasets.imageset import ImageSet
from srbench.datasets.stores import FilesStore
from srbench.evaluation import Plan, run
from srbench.images import save_png
from srbench.protocols import get_protocol
from srbench.upscalers.base import Identity, Options, Upscaler
from srbench.upscalers.bicubic import MatlabBicubic
from srbench.upscalers.tensors import network_upscaler

LIMIT = 4e9
"""Bytes that a 12-megapixel LR image at ×4 may take."""


def rows() -> list[BenchRow]:
    """The share of 4 GB that one large image takes, and how much ten times as many small images add."""
    large = _alone(large_image, 4000, 3000)
    few, many = _alone(many_images, 1_000, 64), _alone(many_images, 10_000, 64)
    return [
        BenchRow(
            "12-megapixel LR at ×4, --tile 256, evaluated",
            _gigabytes(large),
            "4 GB",
            large / LIMIT,
            "≤ 1",
            "decoding, LR, network and matlab-y scores of 192 megapixels, at the peak",
        ),
        BenchRow("10,000 small images, against 1,000", _gigabytes(many), _gigabytes(few), many / few, "≤ 1.05"),
    ]


def large_image(width: int, height: int, tile: int = 256) -> float:
    """Peak bytes of this process after evaluating one image whose LR has this size, at ×4."""
    convolution = nn.Sequential(nn.Conv2d(3, 48, 3, padding=1), nn.PixelShuffle(4))
    upscaler = network_upscaler(convolution, Identity("one convolution"), scale=4, options=Options("cpu", tile=tile))
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "large.png"
        small = np.random.default_rng(0).integers(0, 256, (height // 16, width // 16, 3), dtype=np.uint8)
        # Another process makes it, so that its memory does not count.
        with _process() as pool:
            pool.submit(_write_large, path, small, (4 * width, 4 * height)).result()
        return _evaluate(upscaler, ImageSet("Large", FilesStore({"large": path}, Path(scratch))))


def many_images(count: int, side: int) -> float:
    """Peak bytes of this process after evaluating `count` images, streamed from a few files that take turns."""
    with tempfile.TemporaryDirectory() as scratch:
        random = np.random.default_rng(0)
        files = [Path(scratch) / f"{number}.png" for number in range(4)]
        for path in files:
            save_png(path, random.integers(0, 256, (side, side, 3), dtype=np.uint8))
        names = {f"{number:05}": files[number % len(files)] for number in range(count)}
        return _evaluate(MatlabBicubic(scale=4), ImageSet("Many", FilesStore(names, Path(scratch))))


def _evaluate(upscaler: Upscaler, images: ImageSet) -> float:
    for _ in run(Plan(upscaler, [images], [get_protocol("matlab-y")])):
        pass
    unit = 1 if sys.platform == "darwin" else 1024
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)


def _write_large(path: Path, small: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], size: tuple[int, int]) -> None:
    Image.fromarray(small).resize(size, Image.Resampling.BICUBIC).save(path, compress_level=1)


def _process() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))


def _alone(measure: object, *arguments: int) -> float:
    """A measurement in a fresh process: a peak never goes down."""
    with _process() as pool:
        return float(pool.submit(measure, *arguments).result())  # type: ignore[arg-type]  # any function of numbers


def _gigabytes(size: float) -> str:
    return f"{size / 1e9:.2f} GB"
