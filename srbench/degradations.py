"""HR rules and degradations: sides that are multiples of the scale, and LR from HR.

LR is made by MATLAB's bicubic, by Pillow's bicubic, or, at ×3 only, with blur (BD) or noise (DN) as papers do.
"""

from __future__ import annotations

import hashlib
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from srbench.errors import ProtocolError
from srbench.resize import imresize

Images = NDArray[np.uint8]

BD_DN_SCALE = 3
"""The only scale that BD and DN are published for."""

_RADIUS, _SIGMA = 3, 1.6
_NOISE_LEVEL = 30


def crop_to_multiple(hr: Images, *, scale: int) -> Images:
    """Drop pixels at the right and bottom until both sides are multiples of the scale."""
    height, width = (side - side % scale for side in hr.shape[:2])
    return np.ascontiguousarray(hr[:height, :width])


def require_multiple(hr: Images, *, scale: int) -> Images:
    """Return the image unchanged; its sides have to be multiples of the scale.

    Raises:
        ProtocolError: a side is not a multiple of the scale.
    """
    height, width = hr.shape[:2]
    if height % scale or width % scale:
        raise ProtocolError(
            f"expected an HR image with exactly {scale} times the sides of its LR, got {width}×{height}, no multiple "
            f"of {scale}; crop HR and LR so that they pair, or use another --scale"
        )
    return hr


def matlab_bicubic(hr: Images, *, scale: int, name: str = "") -> Images:
    """Return LR by MATLAB's bicubic (symmetric border); `name` is not used."""
    return imresize(hr, Fraction(1, scale))


def resize_to_multiple(hr: Images, *, scale: int) -> Images:
    """Resize by Pillow's bicubic until both sides are multiples of the scale."""
    height, width = (side - side % scale for side in hr.shape[:2])
    return pillow_resize(hr, width, height)


def pillow_bicubic(hr: Images, *, scale: int, name: str = "") -> Images:
    """Return LR by Pillow's bicubic; `name` is not used."""
    return pillow_resize(hr, hr.shape[1] // scale, hr.shape[0] // scale)


def blur_downsample(hr: Images, *, scale: int, name: str = "") -> Images:
    """Return BD: a 7×7 Gaussian (σ 1.6, replicated border), rounded to uint8; then the centre pixel of each 3×3.

    Args:
        hr: uint8 H×W×3, both sides multiples of 3.
        scale: 3.
        name: not used.

    Raises:
        ProtocolError: another scale, or sides that are not its multiples.

    Source: RCAN's preparation script (``fspecial``, ``imfilter`` with 'replicate', ``imresize`` with 'nearest').
    """
    _require("bd", hr, scale)
    return _blur(hr)[scale // 2 :: scale, scale // 2 :: scale].copy()


def noisy_downsample(hr: Images, *, scale: int, name: str) -> Images:
    """Return DN: MATLAB's bicubic LR in float32 plus 30·N(0, 1), rounded half to even and clipped to uint8.

    The noise depends only on the image's name and size. MATLAB's ``randn`` stream is not available, so these scores
    cannot be compared with published DN. Arguments and errors as for `blur_downsample`.
    """
    _require("dn-srbench1", hr, scale)
    lr = imresize(hr, Fraction(1, scale))
    noisy = lr.astype(np.float32) + _NOISE_LEVEL * _noise(name, lr.shape)
    clipped: NDArray[np.float32] = np.clip(np.rint(noisy), 0, 255)
    return clipped.astype(np.uint8)


def pillow_resize(image: Images, width: int, height: int) -> Images:
    """Resize by Pillow's bicubic, 8-bit."""
    return np.array(Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC))


def _require(label: str, hr: Images, scale: int) -> None:
    if scale != BD_DN_SCALE:
        raise ProtocolError(
            f"{label}: expected ×{BD_DN_SCALE}, the only scale it is defined for, got ×{scale}; use --scale 3"
        )
    if hr.shape[0] % scale or hr.shape[1] % scale:
        raise ProtocolError(
            f"{label}: expected sides that are multiples of {scale}, got {hr.shape[1]}×{hr.shape[0]}; "
            "crop the image first"
        )


def _blur(image: Images) -> Images:
    taps = np.exp(-(np.arange(-_RADIUS, _RADIUS + 1) ** 2) / (2 * _SIGMA**2))
    taps /= taps.sum()
    height, width = image.shape[:2]
    padded = np.pad(image, ((_RADIUS, _RADIUS), (_RADIUS, _RADIUS), (0, 0)), mode="edge").astype(np.float64)
    rows = np.add.reduce([tap * padded[k : k + height] for k, tap in enumerate(taps)])
    blurred: NDArray[np.float64] = np.add.reduce([tap * rows[:, k : k + width] for k, tap in enumerate(taps)])
    return np.floor(blurred + 0.5).astype(np.uint8)


def _noise(name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    seed = np.frombuffer(hashlib.sha256(name.encode()).digest(), dtype="<u4")
    # RandomState, because its random numbers never change; those of default_rng may change between NumPy versions.
    return np.random.RandomState(seed).standard_normal(shape).astype(np.float32)
