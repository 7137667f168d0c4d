"""Make pairs of HR and LR: from given LR files in the form that a protocol needs, or from an HR image by the rules of a
recipe.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from srbench.datasets.fivecrop import five_boxes
from srbench.datasets.imageset import ImageSet
from srbench.errors import DatasetError, UnknownNameError
from srbench.protocols import MATLAB_PREPARATION, Preparation, get_protocol
from srbench.records.recipe_model import LR_MODES

Images = NDArray[np.uint8]


def given_pair(
    images: ImageSet, name: str, hr: Images, preparation: Preparation, *, scale: int
) -> tuple[Images, Images]:
    """Return (HR', LR) of the image `name`, whose HR is `hr`, with its given LR; HR' has `scale` times the LR's sides.

    How the LR was made is not checked here: see `srbench.datasets.lr_origins`.

    MATLAB's LR of an uncropped HR has its sides rounded up. HR' is cropped at the right and bottom, and the LR is
    cropped so that both still show the same part of the image.

    Raises:
        ProtocolError: an HR image that the preparation refuses.
        DatasetError: there is no given LR, or its size does not pair with the HR.
    """
    reference, lr = preparation.reference(hr, scale=scale), images.given_lr(name, scale=scale)
    height, width = (side // scale for side in reference.shape[:2])
    return reference, np.ascontiguousarray(lr[:height, :width])


def with_lr_folder(sets: list[ImageSet], *, lr: str, folder: Path | None, pattern: str | None = None) -> list[ImageSet]:
    """Return the sets with the LR files of a folder, if one is named.

    Raises:
        DatasetError: `lr` is "made", a pattern is given without a folder, or an error of `LrFolderStore`.
    """
    if folder is None and pattern is None:
        return sets
    if folder is None or lr == "made":
        raise DatasetError(
            f"expected --lr-dir DIR with --lr given or --lr any, got --lr {lr}{'' if folder else ' and no --lr-dir'}; "
            "add --lr any to score LR files of any origin"
        )
    return [images.with_lr(folder, pattern=pattern) for images in sets]


@dataclass(frozen=True)
class PairMaker:
    """Makes the training pairs (HR, LR) of an HR image: one of the whole image, or one of each of its five crops."""

    preparation: Preparation
    scale: int
    per_crop: bool = False

    @property
    def key(self) -> str:
        """What identifies the pairs that this object makes: equal keys give equal pairs."""
        return f"{self.preparation.key}, ×{self.scale}{', five crops' if self.per_crop else ''}"

    def __call__(self, hr: Images, name: str) -> list[tuple[Images, Images]]:
        parts = [box.cut(hr) for box in five_boxes(*hr.shape[:2])] if self.per_crop else [hr]
        return [self.preparation.prepare(np.ascontiguousarray(part), scale=self.scale, name=name) for part in parts]


def pair_maker(lr_mode: str, *, scale: int) -> PairMaker:
    """Return the PairMaker for the `lr_mode` of a recipe.

    ``matlab``: MATLAB bicubic of the whole image. ``pil-per-crop``: five HR crops, each resized to a multiple of the
    scale and shrunk by Pillow's bicubic, as the BAM paper's code does.

    Raises:
        UnknownNameError: an unknown mode.
    """
    if lr_mode not in LR_MODES:
        raise UnknownNameError("LR mode", lr_mode, LR_MODES)
    if lr_mode == "matlab":
        return PairMaker(MATLAB_PREPARATION, scale)
    return PairMaker(get_protocol("bam2021").preparation, scale, per_crop=True)
