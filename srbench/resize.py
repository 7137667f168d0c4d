"""MATLAB-exact bicubic resizing (``imresize(image, scale, 'bicubic')``), for NumPy images and torch batches.

A resize by p/q has p phases: output rows i, i+p, i+2p, … have equal weights and move by q rows through the input. So
each pass is a short sum of strided slices, the same expression for NumPy and for torch on any device.
The kernel's values at these phases are fractions; uint8 input is therefore summed with whole-number weights, exactly,
and ties at .5 go up on every machine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

Border = Literal["symmetric", "replicate"]
"""How the image continues beyond its edge: mirrored (newer MATLAB), or its last pixel repeated (older MATLAB)."""

MAX_DENOMINATOR = 1000
"""A scale is replaced by the nearest fraction with at most this denominator."""

# Images of more values are resized in blocks.
_LARGE_VALUES = 2**24
_FLOAT32_EXACT = 2**24
_FLOAT32_DENOMINATOR = 2**12
# The largest denominator whose sums are exact in float64. For ratios such as 89/200 the exact one has hundreds of
# digits; their weights are rounded to this one, which moves a value by less than 1e-10.
_FLOAT64_DENOMINATOR = 2**44

ScalarT = TypeVar("ScalarT", bound=np.generic)


@overload
def imresize(image: NDArray[ScalarT], scale: float | Fraction, *, border: Border = "symmetric") -> NDArray[ScalarT]: ...
@overload
def imresize(image: torch.Tensor, scale: float | Fraction, *, border: Border = "symmetric") -> torch.Tensor: ...
def imresize(
    image: NDArray[np.generic] | torch.Tensor, scale: float | Fraction, *, border: Border = "symmetric"
) -> NDArray[np.generic] | torch.Tensor:
    """Resize like MATLAB's ``imresize`` with its bicubic kernel and antialiasing.

    Args:
        image: a NumPy array H×W or H×W×C, or a torch tensor N×C×H×W (or …×H×W) on any device; uint8 or floating.
        scale: > 0; the output has ceil(H · scale) × ceil(W · scale) pixels.
        border: how the image continues beyond its edge.

    Returns:
        The same kind and dtype. uint8 is rounded half up and clipped after the vertical and again after the
        horizontal pass, as MATLAB does; floating input is neither rounded nor clipped.

    Raises:
        ValueError: a scale that is not positive, an unknown border, an empty image or another number of dimensions.
        TypeError: no array or tensor, or a dtype other than uint8 and floating ones.

    Source: MATLAB ``imresize`` (cubic kernel a = -0.5, R. Keys 1981), behaviour measured against MATLAB's output.

    Examples:
        >>> edge = np.array([[0, 0, 0, 0, 255, 255, 255, 255]] * 4, dtype=np.uint8)
        >>> imresize(edge, 1 / 2)
        array([[  0,  17, 238, 255],
               [  0,  17, 238, 255]], dtype=uint8)
    """
    ratio = _as_fraction(scale)
    if border not in ("symmetric", "replicate"):
        raise ValueError(f"border: expected 'symmetric' or 'replicate', got {border!r}")
    if isinstance(image, np.ndarray):
        return _resize_numpy(image, ratio, border)
    if not hasattr(image, "is_floating_point"):  # detect a tensor without importing torch
        raise TypeError(f"image: expected a NumPy array or a torch tensor, got {type(image).__name__}")
    return _resize_torch(image, ratio, border)


def output_size(size: int, scale: float | Fraction) -> int:
    """Return the pixels along one side after resizing `size` pixels by `scale`: ceil(size · scale)."""
    return math.ceil(size * _as_fraction(scale))


@dataclass(frozen=True)
class _Phase:
    """The output rows `offset`, `offset` + p, … share these weights (integers).

    The first of them reads from input row `first` on.
    """

    offset: int
    first: int
    weights: tuple[int, ...]


@dataclass(frozen=True)
class _Kernel:
    """All phases of a resize by p/q. The exact weights are the integers divided by `denominator`."""

    up: int
    down: int
    denominator: int
    phases: tuple[_Phase, ...]

    @property
    def largest_sum(self) -> int:
        return 255 * max(sum(abs(weight) for weight in phase.weights) for phase in self.phases)

    @property
    def fits_float32(self) -> bool:
        """Whether float32 holds every sum exactly, and the quotient precisely enough for correct rounding."""
        return self.largest_sum < _FLOAT32_EXACT and self.denominator <= _FLOAT32_DENOMINATOR


def _as_fraction(scale: float | Fraction) -> Fraction:
    ratio = Fraction(scale).limit_denominator(MAX_DENOMINATOR) if math.isfinite(scale) else Fraction(0)
    if ratio <= 0:
        raise ValueError(f"scale: expected a positive number, got {scale!r}")
    return ratio


def _cubic(x: Fraction) -> Fraction:
    """Keys' cubic convolution kernel with a = -1/2, in exact arithmetic."""
    x = abs(x)
    if x <= 1:
        return Fraction(3, 2) * x**3 - Fraction(5, 2) * x**2 + 1
    if x < 2:
        return Fraction(-1, 2) * x**3 + Fraction(5, 2) * x**2 - 4 * x + 2
    return Fraction(0)


@lru_cache(maxsize=64)
def _kernel(ratio: Fraction) -> _Kernel:
    shrink = min(ratio, Fraction(1))  # antialiasing: the kernel widens by 1/scale when shrinking
    exact: list[tuple[int, list[Fraction]]] = []
    for offset in range(ratio.numerator):
        centre = (offset + Fraction(1, 2)) / ratio - Fraction(1, 2)
        first = math.floor(centre - 2 / shrink) + 1
        last = math.ceil(centre + 2 / shrink) - 1
        values = [_cubic((centre - row) * shrink) for row in range(first, last + 1)]
        total = sum(values)
        exact.append((first, [value / total for value in values]))
    denominator = math.lcm(*(weight.denominator for _, weights in exact for weight in weights))
    denominator = min(denominator, _FLOAT64_DENOMINATOR)
    phases = tuple(
        _Phase(offset, first, _integer_weights(weights, denominator)) for offset, (first, weights) in enumerate(exact)
    )
    return _Kernel(ratio.numerator, ratio.denominator, denominator, phases)


def _integer_weights(weights: list[Fraction], denominator: int) -> tuple[int, ...]:
    """Return the weights times the denominator, rounded; the largest is adjusted so that their sum is exact."""
    rounded = [round(weight * denominator) for weight in weights]
    rounded[rounded.index(max(rounded))] += denominator - sum(rounded)
    return tuple(rounded)


def _source_rows(kernel: _Kernel, size: int, out: int, border: Border) -> tuple[NDArray[np.intp], int]:
    """Return the input row of each row of the padded input, and the number of padded rows before row 0."""
    before = max(0, -min(phase.first for phase in kernel.phases))
    steps = (out - 1) // kernel.up
    last = max(phase.first + len(phase.weights) for phase in kernel.phases) + steps * kernel.down
    rows = np.arange(-before, max(last, size))
    if border == "replicate":
        return np.clip(rows, 0, size - 1), before
    folded = rows % (2 * size)
    return np.where(folded < size, folded, 2 * size - 1 - folded), before


def _resize_numpy(image: NDArray[ScalarT], ratio: Fraction, border: Border) -> NDArray[ScalarT]:
    if image.ndim not in (2, 3) or 0 in image.shape:
        raise ValueError(f"image: expected a non-empty H×W or H×W×C array, got shape {image.shape}")
    if image.dtype != np.uint8 and not np.issubdtype(image.dtype, np.floating):
        raise TypeError(f"image: expected uint8 or floating values, got {image.dtype}")
    vertical = _pass_numpy(image, ratio, border)
    return np.ascontiguousarray(_pass_numpy(vertical.swapaxes(0, 1), ratio, border).swapaxes(0, 1))


def _pass_numpy(image: NDArray[ScalarT], ratio: Fraction, border: Border) -> NDArray[ScalarT]:
    """Resize along axis 0; large images in blocks of columns, to limit the memory for floating values."""
    columns = max(1, _LARGE_VALUES // (image.size // image.shape[1]))
    if columns >= image.shape[1]:
        return _pass_columns(image, ratio, border)
    result = np.empty((output_size(image.shape[0], ratio), *image.shape[1:]), image.dtype)
    for left in range(0, image.shape[1], columns):
        result[:, left : left + columns] = _pass_columns(image[:, left : left + columns], ratio, border)
    return result


def _pass_columns(image: NDArray[ScalarT], ratio: Fraction, border: Border) -> NDArray[ScalarT]:
    kernel = _kernel(ratio)
    out = output_size(image.shape[0], ratio)
    rows, before = _source_rows(kernel, image.shape[0], out, border)
    exact = image.dtype == np.uint8
    working = np.float32 if exact and kernel.fits_float32 else np.float64
    padded: NDArray[np.floating] = image[rows].astype(working)
    result: NDArray[np.floating] = np.empty((out, *image.shape[1:]), working)
    for phase in kernel.phases:
        target = result[phase.offset :: kernel.up]
        if len(target):
            _weigh_numpy(padded[before + phase.first :], phase.weights, kernel.down, target)
    if not exact:
        return (result / kernel.denominator).astype(image.dtype)
    result += working(kernel.denominator / 2)
    result /= working(kernel.denominator)
    return np.clip(np.floor(result, out=result), 0, 255, out=result).astype(image.dtype)


def _weigh_numpy(
    source: NDArray[np.floating], weights: tuple[int, ...], step: int, target: NDArray[np.floating]
) -> None:
    """target[i] = Σ weights[k] · source[i · step + k], in blocks of rows that stay in the processor's cache."""
    block = max(1, 65536 // max(1, target[0].size))
    for start in range(0, len(target), block):
        part = target[start : start + block]
        term = np.empty_like(part)
        np.multiply(_tap(source, start, 0, step, len(part)), part.dtype.type(weights[0]), out=part)
        for k, weight in enumerate(weights[1:], start=1):
            if weight:
                np.multiply(_tap(source, start, k, step, len(part)), part.dtype.type(weight), out=term)
                part += term


def _tap(source: NDArray[np.floating], start: int, k: int, step: int, count: int) -> NDArray[np.floating]:
    first = start * step + k
    return source[first : first + (count - 1) * step + 1 : step]


def _resize_torch(image: torch.Tensor, ratio: Fraction, border: Border) -> torch.Tensor:
    if image.ndim < 2 or image.numel() == 0:
        raise ValueError(f"image: expected a non-empty …×H×W tensor, got shape {tuple(image.shape)}")
    if str(image.dtype) != "torch.uint8" and not image.is_floating_point():
        raise TypeError(f"image: expected uint8 or floating values, got {image.dtype}")
    vertical = _pass_torch(image, ratio, border)
    return _pass_torch(vertical.transpose(-1, -2), ratio, border).transpose(-1, -2).contiguous()


def _pass_torch(image: torch.Tensor, ratio: Fraction, border: Border) -> torch.Tensor:
    """Resize along the next-to-last axis."""
    kernel = _kernel(ratio)
    size = image.shape[-2]
    out = output_size(size, ratio)
    rows, before = _source_rows(kernel, size, out, border)
    exact = not image.is_floating_point()
    # Apple's GPUs have no float64; on other devices it makes every ratio exact.
    single = image.device.type == "mps" or (exact and kernel.fits_float32)
    padded = image[..., rows.tolist(), :]
    padded = padded.float() if single else padded.double()
    result = padded.new_empty((*image.shape[:-2], out, image.shape[-1]))
    for phase in kernel.phases:
        count = len(range(phase.offset, out, kernel.up))
        if count:
            result[..., phase.offset :: kernel.up, :] = _weigh_torch(
                padded[..., before + phase.first :, :], phase.weights, kernel.down, count
            )
    if not exact:
        return (result / kernel.denominator).to(image.dtype)
    return ((result + kernel.denominator / 2) / kernel.denominator).floor().clamp(0, 255).to(image.dtype)


def _weigh_torch(source: torch.Tensor, weights: tuple[int, ...], step: int, count: int) -> torch.Tensor:
    span = (count - 1) * step + 1
    total = source[..., 0:span:step, :] * weights[0]
    for k, weight in enumerate(weights[1:], start=1):
        if weight:
            total = total.add(source[..., k : k + span : step, :], alpha=weight)
    return total
