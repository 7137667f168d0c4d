"""Named, versioned evaluation protocols: a Protocol is a Preparation (HR rule, degradation) plus a Scoring.

The protocols are entries of one table at the end of this module; PROTOCOLS in the documentation gives the
measurements behind each choice. Scores of two protocols are never compared.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from srbench.degradations import (
    BD_DN_SCALE,
    blur_downsample,
    crop_to_multiple,
    matlab_bicubic,
    noisy_downsample,
    pillow_bicubic,
    resize_to_multiple,
)
from srbench.errors import ProtocolError, UnknownNameError
from srbench.metrics import aliasing_weight, luma, luma_rounded, psnr, shave, ssim, weighted_psnr
from srbench.metrics.psnr import decibels

Images = NDArray[np.uint8]
HrRule = Callable[..., Images]
Degradation = Callable[..., Images]
Channels = Literal["y", "rgb"]
LrSource = Literal["made", "given"]
"""Where LR comes from: made from HR by the protocol's degradation, or the dataset's own files."""

SCALES = (2, 3, 4, 8)
"""The scales that protocols are defined for."""

LARGE_PIXELS = 1 << 24
"""Beyond this many pixels an image is scored in bands of `BAND_PIXELS`: its float64 maps would fill the memory."""

BAND_PIXELS = 1 << 20
SSIM_WINDOW = 11
ALIASING_LOBES = 4
"""Lobes on each side of the windowed sinc behind `psnr_y_aliased`, version 1."""

_SSIM = {"data_range": 255.0, "window": SSIM_WINDOW, "sigma": 1.5, "k1": 0.01, "k2": 0.03}
# A float image belongs in [0, 1]; networks overshoot a little, but nothing sensible reaches this.
_LARGEST_FLOAT = 2.0


@dataclass(frozen=True)
class Luma:
    """How RGB becomes Y; see `srbench.metrics.luma`."""

    coefficients: tuple[float, float, float]
    divisor: float
    rounded: bool = False

    def __call__(self, image: NDArray[Any]) -> NDArray[np.float64]:
        """Y of an RGB image H×W×3 in 0…255."""
        convert = luma_rounded if self.rounded else luma
        return convert(image, coefficients=self.coefficients, divisor=self.divisor)


@dataclass(frozen=True)
class Preparation:
    """HR image in, (HR', LR) out. Preparations of one `key` give equal results and share one forward pass.

    Given LR files are MATLAB's bicubic of the cropped HR: `takes_lr` says that they stand for this preparation's own,
    `ships_lr` that it is defined on them.
    """

    key: str
    hr_rule: HrRule
    degradation: Degradation
    scales: tuple[int, ...] = SCALES
    takes_lr: bool = False
    ships_lr: bool = False

    def prepare(self, hr: Images, *, scale: int, name: str = "") -> tuple[Images, Images]:
        """HR cut or resized to a multiple of the scale, and the LR made from it; both uint8 H×W×3.

        `name` is the image's name; only degradations with noise depend on it.

        Raises:
            ProtocolError: not an RGB uint8 image, a scale this is not defined for, or an image below the scale.
        """
        reference = self.reference(hr, scale=scale)
        return reference, self.degrade(reference, scale=scale, name=name)

    def reference(self, hr: Images, *, scale: int) -> Images:
        """HR' alone, uint8, its sides multiples of the scale. Errors as for `prepare`."""
        self.require_scale(scale)
        _require_rgb_uint8(hr, "hr")
        self.require_size(hr.shape[0], hr.shape[1], scale=scale)
        return self.hr_rule(hr, scale=scale)

    def require_size(self, height: int, width: int, *, scale: int) -> None:
        """Raises ProtocolError for an HR image below the scale."""
        if min(height, width) < scale:
            raise ProtocolError(
                f"expected an HR image of at least {scale}×{scale} pixels at ×{scale}, got "
                f"{width}×{height}; leave it out or use a smaller scale"
            )

    def degrade(self, hr: Images, *, scale: int, name: str = "") -> Images:
        """LR of an image whose sides are multiples of the scale; uint8 in, uint8 out."""
        return self.degradation(hr, scale=scale, name=name)

    def lr_source(self, asked: str) -> LrSource:
        """The LR that this gets where `asked` is wanted; one that is defined on the dataset's own files takes those.

        Raises:
            ProtocolError: neither "made" nor "given", or files given in place of another degradation.
        """
        if asked not in ("made", "given"):
            raise ProtocolError(f"lr: expected 'made' or 'given', got {asked!r}")
        if asked == "given" and not (self.takes_lr or self.ships_lr):
            raise ProtocolError(
                f"the degradation {self.key!r} makes its own LR, and given LR files are MATLAB's "
                "bicubic; use --lr made, in a run of its own if other protocols need the files"
            )
        return "given" if asked == "given" or self.ships_lr else "made"

    def require_scale(self, scale: int) -> None:
        """Raises ProtocolError unless this is defined for the scale."""
        if scale not in self.scales:
            defined = ", ".join(f"×{known}" for known in self.scales)
            raise ProtocolError(f"the degradation {self.key!r} is defined for {defined}, got ×{scale}")


@dataclass(frozen=True)
class Scoring:
    """SR and HR' in, scores out."""

    rounded: bool
    channels: Channels
    luma: Luma | None
    extra_shave: int = 0
    aliased: bool = False

    def score(self, sr: Any, hr: Images, *, scale: int) -> dict[str, float | None]:
        """PSNR (dB, +inf if identical), SSIM (None below 11 pixels after the shave) and, where it is defined, the PSNR
        of aliased texture (None if the HR has nothing above the LR's Nyquist limit).

        Args:
            sr: uint8 H×W×3, taken as quantised; or floating H×W×3 in [0, 1]; or a torch tensor 3×H×W or
                1×3×H×W of either kind.
            hr: uint8 H×W×3 of the same size.
            scale: fixes the shave.

        Raises:
            ProtocolError: sizes that differ, a float above 2, NaN, another dtype, or nothing left after the shave.
        """
        _require_rgb_uint8(hr, "hr")
        image = _to_array(sr)
        if image.shape != hr.shape:
            raise ProtocolError(
                f"expected an SR image of {hr.shape[1]}×{hr.shape[0]} pixels like its HR, got "
                f"{image.shape[1]}×{image.shape[0]}; was it made at another scale?"
            )
        self.require_size(hr.shape[0], hr.shape[1], scale=scale)
        border = scale + self.extra_shave
        if hr.shape[0] * hr.shape[1] > LARGE_PIXELS:
            return self._score_in_bands(image, hr, border, scale)
        values = shave(self.quantise(image), border=border)
        first, reference = self._comparable(values), self._comparable(hr)
        second = shave(reference, border=border)
        similarity = ssim(first, second, **_SSIM) if min(first.shape[:2]) >= SSIM_WINDOW else None  # type: ignore[arg-type]  # the keywords' types are uniform only in the table
        scores = {f"psnr_{self.channels}": psnr(first, second, data_range=255), f"ssim_{self.channels}": similarity}
        if self.aliased:
            weight = shave(_nyquist_weight(reference, scale), border=border)
            scores["psnr_y_aliased"] = weighted_psnr(first, second, weight, data_range=255)
        return scores

    def require_size(self, height: int, width: int, *, scale: int) -> None:
        """Raises ProtocolError for an HR' of which the shave leaves nothing."""
        border = scale + self.extra_shave
        if min(height, width) <= 2 * border:
            raise ProtocolError(
                f"expected more than {2 * border} pixels on both sides, since this protocol shaves "
                f"{border} from each at ×{scale}; got {width}×{height}"
            )

    def _score_in_bands(self, sr: NDArray[Any], hr: Images, border: int, scale: int) -> dict[str, float | None]:
        """The same scores, up to the rounding of sums, of an image whose float64 maps would not fit in memory."""
        height, width = hr.shape[:2]
        columns, reach = slice(border, width - border), (ALIASING_LOBES + 4) * scale
        error = count = similarity = windows = aliased = weights = 0.0
        for top in range(border, height - border, _band_rows(hr)):
            bottom = min(top + _band_rows(hr), height - border)
            rows = slice(top, min(bottom + SSIM_WINDOW - 1, height - border))
            first = self._comparable(self.quantise(sr[rows, columns]))
            second = self._comparable(hr[rows, columns])
            squares = np.square(first[: bottom - top].astype(np.float64) - second[: bottom - top])
            error, count = error + float(squares.sum()), count + squares.size
            if min(first.shape[:2]) >= SSIM_WINDOW:
                inside = (first.shape[0] - SSIM_WINDOW + 1) * (first.shape[1] - SSIM_WINDOW + 1)
                similarity += ssim(first, second, **_SSIM) * inside  # type: ignore[arg-type]  # as above
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
        """H×W weight of each pixel of HR' in `psnr_y_aliased`, before the shave; see `metrics.aliasing_weight`.

        Raises:
            ProtocolError: this scoring has no such score, or not an RGB uint8 image.
        """
        _require_rgb_uint8(hr, "hr")
        if not self.aliased:
            raise ProtocolError("expected a protocol with psnr_y_aliased, got one without; use matlab-y")
        return _nyquist_weight(self._comparable(hr), scale)

    def quantise(self, sr: Any) -> NDArray[Any]:
        """The values that are compared, H×W×3 in 0…255: uint8, or float32 where the protocol does not round."""
        if self.rounded:
            return to_8bit(sr)
        image = _to_array(sr)
        return image if image.dtype == np.uint8 else _checked_float(image) * np.float32(255)

    def _comparable(self, image: NDArray[Any]) -> NDArray[Any]:
        return self.luma(image) if self.luma else image


@dataclass(frozen=True)
class Protocol:
    """A named, versioned way to make a score. `version` grows whenever a number could change."""

    name: str
    version: int
    summary: str
    preparation: Preparation
    scoring: Scoring
    ranked: bool = True

    def prepare(self, hr: Images, *, scale: int, name: str = "") -> tuple[Images, Images]:
        """(HR', LR) of an HR image; see `Preparation.prepare`."""
        return self.preparation.prepare(hr, scale=scale, name=name)

    def score(self, sr: Any, hr: Images, *, scale: int) -> dict[str, float | None]:
        """Scores of an SR image against HR'; see `Scoring.score`. ProtocolError also for a scale this is not for."""
        self.preparation.require_scale(scale)
        return self.scoring.score(sr, hr, scale=scale)

    def psnr_lr(self, sr: Any, lr: Images, *, scale: int, name: str = "") -> float:
        """PSNR in dB over R, G, B between the SR image shrunk by this protocol's degradation and its LR.

        An honest result stays close to its LR; a shifted, foreign or mis-scaled one shows at once.
        """
        return psnr(self.preparation.degrade(to_8bit(sr), scale=scale, name=name), lr, data_range=255)

    def require_size(self, height: int, width: int, *, scale: int) -> None:
        """Raises ProtocolError for an HR image that is too small to be prepared and scored."""
        self.preparation.require_size(height, width, scale=scale)
        self.scoring.require_size(height - height % scale, width - width % scale, scale=scale)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the scores, PSNR and SSIM first."""
        pair = f"psnr_{self.scoring.channels}", f"ssim_{self.scoring.channels}"
        return (*pair, "psnr_y_aliased") if self.scoring.aliased else pair


def to_8bit(sr: Any) -> Images:
    """An SR image as the 8-bit file it would be saved as, uint8 H×W×3: clamped, times 255, rounded half to even.

    Takes what `Scoring.score` takes, with the same errors; uint8 is returned as it is.
    """
    image = _to_array(sr)
    if image.dtype == np.uint8:
        return image
    rounded = np.empty(image.shape, np.uint8)
    for top in range(0, len(image), _band_rows(image)):
        band = slice(top, top + _band_rows(image))
        scaled = _checked_float(image[band])
        scaled *= np.float32(255)
        rounded[band] = np.rint(scaled, out=scaled)
    return rounded


def get_protocol(name: str) -> Protocol:
    """The protocol of that name.

    Raises:
        UnknownNameError: no such protocol; the message offers close matches.

    Examples:
        >>> from srbench.resize import imresize
        >>> protocol = get_protocol("matlab-y")
        >>> original = np.random.default_rng(0).integers(0, 256, (50, 47, 3), dtype=np.uint8)
        >>> hr, lr = protocol.prepare(original, scale=4)
        >>> hr.shape, lr.shape
        ((48, 44, 3), (12, 11, 3))
        >>> scores = protocol.score(imresize(lr, 4), hr, scale=4)
        >>> {name: round(value, 4) for name, value in scores.items()}
        {'psnr_y': 15.9756, 'ssim_y': 0.0762, 'psnr_y_aliased': 15.9291}
    """
    if name not in _PROTOCOLS:
        raise UnknownNameError("protocol", name, _PROTOCOLS)
    return _PROTOCOLS[name]


def protocol_names() -> list[str]:
    """All protocols, the default first.

    Examples:
        >>> protocol_names()
        ['matlab-y', 'matlab-y-rounded', 'matlab-rgb', 'div2k-rgb', 'bam2021', 'bd', 'dn-srbench1']
    """
    return list(_PROTOCOLS)


def _band_rows(image: NDArray[Any]) -> int:
    """Rows to work on at a time: all of them unless the image is large."""
    height, width = image.shape[:2]
    return int(height) if height * width <= LARGE_PIXELS else max(1, BAND_PIXELS // int(width))


def _nyquist_weight(reference: NDArray[Any], scale: int) -> NDArray[np.float32]:
    return aliasing_weight(reference, cutoff=1 / (2 * scale), lobes=ALIASING_LOBES, sigma=scale)


def _require_rgb_uint8(image: Any, label: str) -> None:
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        got = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise ProtocolError(f"{label}: expected RGB uint8 H×W×3, got {got}; decode it with srbench.images.decode")


def _to_array(sr: Any) -> NDArray[Any]:
    """H×W×3 from an array, or from a channels-first torch tensor (known by `detach`: torch need not be loaded)."""
    if hasattr(sr, "detach"):
        tensor = sr.detach().cpu()
        tensor = tensor[0] if tensor.ndim == 4 and tensor.shape[0] == 1 else tensor
        if tensor.ndim != 3 or tensor.shape[0] != 3:
            raise ProtocolError(f"sr: expected a tensor 3×H×W or 1×3×H×W, got shape {tuple(sr.shape)}")
        sr = (tensor if "uint8" in str(tensor.dtype) else tensor.float()).permute(1, 2, 0).numpy()
    if not isinstance(sr, np.ndarray) or sr.ndim != 3 or sr.shape[2] != 3:
        raise ProtocolError(f"sr: expected an RGB image H×W×3, got {getattr(sr, 'shape', type(sr).__name__)}")
    if sr.dtype != np.uint8 and not np.issubdtype(sr.dtype, np.floating):
        raise ProtocolError(f"sr: expected uint8, or floating values in [0, 1], got {sr.dtype}")
    return sr


def _checked_float(image: NDArray[Any]) -> NDArray[np.float32]:
    """The image in float32, clamped to [0, 1]."""
    largest = float(image.max())
    if not np.isfinite(largest) or not np.isfinite(image.min()):
        raise ProtocolError("sr: expected finite values, got NaN or infinity; check the model's precision and weights")
    if largest > _LARGEST_FLOAT:
        raise ProtocolError(f"sr: expected floating values in [0, 1], got up to {largest:g}; divide by 255 first")
    clamped = image.astype(np.float32)
    return np.clip(clamped, 0, 1, out=clamped)


MATLAB_LUMA = Luma((65.481, 128.553, 24.966), 255)
"""ITU-R BT.601 luma as MATLAB's ``rgb2ycbcr`` defines it for floating input."""

# 64.738 is the BAM authors' slip for 65.738; their numbers carry it, so the protocol that explains them keeps it.
_BAM_LUMA = Luma((64.738, 129.057, 25.064), 256)

MATLAB_PREPARATION = Preparation("crop, matlab bicubic", crop_to_multiple, matlab_bicubic, takes_lr=True)
"""HR cropped right and bottom to a multiple of the scale, LR by MATLAB's bicubic."""


def _table(*entries: Protocol) -> dict[str, Protocol]:
    names = [entry.name for entry in entries]
    if len(set(names)) != len(names):
        raise ProtocolError(f"a protocol is registered twice among {', '.join(names)}")
    return {entry.name: entry for entry in entries}


_PROTOCOLS = _table(
    Protocol(
        "matlab-y",
        1,
        "crop, MATLAB bicubic LR, 8-bit output, MATLAB Y, shave = scale",
        MATLAB_PREPARATION,
        Scoring(rounded=True, channels="y", luma=MATLAB_LUMA, aliased=True),
    ),
    Protocol(
        "matlab-y-rounded",
        1,
        "as matlab-y, with Y rounded to an integer as rgb2ycbcr does on uint8",
        MATLAB_PREPARATION,
        Scoring(rounded=True, channels="y", luma=Luma(MATLAB_LUMA.coefficients, 255, rounded=True), aliased=True),
    ),
    Protocol(
        "matlab-rgb",
        1,
        "as matlab-y, over R, G and B together",
        MATLAB_PREPARATION,
        Scoring(rounded=True, channels="rgb", luma=None),
    ),
    Protocol(
        "div2k-rgb",
        1,
        "given LR files, 8-bit output, R, G and B together, shave = scale + 6",
        Preparation(MATLAB_PREPARATION.key, crop_to_multiple, matlab_bicubic, takes_lr=True, ships_lr=True),
        Scoring(rounded=True, channels="rgb", luma=None, extra_shave=6),
    ),
    Protocol(
        "bam2021",
        1,
        "HR resized and LR made by Pillow, output not rounded, the BAM code's Y, shave = scale",
        Preparation("resize, pillow bicubic", resize_to_multiple, pillow_bicubic),
        Scoring(rounded=False, channels="y", luma=_BAM_LUMA),
    ),
    Protocol(
        "bd",
        1,
        "×3 only: LR by a 7×7 Gaussian and every third pixel; scored as matlab-y",
        Preparation("bd", crop_to_multiple, blur_downsample, scales=(BD_DN_SCALE,)),
        Scoring(rounded=True, channels="y", luma=MATLAB_LUMA),
    ),
    Protocol(
        "dn-srbench1",
        1,
        "×3 only: MATLAB bicubic LR with noise of level 30 fixed by the image name; as matlab-y",
        Preparation("dn-srbench1", crop_to_multiple, noisy_downsample, scales=(BD_DN_SCALE,)),
        Scoring(rounded=True, channels="y", luma=MATLAB_LUMA),
        ranked=False,
    ),
)
