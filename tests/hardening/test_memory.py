"""Memory stays flat with the number of images; `benchmarks/memory.py` measures that of a large tiled one."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import pytest

pytest.importorskip("resource", reason="peak memory is measured on Unix")
from benchmarks.memory import many_images

MEGABYTE = 1e6


def peak(measure: Callable[..., float], *arguments: int) -> float:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(measure, *arguments).result()


def test_more_images_take_no_more_memory() -> None:
    few, many = peak(many_images, 40, 64), peak(many_images, 400, 64)
    assert many - few < 15 * MEGABYTE, f"{(many - few) / MEGABYTE:.0f} MB more for ten times the images"
