"""Input adapters: networks that take another value range, channel order, channel or size than RGB in [0, 1]."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from srbench.errors import UpscalerError
from srbench.protocols import MATLAB_LUMA
from srbench.resize import imresize
from srbench.upscalers.base import Options
from srbench.upscalers.contract import Forward
from srbench.upscalers.factory_args import describe_factory_args
from srbench.upscalers.tiling import reflected

RANGES = (1, 255, -1)
"""Value ranges of networks: [0, 1], [0, 255] and [-1, 1]."""

MAX_PAD = 1024
"""The largest multiple that an input is padded to; windows of networks have 64 pixels at most."""


def network_scale(options: Options, scale: int) -> int:
    """Return the network's output size divided by its input size: 1 if images are enlarged before they enter it."""
    return 1 if options.pre_upsample else scale


def network_channels(options: Options) -> int:
    """Return the number of channels that the network takes and returns."""
    return 1 if options.luma else 3


def adapted(network: Forward, options: Options, *, scale: int) -> Forward:
    """Return a function from N×3×h×w RGB in [0, 1] to N×3×sh×sw that adapts a network to such images."""
    if not set(options.adapters) - {"output_name"}:
        return network

    def run(lr: Tensor) -> Tensor:
        enlarged = imresize(lr, scale) if options.pre_upsample or options.luma else lr
        source = enlarged if options.pre_upsample else lr
        if options.luma:
            return _with_luma(enlarged, _called(network, _luma(source), options, scale))
        return _ordered(_called(network, _ordered(source, options), options, scale), options)

    return run


def _called(network: Forward, source: Tensor, options: Options, scale: int) -> Tensor:
    """Return the network's output in [0, 1]; the input in [0, 1] is converted to its range and padded."""
    height, width = source.shape[-2:]
    filled = reflected(_to_range(source, options), *(-(-side // options.pad) * options.pad for side in (height, width)))
    grow = network_scale(options, scale)
    return _from_range(network(filled)[..., : height * grow, : width * grow], options)


def _to_range(image: Tensor, options: Options) -> Tensor:
    return image * 2 - 1 if options.range == -1 else image * options.range


def _from_range(image: Tensor, options: Options) -> Tensor:
    return (image + 1) / 2 if options.range == -1 else image / options.range


def _ordered(image: Tensor, options: Options) -> Tensor:
    return image.flip(-3) if options.bgr else image


def _luma(rgb: Tensor) -> Tensor:
    """Return Y as MATLAB's ``rgb2ycbcr`` computes it, not rounded: N×1×H×W, 16…235 over 255."""
    red, green, blue = rgb.unbind(-3)
    coefficients = MATLAB_LUMA.coefficients
    return ((coefficients[0] * red + coefficients[1] * green + coefficients[2] * blue + 16) / 255).unsqueeze(-3)


def _with_luma(rgb: Tensor, luma: Tensor) -> Tensor:
    """Return an RGB image whose Y is replaced.

    With Cb and Cr kept, ``ycbcr2rgb`` adds the change of Y to red, green and blue alike, times 255/219.
    """
    return rgb + (luma - _luma(rgb)) * (255 / sum(MATLAB_LUMA.coefficients))


def require_adapters(options: Options) -> None:
    """Raise UpscalerError for adapters that do not exist or contradict each other."""
    if type(options.pad) is not int or options.pad not in range(1, MAX_PAD + 1):
        raise UpscalerError(f"--pad: expected 1 to {MAX_PAD} pixels, got {options.pad!r}; use 8, 16 or 64")
    if type(options.range) is not int or options.range not in RANGES:
        known = ", ".join(map(str, RANGES))
        raise UpscalerError(f"--range: expected one of {known}, got {options.range!r}; use -1 for [-1, 1]")
    for name in ("bgr", "luma", "pre_upsample"):
        if type(getattr(options, name)) is not bool:
            raise UpscalerError(f"{name}: expected True or False, got {getattr(options, name)!r}")
    if options.output_name is not None and not isinstance(options.output_name, str):
        raise UpscalerError(f"--output-name: expected a name, got {options.output_name!r}")
    if options.luma and options.bgr:
        raise UpscalerError(
            "expected --luma or --bgr, got both; a network that takes only Y has no order of colours; leave out --bgr"
        )


_PHRASES = {
    "pad": "input padded to a multiple of {}",
    "range": "values in {}",
    "bgr": "BGR",
    "luma": "Y channel",
    "pre_upsample": "input enlarged by bicubic",
    "output_name": "output {}",
}
_RANGE_NAMES: Mapping[object, str] = {255: "0…255", -1: "-1…1"}


def describe_adapters(adapters: Mapping[str, object]) -> list[str]:
    """Return the adapters of a record in words; an unknown one by its name and value."""
    known = [_phrase(name, value) for name, value in adapters.items() if name != "factory_args"]
    return [*known, *describe_factory_args(adapters.get("factory_args"))]


def _phrase(name: str, value: object) -> str:
    shown = _RANGE_NAMES.get(value, value) if name == "range" else value
    return _PHRASES.get(name, f"{name} {{}}").format(shown)
