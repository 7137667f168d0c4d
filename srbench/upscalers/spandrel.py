"""`spandrel:FILE`: checkpoints of the architectures that the package spandrel knows (extra `spandrel`)."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from srbench.errors import UpscalerError
from srbench.files import sha256_of
from srbench.spec_paths import recorded_path
from srbench.upscalers.base import Identity, Image, Options, Upscaler, require_not_optimised
from srbench.upscalers.placeholders import placeholders
from srbench.upscalers.tensors import TensorUpscaler, pick_device
from srbench.upscalers.tiling import reflected
from srbench.zoo.counting import count_parameters
from srbench.zoo.reading import read_checkpoint

if TYPE_CHECKING:
    from spandrel import ImageModelDescriptor

_PRECISIONS = {"bf16": "supports_bfloat16", "fp16": "supports_half"}
"""By precision, the attribute of spandrel's descriptor that says whether a network supports it."""


def open_spandrel(file: str, scale: int, options: Options) -> Upscaler:
    """Open a checkpoint whose architecture spandrel detects from its keys.

    srbench reads the file, and runs no code from it. Where an architecture needs a minimum size, a multiple of a window
    or a square, the image is padded by reflection, and the record holds that.

    Raises:
        UpscalerError: an unknown architecture, another scale, no RGB network, a precision that the architecture does
            not support, or spandrel is not installed.
        WeightsError: the file is missing, damaged, or would run code.
    """
    spec, path = f"spandrel:{file}", Path(file)
    require_not_optimised(spec, options)
    spandrel, torchvision_missing = _imported(spec)
    descriptor = _descriptor(spandrel, path, spec)
    _check(descriptor, spec, scale, options.precision)
    details = {"architecture": descriptor.architecture.name, "weights_file": path.name}
    if descriptor.size_requirements.multiple_of > 1:
        details["padded_to_multiple_of"] = descriptor.size_requirements.multiple_of
    if torchvision_missing:
        details["torchvision"] = "not importable; spandrel was imported with placeholders for it"
    parameters = count_parameters(descriptor.model)
    identity = Identity(f"spandrel:{recorded_path(file)}", sha256_of(path), parameters, details)
    network = SpandrelNetwork(descriptor).to(pick_device(options.device)).eval()
    return ClampedUpscaler(network, identity, scale=scale, options=options)


class ClampedUpscaler(TensorUpscaler):
    """Upscaler whose output is clamped to [0, 1] at the end, after tiles and the mean of a self-ensemble."""

    def upscale(self, lr: Image, *, dataset: str, name: str) -> Image:
        """Return SR float32 H×W×3 in [0, 1]. Raise UpscalerError as `TensorUpscaler` does."""
        return super().upscale(lr, dataset=dataset, name=name).clip(0, 1)


class SpandrelNetwork(nn.Module):
    """A network of spandrel: N×3×H×W RGB in [0, 1] to N×3×sH×sW, not clamped.

    spandrel's own call clamps its output, but a self-ensemble needs the mean of outputs that are not clamped.
    """

    def __init__(self, descriptor: ImageModelDescriptor) -> None:
        super().__init__()
        self.network: nn.Module = descriptor.model
        self.scale = int(descriptor.scale)
        self._sizes = descriptor.size_requirements
        # spandrel has a special call for architectures that return several tensors or another value range.
        self._call: Callable[[nn.Module, Tensor], Tensor] = getattr(descriptor, "_call_fn", _plain_call)

    def forward(self, lr: Tensor) -> Tensor:
        """Return the SR images of a batch, computed on an input padded as the architecture needs it."""
        height, width = lr.shape[-2:]
        right, below = self._sizes.get_padding(width, height)
        sr = self._call(self.network, reflected(lr, height + below, width + right))
        return sr[..., : height * self.scale, : width * self.scale]


def _plain_call(network: nn.Module, lr: Tensor) -> Tensor:
    sr: Tensor = network(lr)
    return sr


def _imported(spec: str) -> tuple[ModuleType, bool]:
    """Return the package, and whether it was imported without torchvision."""
    try:
        return import_spandrel()
    except (ImportError, RuntimeError) as error:
        raise UpscalerError(
            f"{spec}: spandrel cannot be imported ({error}); pip install 'sisr-bench[spandrel]'"
        ) from error


@cache
def import_spandrel() -> tuple[ModuleType, bool]:
    """Import spandrel, with placeholders for torchvision if torchvision itself cannot be imported.

    Only two of its architectures use torchvision, for inpainting and for faces; both import it at the start. A
    torchvision that was built for another torch fails with RuntimeError.

    Returns:
        The package, and whether placeholders were needed.
    """
    if "spandrel" in sys.modules or _imports("torchvision"):
        return _import_quietly("spandrel"), False
    with placeholders("torchvision"):
        return _import_quietly("spandrel"), True


def _imports(package: str) -> bool:
    try:
        _import_quietly(package)
    except (ImportError, RuntimeError):
        return False
    return True


def _import_quietly(package: str) -> ModuleType:
    with _quiet():
        return importlib.import_module(package)


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide the warnings of packages that a user of srbench cannot change: they are about deprecated calls."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _descriptor(spandrel: ModuleType, path: Path, spec: str) -> ImageModelDescriptor:
    checkpoint, refusal = read_checkpoint(path), None
    # Keys of some architectures begin with `model.` themselves, so each way to read the keys is tried, the preferred
    # one first.
    for state in [checkpoint.state, *(view.state for view in checkpoint.views)]:
        try:
            with _quiet():
                descriptor = spandrel.ModelLoader(torch.device("cpu")).load_from_state_dict(dict(state))
            break
        except (spandrel.UnsupportedModelError, RuntimeError, KeyError) as error:
            refusal = refusal or error
    else:
        kinds = sorted(support.architecture.name for support in spandrel.MAIN_REGISTRY.architectures())
        reason = str(refusal).partition("\n")[0] or "its keys fit none of them"
        raise UpscalerError(
            f"{spec}: expected a complete checkpoint of one of the {len(kinds)} architectures that spandrel knows "
            f"({', '.join(kinds)}); {reason}"
        ) from refusal
    if not isinstance(descriptor, spandrel.ImageModelDescriptor):
        raise UpscalerError(
            f"{spec}: expected a network of one image, got {descriptor.architecture.name}; use another file"
        )
    return descriptor


def _check(descriptor: ImageModelDescriptor, spec: str, scale: int, precision: str) -> None:
    name = descriptor.architecture.name
    if descriptor.scale != scale:
        raise UpscalerError(
            f"{spec}: expected a network for ×{scale}, got {name} for ×{descriptor.scale}; "
            f"use --scale {descriptor.scale}"
        )
    if (descriptor.input_channels, descriptor.output_channels) != (3, 3):
        channels = f"{descriptor.input_channels} to {descriptor.output_channels} channels"
        raise UpscalerError(f"{spec}: expected a network from RGB to RGB, got {channels}; use another checkpoint")
    if precision in _PRECISIONS and not getattr(descriptor, _PRECISIONS[precision]):
        raise UpscalerError(f"{spec}: {name} does not support --precision {precision}; leave it out or use another one")
