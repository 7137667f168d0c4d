"""Models with the mistakes that `benchmarks.wrong_numbers` measures; each factory gives a torch module for ×4."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.functional import interpolate

import srbench

LEVEL = "SRBENCH_WRONG_LEVEL"
"""Names the file that `from_data_file` reads its number from."""


class InPlace(nn.Module):
    """Bicubic interpolation that subtracts 0.5 from its input in place."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return N×3×4H×4W of N×3×H×W."""
        x -= 0.5
        return interpolate(x, scale_factor=4, mode="bicubic") + 0.5


class Enlarged(nn.Module):
    """Nearest neighbour by any factor, with the first `channels` channels, plus a level; in a tuple if `packed`."""

    def __init__(self, factor: int = 4, channels: int = 3, level: float = 0.0, packed: bool = False) -> None:
        super().__init__()
        self.factor, self.channels, self.level, self.packed = factor, channels, level, packed

    def forward(self, x: torch.Tensor) -> Any:
        """Return the enlarged image, or a tuple that holds it."""
        enlarged = interpolate(x, scale_factor=self.factor, mode="nearest")[:, : self.channels] + self.level
        return (enlarged,) if self.packed else enlarged


def in_place(scale: int) -> nn.Module:
    """A model that writes into its input."""
    return InPlace()


def twice_the_scale(scale: int) -> nn.Module:
    """A model for twice the scale."""
    return Enlarged(2 * scale)


def one_channel(scale: int) -> nn.Module:
    """A model with one output channel."""
    return Enlarged(scale, channels=1)


def packed(scale: int) -> nn.Module:
    """A model that returns a tuple."""
    return Enlarged(scale, packed=True)


def wrong_range(scale: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """IMDN with outputs in [-1, 1]."""
    network = srbench.load_model("zoo:imdn@authors", scale=scale)
    return lambda lr: network(lr) * 2 - 1


def from_data_file(scale: int) -> nn.Module:
    """Nearest neighbour plus a level that a data file holds."""
    return Enlarged(scale, level=float(Path(os.environ[LEVEL]).read_text(encoding="utf-8")))
