"""How a recipe makes training pairs of an HR image: LR of the whole image, or of each of its five crops by itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from srbench.datasets.fivecrop import five_boxes
from srbench.errors import UnknownNameError
from srbench.protocols import MATLAB_PREPARATION, Preparation, get_protocol

Images = NDArray[np.uint8]

LR_MODES = ("matlab", "pil-per-crop")
"""How a recipe may have the LR made; see `pair_maker`."""


@dataclass(frozen=True)
class PairMaker:
    """An HR image in, its training pairs (HR, LR) out: one for the whole image, or one for each of its five crops."""

    preparation: Preparation
    scale: int
    per_crop: bool = False

    @property
    def key(self) -> str:
        """Says which pairs this makes: equal keys make equal pairs."""
        return f"{self.preparation.key}, ×{self.scale}{', five crops' if self.per_crop else ''}"

    def __call__(self, hr: Images, name: str) -> list[tuple[Images, Images]]:
        parts = [box.cut(hr) for box in five_boxes(*hr.shape[:2])] if self.per_crop else [hr]
        return [self.preparation.prepare(np.ascontiguousarray(part), scale=self.scale, name=name) for part in parts]


def pair_maker(lr_mode: str, *, scale: int) -> PairMaker:
    """The PairMaker that a recipe's `lr_mode` asks for.

    ``matlab``: MATLAB bicubic of the whole image. ``pil-per-crop``: five HR crops, each resized to a multiple of the
    scale and shrunk by Pillow's bicubic, as the BAM paper's code does.

    Raises:
        UnknownNameError: another mode.
    """
    if lr_mode not in LR_MODES:
        raise UnknownNameError("LR mode", lr_mode, LR_MODES)
    if lr_mode == "matlab":
        return PairMaker(MATLAB_PREPARATION, scale)
    return PairMaker(get_protocol("bam2021").preparation, scale, per_crop=True)
