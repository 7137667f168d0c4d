"""Unnamed ways to compute scores that papers use: pixels of other HR files, other formulas, other pipelines.

Each is an entry of one table. A variant changes one thing of a protocol; the phrase says what, the source says who
scores in that way.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import partial

import numpy as np
from numpy.typing import NDArray

from srbench.datasets.catalogue import known_images
from srbench.datasets.imageset import ImageSet
from srbench.datasets.pixel_variants import cropped_size, edsr_levels
from srbench.degradations import crop_to_multiple
from srbench.images import pixel_sha256
from srbench.metrics import luma_rounded, psnr, shave, ssim
from srbench.protocols import MATLAB_LUMA, SSIM_WINDOW
from srbench.resize import imresize

Images = NDArray[np.uint8]

_COMMON_MULTIPLE = 12
_EPSILON = 1e-8


@dataclass(frozen=True)
class PixelVariant:
    """HR pixels that circulate under a dataset's name: how to compute them from the canonical ones, and in which
    sets."""

    name: str
    phrase: str
    source: str
    derive: Callable[[Images], Images]
    applies: Callable[[ImageSet, int], bool]


@dataclass(frozen=True)
class FormulaVariant:
    """A different formula for the PSNR of an image, as a function of the exact PSNR in dB. It leaves SSIM unchanged."""

    name: str
    phrase: str
    source: str
    psnr: Callable[[float], float]


@dataclass(frozen=True)
class PipelineVariant:
    """Another pipeline for a model without weights: (PSNR, SSIM) of an image, from its cropped HR and the scale."""

    name: str
    phrase: str
    source: str
    model: str
    score: Callable[[Images, int], tuple[float, float | None]]


class VariantSet(ImageSet):
    """A dataset with every HR image replaced by a pixel variant; its fingerprint is the variant's."""

    def __init__(self, images: ImageSet, variant: PixelVariant) -> None:
        super().__init__(images.name, images.store, n_expected=images.n_expected, split=images.split)
        self._derive = variant.derive

    def hr(self, name: str) -> Images:
        """Return the variant of the HR image of that name, with the errors of `ImageSet.hr`."""
        return self._derive(super().hr(name))

    @property
    def pixel_hashes(self) -> dict[str, str]:  # computed each time: there are no files whose change could be noticed
        """sha256 of each image's pixels by name."""
        return {name: pixel_sha256(self.hr(name)) for name in self.names}


def psnr_with_epsilon(exact: float) -> float:
    """Return the PSNR in dB with 1e-8 added to the MSE of images in [0, 1]; never above 80 dB.

    Examples:
        >>> [round(psnr_with_epsilon(value), 5) for value in (29.0, 50.0, math.inf)]
        [28.99997, 49.99566, 80.0]
    """
    return -10 * math.log10(10 ** (-exact / 10) + _EPSILON)


def bicubic_of_luma(hr: Images, scale: int) -> tuple[float, float | None]:
    """Return PSNR and SSIM of bicubic applied to the rounded Y channel alone.

    Y is shrunk and enlarged in floating point and then rounded. SSIM is None if fewer than 11 pixels are left after the
    shave.
    """
    reference = luma_rounded(hr, coefficients=MATLAB_LUMA.coefficients, divisor=MATLAB_LUMA.divisor)
    enlarged = imresize(imresize(reference, Fraction(1, scale)), scale)
    first, second = (shave(image, border=scale) for image in (np.clip(np.floor(enlarged + 0.5), 0, 255), reference))
    similarity = None
    if min(first.shape) >= SSIM_WINDOW:
        similarity = ssim(
            first, second, data_range=255, window=SSIM_WINDOW, sigma=1.5, k1=0.01, k2=0.03, clip_contrast=False
        )
    return psnr(first, second, data_range=255), similarity


def _circulates_as_edsr(images: ImageSet, scale: int) -> bool:
    return any(image.edsr_sha256 for image in known_images(images.name))


def _differs_cropped(images: ImageSet, scale: int) -> bool:
    sizes = [(image.height, image.width) for image in known_images(images.name)]
    return any(cropped_size(*size, _COMMON_MULTIPLE) != cropped_size(*size, scale) for size in sizes)


PIXEL_VARIANTS = (
    PixelVariant(
        "edsr",
        "HR in the edsr variant, 24 gray levels one lower",
        "B100 and Urban100 of the benchmark archive of EDSR's authors",
        edsr_levels,
        _circulates_as_edsr,
    ),
    PixelVariant(
        "mod12",
        f"HR cropped to a multiple of {_COMMON_MULTIPLE}",
        "the GTmod12 folders of XPixelGroup/BasicSR, one set of sizes for ×2, ×3 and ×4",
        partial(crop_to_multiple, scale=_COMMON_MULTIPLE),
        _differs_cropped,
    ),
)

FORMULA_VARIANTS = (
    FormulaVariant(
        "epsilon",
        "1e-8 added to the MSE of images in [0, 1]",
        "psnr of chaofengc/IQA-PyTorch (pyiqa), calculate_psnr_pt of XPixelGroup/BasicSR",
        psnr_with_epsilon,
    ),
)

PIPELINE_VARIANTS = (
    PipelineVariant(
        "luma-only",
        "a rounded Y channel alone resized, in floating point",
        "the bicubic rows of most tables since VDSR (Kim et al. 2016): Set5 33.66, 30.39, 28.42 at ×2, ×3, ×4",
        "bicubic",
        bicubic_of_luma,
    ),
)

PHRASES = {variant.name: variant.phrase for variant in (*PIXEL_VARIANTS, *FORMULA_VARIANTS, *PIPELINE_VARIANTS)}
"""What each variant changes, by its name."""
