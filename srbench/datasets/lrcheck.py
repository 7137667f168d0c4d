"""Detect how a given LR image was made: by MATLAB with one of two border rules, or by a similar method."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn

from srbench.degradations import crop_to_multiple, pillow_bicubic
from srbench.metrics import psnr
from srbench.resize import Border, imresize

Images = NDArray[np.uint8]
Shrink = Callable[..., Images]

MATLAB = ("MATLAB bicubic, symmetric border", "MATLAB bicubic, replicate border")
"""The names of the two exact matches."""

_JPEG_START = b"\xff\xd8"
_BLOCK = 8
# PSNR in dB below which even the nearest candidate is not the method that made the LR
_RECOGNISABLE_DB = 30.0
# In a JPEG, the share of DCT coefficients near zero is larger than in its source by at least this much.
_JPEG_ZEROS = 0.25


@dataclass(frozen=True)
class LrOrigin:
    """The nearest method of shrinking: its name, whether no value differs, PSNR in dB, and the share of differing
    values."""

    label: str
    exact: bool
    psnr: float
    differing: float
    jpeg: bool = False

    @property
    def is_matlab(self) -> bool:
        return self.exact and self.label in MATLAB

    @property
    def kind(self) -> str:
        """The method in words, without numbers."""
        if self.exact:
            return self.label
        if self.psnr < _RECOGNISABLE_DB and not self.jpeg:
            return f"none of the known ways (nearest: {self.label})"
        return f"{'JPEG of' if self.jpeg else 'close to'} {self.label}"

    def describe(self) -> str:
        """The method in words for a report; with PSNR and the share of differing values if it is not exact."""
        figures = f" ({self.psnr:.1f} dB, {100 * self.differing:.1f} % of the values differ)"
        return self.kind + ("" if self.exact else figures)


def lr_origin(hr: Images, lr: Images, *, scale: int, data: bytes = b"") -> LrOrigin:
    """Detect the method of shrinking that makes this LR from the HR.

    Args:
        hr: uint8 H×W×3. It is cropped to a multiple of the scale; if the LR has the rounded-up size, the uncropped
            image is tried, too.
        lr: uint8 of H/scale × W/scale, rounded down or up.
        scale: 2, 3, 4 or 8.
        data: the bytes of the LR file, which show at once whether it is a JPEG.
    """
    best: LrOrigin | None = None
    for label, made in _candidates(hr, lr, scale):
        if np.array_equal(made, lr):
            return LrOrigin(label, True, float("inf"), 0.0)
        found = LrOrigin(
            label,
            False,
            psnr(made, lr, data_range=255),
            float(np.mean(made != lr)),
            data.startswith(_JPEG_START) or _looks_like_jpeg(lr, made),
        )
        if best is None or found.psnr > best.psnr:
            best = found
    return best or LrOrigin("nothing (its size does not pair with the HR)", False, 0.0, 1.0)


def _candidates(hr: Images, lr: Images, scale: int) -> Iterator[tuple[str, Images]]:
    cropped = crop_to_multiple(hr, scale=scale)
    for label, shrink in _WAYS.items():
        for source in (cropped, hr):
            made = shrink(source, scale=scale)
            if source is hr and (made.shape[0] > lr.shape[0] or made.shape[1] > lr.shape[1]):
                # MATLAB rounds the sides of an LR image up; the LR of some sets was cropped afterwards.
                made = np.ascontiguousarray(made[: lr.shape[0], : lr.shape[1]])
            if made.shape == lr.shape:
                yield label, made
            if cropped.shape == hr.shape:
                break


def _matlab(image: Images, scale: int, *, border: Border) -> Images:
    return imresize(image, Fraction(1, scale), border=border)


def _one_rounding(image: Images, scale: int) -> Images:
    return _to_uint8(imresize(image.astype(np.float64), Fraction(1, scale)))


def _opencv(image: Images, scale: int, *, area: bool) -> Images:
    # Inside the function: a study that only trains imports this module on machines without OpenCV.
    import cv2

    size = (image.shape[1] // scale, image.shape[0] // scale)
    method = cv2.INTER_AREA if area else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, size, interpolation=method), dtype=np.uint8)


def _no_antialiasing(image: Images, scale: int) -> Images:
    """Keys' cubic (a = -1/2) at the centres of the LR pixels, not widened: four taps at even scales, one at odd."""
    if scale % 2:
        return image[scale // 2 :: scale, scale // 2 :: scale]
    values = image.astype(np.float64)
    for axis in (0, 1):
        count = values.shape[axis] // scale
        padded = np.pad(values, [(2, 2) if k == axis else (0, 0) for k in range(3)], mode="symmetric")
        taps = [padded.take(scale // 2 + k + scale * np.arange(count), axis=axis) for k in range(4)]
        values = (-taps[0] + 9 * taps[1] + 9 * taps[2] - taps[3]) / 16
    return _to_uint8(values)


def _to_uint8(values: NDArray[np.float64]) -> Images:
    clipped: NDArray[np.float64] = np.clip(np.floor(values + 0.5), 0, 255)
    return clipped.astype(np.uint8)


def _looks_like_jpeg(lr: Images, made: Images) -> bool:
    """Return whether 8×8 blocks have far more high frequencies near zero than those of the source image."""
    return _vanishing(lr) > _vanishing(made) + _JPEG_ZEROS


def _vanishing(image: Images) -> float:
    """Return the share of high DCT frequencies of Y in 8×8 blocks (the upper half) that are below half a gray level."""
    gray = image.astype(np.float64) @ np.array([0.299, 0.587, 0.114])
    height, width = (side // _BLOCK * _BLOCK for side in gray.shape)
    blocks = gray[:height, :width].reshape(height // _BLOCK, _BLOCK, width // _BLOCK, _BLOCK)
    coefficients = dctn(blocks, axes=(1, 3), norm="ortho")
    high = np.add.outer(np.arange(_BLOCK), np.arange(_BLOCK)) >= _BLOCK
    return float(np.mean(np.abs(coefficients.transpose(0, 2, 1, 3)[..., high]) < 0.5)) if coefficients.size else 0.0


_WAYS: dict[str, Shrink] = {
    MATLAB[0]: partial(_matlab, border="symmetric"),
    MATLAB[1]: partial(_matlab, border="replicate"),
    "MATLAB bicubic without rounding between the passes (one rounding at the end)": _one_rounding,
    "Pillow bicubic": pillow_bicubic,
    "OpenCV bicubic (no antialiasing)": partial(_opencv, area=False),
    "OpenCV area": partial(_opencv, area=True),
    "bicubic without antialiasing": _no_antialiasing,
}
