"""Memory stays flat: with the number of images, and beyond input and output with the size of a tiled one."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import pytest

pytest.importorskip("resource", reason="peak memory is measured on Unix")
from benchmarks.memory import large_image, many_images

MEGABYTE = 1e6


def peak(measure: Callable[..., float], *arguments: int) -> float:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(measure, *arguments).result()


def test_more_images_take_no_more_memory() -> None:
    few, many = peak(many_images, 50, 32), peak(many_images, 800, 32)
    assert many - few < 15 * MEGABYTE, f"{(many - few) / MEGABYTE:.0f} MB more for 16 times the images"


def test_a_tiled_image_takes_little_more_than_its_pixels() -> None:
    width, height = 1200, 900  # ×4: 17 megapixels, scored in bands
    small, large = peak(large_image, 160, 120), peak(large_image, width, height)
    pixels = 16 * width * height
    needed = pixels * 3 * (4 + 1 + 1)  # the result as float32, its 8-bit form, and the HR
    assert large - small < needed + 150 * MEGABYTE
