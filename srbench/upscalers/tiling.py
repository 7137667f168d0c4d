"""Running a network in tiles, over eight orientations, and on inputs padded by reflection."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from srbench.upscalers.contract import Forward

TILE_OVERLAP = 32
"""LR pixels that a tile has on each side in addition to the part of it that is kept."""


@dataclass(frozen=True)
class Span:
    """One tile along one axis, in LR pixels: the network's input, and the part of its output that is kept."""

    start: int
    stop: int
    kept_start: int
    kept_stop: int

    def kept_in_tile(self, scale: int) -> slice:
        """Return the kept part, in SR pixels of the tile."""
        return slice((self.kept_start - self.start) * scale, (self.kept_stop - self.start) * scale)

    def kept_in_image(self, scale: int) -> slice:
        """Return the kept part, in SR pixels of the image."""
        return slice(self.kept_start * scale, self.kept_stop * scale)


def spans(length: int, *, tile: int, overlap: int) -> Iterator[Span]:
    """Yield tiles that keep `tile` pixels each and have `overlap` more on each side, except at the image border."""
    for start in range(0, length, tile):
        stop = min(start + tile, length)
        yield Span(max(0, start - overlap), min(stop + overlap, length), start, stop)


def fixed_spans(length: int, *, size: int, overlap: int) -> Iterator[Span]:
    """Yield tiles that all have `size` pixels, for an axis that is at least as long."""
    for start in range(0, length, size - 2 * overlap):
        seen = min(max(0, start - overlap), length - size)
        yield Span(seen, seen + size, start, min(start + size - 2 * overlap, length))


def tiled(forward: Forward, *, tile: int, scale: int, overlap: int = TILE_OVERLAP) -> Forward:
    """Return `forward` in tiles of `tile` LR pixels; `overlap` more pixels around each are computed and dropped.

    The result equals that of the whole image if the receptive field reaches at most `overlap` pixels and the network
    does not pool over the image.
    """

    def run(lr: Tensor) -> Tensor:
        rows, columns = (list(spans(length, tile=tile, overlap=overlap)) for length in lr.shape[-2:])
        return _stitched(forward, lr, rows, columns, scale)

    return run


def windowed(forward: Forward, *, size: tuple[int | None, int | None], scale: int) -> Forward:
    """Return a function for images of any size, which calls `forward`, a function for inputs of one size, on tiles.

    Args:
        size: height and width that `forward` takes; None for a side that may have any length.
    """

    def run(lr: Tensor) -> Tensor:
        height, width = lr.shape[-2:]
        filled = reflected(lr, max(height, size[0] or 0), max(width, size[1] or 0))
        rows, columns = (
            list(fixed_spans(length, size=fixed, overlap=window_overlap(fixed)))
            if fixed
            else [Span(0, length, 0, length)]
            for length, fixed in zip(filled.shape[-2:], size, strict=True)
        )
        return _stitched(forward, filled, rows, columns, scale)[..., : height * scale, : width * scale]

    return run


def window_overlap(size: int) -> int:
    """Return the overlap of tiles of a fixed size: a quarter of the size, so that half of it is kept, at most 32."""
    return min(TILE_OVERLAP, size // 4)


def _stitched(forward: Forward, lr: Tensor, rows: list[Span], columns: list[Span], scale: int) -> Tensor:
    """Compute all tiles and put their kept parts together.

    Memory does not grow with the image beyond input and output. The output's channels are next to each other, as in
    image files: reordering a large one would take its size once more.
    """
    height, width = lr.shape[-2:]
    sr = lr.new_empty((*lr.shape[:-3], height * scale, width * scale, lr.shape[-3])).movedim(-1, -3)
    for row, column in itertools.product(rows, columns):
        part = forward(lr[..., row.start : row.stop, column.start : column.stop])
        kept = part[..., row.kept_in_tile(scale), column.kept_in_tile(scale)]
        sr[..., row.kept_in_image(scale), column.kept_in_image(scale)] = kept
    return sr


def reflected(lr: Tensor, height: int, width: int) -> Tensor:
    """Pad an image right and bottom to this size by reflection, several times if one reflection is too short."""
    for axis, length in ((-2, height), (-1, width)):
        if lr.shape[axis] < length:
            source = np.pad(np.arange(lr.shape[axis]), (0, length - lr.shape[axis]), mode="reflect")
            lr = lr.index_select(axis, torch.from_numpy(source).to(lr.device))
    return lr


def self_ensembled(forward: Forward) -> Forward:
    """Return the mean of eight unclamped outputs over flips and rotations (EDSR's "+", Lim et al. 2017)."""

    def run(lr: Tensor) -> Tensor:
        total = torch.zeros(())
        for flip, turns in itertools.product((False, True), range(4)):
            view = torch.rot90(lr.flip(-1) if flip else lr, turns, (-2, -1))
            sr = torch.rot90(forward(view.contiguous()).float(), -turns, (-2, -1))
            total = total + (sr.flip(-1) if flip else sr)
        return total / 8

    return run
