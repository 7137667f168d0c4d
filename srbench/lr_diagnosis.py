"""Find out why an SR image, shrunk again, differs from its LR: channel order, value range, offset, gray, shift, flip.

Each usual mistake is undone on the SR image. If `psnr_lr` then rises by at least 6 dB on most images of a set, that
mistake is named. Honest SR images, also those of GANs and diffusion models, have no such simple explanation.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import permutations
from statistics import fmean

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import shift as interpolated_shift

from srbench.metrics import psnr
from srbench.protocols import to_8bit

Images = NDArray[np.uint8]
Degrade = Callable[[Images], Images]

MIN_GAIN = 6.0
"""dB by which undoing a mistake has to raise `psnr_lr`."""
LOW_ENOUGH = 45.0
"""dB from which `psnr_lr` needs no explanation: such an SR image agrees with its LR."""
MOST_IMAGES = 10
"""Number of images of a set that are examined; a mistake that is in most of them is in the model."""

_HIGHEST = 100.0  # used for an infinite psnr_lr in means
_FLAT = 2  # gray levels by which the channels of a gray image may differ
_MIN_OFFSET = 2  # gray levels
_OFFSET_SPREAD = 3  # gray levels by which the offset of one mistake may vary from image to image
_REACH = 2  # LR pixels up to which a shift is searched
_RANGES: tuple[tuple[str, str, float, float], ...] = (
    ("the values are in [-1, 1]", "use --range -1", 0.5, 0.5),
    ("the values are in [0.5, 1]: (x + 1) / 2 was applied to values in [0, 1]", "leave that step out", 2.0, -1.0),
    ("the values are in 16…235 of 255", "stretch them to 0…255", 255 / 219, -16 / 219),
    ("the values were stretched from 16…235 to 0…255", "leave that step out", 219 / 255, 16 / 255),
    ("the values were divided by 255 twice", "divide once", 255.0, 0.0),
    ("the values are halved", "use --range 1 or scale the output", 2.0, 0.0),
)


@dataclass(frozen=True)
class Cause:
    """A mistake that explains a low `psnr_lr` of one image: its description, what to do, `psnr_lr` before and after.

    `kind` and `amount` distinguish mistakes: `amount` holds the shift (rows, columns) in HR pixels or the offset of R,
    G, B in gray levels.
    """

    kind: str
    seen: str
    advice: str
    before: float
    after: float
    amount: tuple[float, ...] = ()

    @property
    def gain(self) -> float:
        """The rise of `psnr_lr` in dB."""
        return self.after - self.before


def diagnose(sr: NDArray[np.generic], lr: Images, degrade: Degrade, *, psnr_lr: float, scale: int) -> Cause | None:
    """Return the mistake whose correction raises `psnr_lr` most, if it raises it by at least `MIN_GAIN`.

    Args:
        sr: uint8 H×W×3, or float32 in [0, 1] before clamping, which still shows values outside the range.
        lr: uint8 h×w×3.
        degrade: shrinks a uint8 SR image as the LR was shrunk.
        psnr_lr: PSNR in dB between the shrunk SR image and the LR.
        scale: H / h.
    """
    if psnr_lr >= LOW_ENOUGH:
        return None
    eight_bit, before = to_8bit(sr), psnr_lr
    small = degrade(eight_bit)
    values = np.divide(sr, 255 if sr.dtype == np.uint8 else 1, dtype=np.float32)
    tries = (
        *_channel_orders(eight_bit, lr, degrade, before),
        *_flips(eight_bit, lr, degrade, before),
        *_ranges(values, lr, degrade, before),
        *_clamped_range(small, lr, before),
        *_offset(values, small, lr, degrade, before),
        *_gray(eight_bit, small, lr, before),
        *_shift(eight_bit, small, lr, degrade, scale),
    )
    best = max(tries, key=lambda cause: cause.gain, default=None)
    return best if best is not None and best.gain >= MIN_GAIN else None


def explain(causes: Iterable[Cause | None]) -> str | None:
    """Return a warning if most of the examined images have the same cause; None otherwise.

    Args:
        causes: what `diagnose` found, one for each examined image.
    """
    found = list(causes)
    kinds = Counter(_group(cause) for cause in found if cause is not None)
    if not kinds:
        return None
    group, _ = kinds.most_common(1)[0]
    alike = _consistent([cause for cause in found if cause is not None and _group(cause) == group])
    if 2 * len(alike) <= len(found):
        return None
    first = alike[0]
    before, after = fmean(cause.before for cause in alike), fmean(cause.after for cause in alike)
    return (
        f"{first.kind}: {_seen(first, alike)}. Undoing this raises psnr_lr by {after - before:.1f} dB "
        f"({before:.1f} to {after:.1f} dB) on {len(alike)} of {len(found)} examined images; {first.advice}"
    )


def _group(cause: Cause) -> tuple[str, str, tuple[float, ...]]:
    return (cause.kind, "", ()) if cause.kind == "offset" else (cause.kind, cause.seen, cause.amount)


def _consistent(causes: list[Cause]) -> list[Cause]:
    """Return the causes whose amount is close to the median: a mistake of the model is the same on every image."""
    amounts = np.array([cause.amount for cause in causes])
    if causes[0].kind != "offset":
        return causes
    near = np.abs(amounts - np.median(amounts, axis=0)).max(axis=1) <= _OFFSET_SPREAD
    return [cause for cause, holds in zip(causes, near, strict=True) if holds]


def _seen(first: Cause, alike: list[Cause]) -> str:
    if first.kind != "offset":
        return first.seen
    red, green, blue = np.median([cause.amount for cause in alike], axis=0)
    return f"R, G, B are off by {-red:+.0f}, {-green:+.0f}, {-blue:+.0f} gray levels"


def _measure(image: NDArray[np.generic], lr: Images, degrade: Degrade) -> float:
    """Return `psnr_lr` of a corrected image, uint8 or floating."""
    eight_bit = to_8bit(np.clip(image, 0, 255 if image.dtype == np.uint8 else 1))
    return _finite(psnr(degrade(eight_bit), lr, data_range=255))


def _finite(value: float) -> float:
    return min(value, _HIGHEST)


def _channel_orders(sr: Images, lr: Images, degrade: Degrade, before: float) -> Iterator[Cause]:
    for order in list(permutations(range(3)))[1:]:
        name = "".join("RGB"[index] for index in np.argsort(order))
        advice = "use --bgr, or swap R and B" if name == "BGR" else "put the channels in the order RGB"
        after = _measure(np.ascontiguousarray(sr[..., order]), lr, degrade)
        yield Cause("channel order", f"the channels are in the order {name}", advice, before, after)


def _flips(sr: Images, lr: Images, degrade: Degrade, before: float) -> Iterator[Cause]:
    ways = {"left and right are exchanged": (1,), "top and bottom are exchanged": (0,), "turned by 180°": (0, 1)}
    for seen, axes in ways.items():
        after = _measure(np.ascontiguousarray(np.flip(sr, axes)), lr, degrade)
        yield Cause("flip", seen, "undo the flip", before, after)


def _ranges(values: NDArray[np.float32], lr: Images, degrade: Degrade, before: float) -> Iterator[Cause]:
    for seen, advice, factor, summand in _RANGES:
        after = _measure(values * np.float32(factor) + np.float32(summand), lr, degrade)
        yield Cause("value range", seen, advice, before, after)


def _clamped_range(small: Images, lr: Images, before: float) -> Iterator[Cause]:
    """Compare with the LR in [-1, 1], clamped: SR images saved as 8 bit have lost their negative values."""
    if not small.any():
        return
    expected = np.clip(2 * lr.astype(np.int16) - 255, 0, 255).astype(np.uint8)
    seen, advice, *_ = _RANGES[0]
    yield Cause("value range", seen, advice, before, _finite(psnr(small, expected, data_range=255)))


def _offset(values: NDArray[np.float32], small: Images, lr: Images, degrade: Degrade, before: float) -> Iterator[Cause]:
    difference = lr.astype(np.int16) - small
    inside = (small > 0) & (small < 255)
    offset = np.array([np.median(difference[..., k][inside[..., k]]) if inside[..., k].any() else 0 for k in range(3)])
    if np.abs(offset).max() >= _MIN_OFFSET:
        after = _measure(values + (offset / 255).astype(np.float32), lr, degrade)
        yield Cause(
            "offset", "", "check the mean that is subtracted and added", before, after, tuple(map(float, offset))
        )


def _gray(sr: Images, small: Images, lr: Images, before: float) -> Iterator[Cause]:
    """Compare the brightness alone if the SR image is gray and its LR is not."""
    if np.ptp(sr, axis=2).max() > _FLAT or np.ptp(lr, axis=2).max() <= _FLAT:
        return
    weights = np.array([0.299, 0.587, 0.114])
    after = _finite(psnr(small @ weights, lr @ weights, data_range=255))
    yield Cause("gray", "the SR images are gray, their LR is not", "save and return all three channels", before, after)


def _shift(sr: Images, small: Images, lr: Images, degrade: Degrade, scale: int) -> Iterator[Cause]:
    """Estimate one shift of the image, to half an HR pixel, and undo it; the border that it uncovers is left out."""
    border = _REACH + 2
    if min(lr.shape[:2]) < 4 * border:
        return
    rows, columns = (round(2 * scale * along) / 2 for along in _displacement(small, lr))
    if (rows, columns) == (0, 0):
        return
    inside = np.s_[border:-border, border:-border]
    moved = interpolated_shift(sr.astype(np.float32), (rows, columns, 0), order=3, mode="nearest")
    corrected = degrade(np.clip(np.rint(moved), 0, 255).astype(np.uint8))
    before = psnr(small[inside], lr[inside], data_range=255)
    after = _finite(psnr(corrected[inside], lr[inside], data_range=255))
    seen = f"the image is moved by {0 - rows:g} rows (down) and {0 - columns:g} columns (right) of HR pixels"
    advice = "check how the model aligns its pixels (align_corners, padding, cropping)"
    yield Cause("shift", seen, advice, before, after, (rows, columns))


def _displacement(image: Images, target: Images) -> tuple[float, float]:
    """Return rows and columns, in pixels, by which the image has to move to match the target.

    Source: Lucas and Kanade (1981), started at the best shift by whole pixels.
    """
    first, second = (picture.astype(np.float64).mean(axis=2) for picture in (image, target))
    inside = np.s_[_REACH + 2 : -_REACH - 2, _REACH + 2 : -_REACH - 2]
    steps = range(-_REACH, _REACH + 1)
    whole = [(y, x) for y in steps for x in steps]
    errors = [np.square(np.roll(first, step, (0, 1))[inside] - second[inside]).mean() for step in whole]
    along = np.array(whole[int(np.argmin(errors))], dtype=np.float64)
    for _ in range(5):
        moved = interpolated_shift(first, along, order=3, mode="nearest")
        slopes = np.stack([slope[inside].ravel() for slope in np.gradient(moved)], axis=1)
        step, *_ = np.linalg.lstsq(slopes, (moved - second)[inside].ravel(), rcond=None)
        along = np.clip(along + step, -_REACH, _REACH)
        if math.hypot(*step) < 0.01:
            break
    return float(along[0]), float(along[1])
