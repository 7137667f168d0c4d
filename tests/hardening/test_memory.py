"""Memory stays flat with the number of images; `benchmarks/memory.py` measures that of a large tiled one."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import pytest

pytest.importorskip("resource", reason="peak memory is measured on Unix")
from benchmarks.memory import many_images

MEGABYTE = 1e6


@pytest.mark.long
def test_more_images_take_no_more_memory() -> None:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        few, many = (pool.submit(many_images, count, 64).result() for count in (50, 800))
    assert many - few < 15 * MEGABYTE, f"{(many - few) / MEGABYTE:.0f} MB more for 16 times the images"
