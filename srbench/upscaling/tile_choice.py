"""The side of the tiles of large images, chosen from the memory that a model needs and a device has."""

from __future__ import annotations

import math

import numpy as np

from srbench.device_memory import free_memory, peak_memory
from srbench.upscalers.tensors import TensorUpscaler
from srbench.upscalers.tiling import TILE_OVERLAP

SMALL_SIDE = 256
"""An image with up to as many pixels as a square of this side is never cut into tiles."""
_PROBE_SIDE = 96
_SHARE = 0.6  # share of the free memory to use; other programs need some, too
_FALLBACK_TILE, _LEAST_TILE, _STEP = 512, 64, 32
_OUTPUT_BYTES = 3 * 4 + 2 * 4
"""Bytes per output pixel that are needed outside the model: three channels of float32, and four of 16 bits."""


class TileChooser:
    """Chooses the tiles of one model. Its need of memory is measured once, before the first large image."""

    def __init__(self, upscaler: TensorUpscaler) -> None:
        self._upscaler = upscaler
        self._bytes_per_pixel: float | None = None
        self._measured = False

    def tile_for(self, height: int, width: int) -> int | None:
        """Return the side of the LR tiles, or None where the image fits into memory at once."""
        if self._upscaler.options.tile is not None or self._upscaler.has_fixed_size:
            return None
        if height * width <= SMALL_SIDE**2:
            return None
        if not self._measured:
            self._bytes_per_pixel, self._measured = self._measure(), True
        free = free_memory(self._upscaler.device)
        if self._bytes_per_pixel is None or free is None:
            return None if max(height, width) <= _FALLBACK_TILE else _FALLBACK_TILE
        output = height * width * self._upscaler.scale**2 * _OUTPUT_BYTES
        return tile_side(height, width, pixels=(free * _SHARE - output) / self._bytes_per_pixel)

    def _measure(self) -> float | None:
        noise = np.random.default_rng(0).integers(0, 256, (_PROBE_SIDE, _PROBE_SIDE, 3), dtype=np.uint8)

        def call() -> object:
            return self._upscaler.upscale(noise, dataset="memory", name="noise")

        call()  # the first call also loads libraries
        peak = peak_memory(call, None, self._upscaler.device)
        return None if peak is None or peak <= 0 else peak / _PROBE_SIDE**2


def tile_side(height: int, width: int, *, pixels: float) -> int | None:
    """Return the side of tiles that have at most `pixels` pixels including overlap; None for the whole image.

    Sides are multiples of 32 pixels, and at least 64, whatever the memory.
    """
    if height * width <= pixels:
        return None
    side = int(math.sqrt(max(pixels, 0))) - 2 * TILE_OVERLAP
    return max(_LEAST_TILE, side // _STEP * _STEP)
