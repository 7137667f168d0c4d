"""The baselines of every table: bicubic by MATLAB's rules, and by Pillow's."""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import NDArray

from srbench.degradations import pillow_resize
from srbench.resize import imresize
from srbench.upscalers.base import Identity, Image, Options, Upscaler


class MatlabBicubic(Upscaler):
    """`bicubic`: MATLAB's ``imresize`` in uint8, rounded after each pass, under every protocol."""

    takes_float = True

    def __init__(self, *, scale: int) -> None:
        self.identity, self.options, self.scale = Identity("bicubic"), Options(device="cpu"), scale

    def upscale(self, lr: Image, *, dataset: str, name: str) -> Image:
        """Return an SR image of the dtype of `lr`."""
        return imresize(lr, self.scale)


class PillowBicubic(Upscaler):
    """`bicubic:pillow`: Pillow's 8-bit bicubic, the baseline of `bam2021`'s own code."""

    def __init__(self, *, scale: int) -> None:
        self.identity, self.options, self.scale = Identity("bicubic:pillow"), Options(device="cpu"), scale

    def upscale(self, lr: Image, *, dataset: str, name: str) -> Image:
        """Return an SR image uint8."""
        pixels = cast(NDArray[np.uint8], lr)  # `takes_float` is False
        return pillow_resize(pixels, lr.shape[1] * self.scale, lr.shape[0] * self.scale)
