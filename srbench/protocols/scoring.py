"""The second half of a protocol: how an SR image is quantised, converted to Y, shaved and compared with its HR."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from srbench.errors import ProtocolError
from srbench.metrics import aliasing_weight, luma, luma_rounded, psnr, shave, ssim, weighted_psnr
from srbench.metrics.psnr import decibels
from srbench.protocols import arrays
from srbench.protocols.arrays import (
    Images,
    ScoredValues,
    band_rows,
    checked_float,
    require_rgb_uint8,
    to_8bit,
    to_array,
)

Channels = Literal["y", "rgb"]

SSIM_WINDOW = 11
ALIASING_LOBES = 4
"""Lobes on each side of the windowed sinc behind `psnr_y_aliased`, version 1."""


@dataclass(frozen=True)
class Luma:
    """How RGB becomes Y; see `srbench.metrics.luma`."""

    coefficients: tuple[float, float, float]
    divisor: float
    rounded: bool = False

    def __call__(self, image: NDArray[np.generic]) -> NDArray[np.float64]:
        """Y of an RGB image H×W×3 in 0…255."""
        convert = luma_rounded if self.rounded else luma
        return convert(image, coefficients=self.coefficients, divisor=self.divisor)


@dataclass(frozen=True)
class Scoring:
    """SR and HR' in, scores out.

    Attributes:
        rounded: whether a float output is rounded to 8 bits first.
        luma: how RGB becomes Y; None if R, G and B are compared together.
        scale_shave: how many times the scale is shaved from each side.
        extra_shave: pixels that are shaved from each side in addition.
        aliased: whether there is a PSNR of aliased texture, too.
        ssim_luma: the luma for SSIM, where it differs from PSNR's.
        ssim_clipped: whether negative contrast-structure terms of SSIM count as 0; see `srbench.metrics.ssim`.
    """

    rounded: bool
    channels: Channels
    luma: Luma | None
    scale_shave: int = 1
    extra_shave: int = 0
    aliased: bool = False
    ssim_luma: Luma | None = None
    ssim_clipped: bool = False

    def border(self, scale: int) -> int:
        """Return how many pixels are shaved from each side."""
        return self.scale_shave * scale + self.extra_shave

    def score(self, sr: object, hr: Images, *, scale: int) -> dict[str, float | None]:
        """Return PSNR in dB (+inf if identical), SSIM, and the PSNR of aliased texture where the protocol defines it.

        SSIM is None below 11 pixels after the shave; the PSNR of aliased texture is None if the HR has nothing above
        the LR's Nyquist limit.

        Args:
            sr: uint8 H×W×3, taken as quantised; or floating H×W×3 in [0, 1]; or a torch tensor 3×H×W or
                1×3×H×W of either kind.
            hr: uint8 H×W×3 of the same size.
            scale: fixes the shave.

        Raises:
            ProtocolError: sizes that differ, a float above 2, NaN, another dtype, or nothing left after the shave.
        """
        require_rgb_uint8(hr, "hr")
        image = to_array(sr)
        if image.shape != hr.shape:
            raise ProtocolError(
                f"expected an SR image of {hr.shape[1]}×{hr.shape[0]} pixels like its HR, got "
                f"{image.shape[1]}×{image.shape[0]}; was it made at another scale?"
            )
        self.require_size(hr.shape[0], hr.shape[1], scale=scale)
        border = self.border(scale)
        if hr.shape[0] * hr.shape[1] > arrays.LARGE_PIXELS:
            return self._score_in_bands(image, hr, border, scale)
        values = shave(self.quantise(image), border=border)
        first, reference = self._comparable(values), self._comparable(hr)
        second = shave(reference, border=border)
        similarity = None
        if min(first.shape[:2]) >= SSIM_WINDOW:
            similarity = self._ssim(values, shave(hr, border=border), (first, second))
        scores = {f"psnr_{self.channels}": psnr(first, second, data_range=255), f"ssim_{self.channels}": similarity}
        if self.aliased:
            weight = shave(_nyquist_weight(reference, scale), border=border)
            scores["psnr_y_aliased"] = weighted_psnr(first, second, weight, data_range=255)
        return scores

    def require_size(self, height: int, width: int, *, scale: int) -> None:
        """Raise ProtocolError if no pixel of an HR' of this size is left after the shave."""
        border = self.border(scale)
        if min(height, width) <= 2 * border:
            raise ProtocolError(
                f"expected more than {2 * border} pixels on both sides, since this protocol shaves "
                f"{border} from each at ×{scale}; got {width}×{height}"
            )

    def _score_in_bands(self, sr: NDArray[np.generic], hr: Images, border: int, scale: int) -> dict[str, float | None]:
        """Compute what `score` returns band by band, for images whose float64 maps would not fit in memory.

        The scores are equal up to the rounding of sums.
        """
        height, width = hr.shape[:2]
        columns, reach = slice(border, width - border), (ALIASING_LOBES + 4) * scale
        error = count = similarity = windows = aliased = weights = 0.0
        for top in range(border, height - border, band_rows(hr)):
            bottom = min(top + band_rows(hr), height - border)
            rows = slice(top, min(bottom + SSIM_WINDOW - 1, height - border))
            values = self.quantise(sr[rows, columns])
            first, second = self._comparable(values), self._comparable(hr[rows, columns])
            squares = np.square(first[: bottom - top].astype(np.float64) - second[: bottom - top])
            error, count = error + float(squares.sum()), count + squares.size
            if min(first.shape[:2]) >= SSIM_WINDOW:
                inside = (first.shape[0] - SSIM_WINDOW + 1) * (first.shape[1] - SSIM_WINDOW + 1)
                similarity += self._ssim(values, hr[rows, columns], (first, second)) * inside
                windows += inside
            if self.aliased:
                above = max(0, top - reach)
                weight = _nyquist_weight(self._comparable(hr[above : bottom + reach]), scale)
                weight = weight[top - above : bottom - above, columns]
                aliased += float(np.sum(squares * weight))
                weights += float(np.sum(weight, dtype=np.float64))
        scores = {
            f"psnr_{self.channels}": decibels(error / count, data_range=255),
            f"ssim_{self.channels}": similarity / windows if windows else None,
        }
        if self.aliased:
            scores["psnr_y_aliased"] = decibels(aliased / weights, data_range=255) if weights else None
        return scores

    def aliasing_weight(self, hr: Images, *, scale: int) -> NDArray[np.float32]:
        """Return the H×W weight of each pixel of HR' in `psnr_y_aliased`, before the shave.

        `srbench.metrics.aliasing_weight` defines it.

        Raises:
            ProtocolError: this scoring has no such score, or not an RGB uint8 image.
        """
        require_rgb_uint8(hr, "hr")
        if not self.aliased:
            raise ProtocolError("expected a protocol with psnr_y_aliased, got one without; use matlab-y")
        return _nyquist_weight(self._comparable(hr), scale)

    def quantise(self, sr: object) -> ScoredValues:
        """Return the values that are compared, H×W×3 in 0…255: uint8, or float32 where the protocol does not round."""
        if self.rounded:
            return to_8bit(sr)
        image = to_array(sr)
        return to_8bit(image) if image.dtype == np.uint8 else checked_float(image) * np.float32(255)

    def _comparable(self, image: ScoredValues) -> ScoredValues:
        return self.luma(image) if self.luma else image

    def _ssim(self, sr: ScoredValues, hr: Images, compared: tuple[ScoredValues, ScoredValues]) -> float:
        """Return SSIM of the values that PSNR compares; if the protocol has a separate luma for SSIM, of SR and HR in
        that luma.
        """
        first, second = compared if self.ssim_luma is None else (self.ssim_luma(sr), self.ssim_luma(hr))
        return ssim(
            first,
            second,
            data_range=255,
            window=SSIM_WINDOW,
            sigma=1.5,
            k1=0.01,
            k2=0.03,
            clip_contrast=self.ssim_clipped,
        )


def _nyquist_weight(reference: ScoredValues, scale: int) -> NDArray[np.float32]:
    return aliasing_weight(reference, cutoff=1 / (2 * scale), lobes=ALIASING_LOBES, sigma=scale)
