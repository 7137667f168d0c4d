"""`spandrel:FILE`: a checkpoint of one of the architectures that the package spandrel knows (the extra `spandrel`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from srbench.errors import UpscalerError
from srbench.files import sha256_of
from srbench.spec_paths import recorded_path
from srbench.upscalers.base import Identity, Options, Upscaler, require_not_optimised
from srbench.upscalers.tensors import TensorUpscaler, pick_device
from srbench.zoo.counting import count_parameters
from srbench.zoo.reading import read_checkpoint


def open_spandrel(file: str, scale: int, options: Options) -> Upscaler:
    """The upscaler of a checkpoint whose architecture spandrel finds out from its keys.

    The file is read by srbench, which runs no code from it. spandrel pads by reflection where an architecture needs a
    multiple of a window, which the record says, and clamps the output.

    Raises:
        UpscalerError: an unknown architecture, another scale, no RGB network, or spandrel is not installed.
        WeightsError: the file is missing, damaged, or would run code.
    """
    spec = f"spandrel:{file}"
    require_not_optimised(spec, options)
    if options.self_ensemble:
        raise UpscalerError(
            f"{spec}: --self-ensemble averages outputs before they are clamped, and spandrel clamps them"
        )
    path = Path(file)
    descriptor = _descriptor(path, spec)
    _check(descriptor, spec, scale)
    descriptor.to(pick_device(options.device)).eval()

    def forward(lr: Tensor) -> Tensor:
        sr: Tensor = descriptor(lr)
        return sr

    parameters = count_parameters(descriptor.model)
    details = {"architecture": descriptor.architecture.name, "weights_file": path.name}
    if descriptor.size_requirements.multiple_of > 1:
        details["padded_to_multiple_of"] = descriptor.size_requirements.multiple_of
    identity = Identity(f"spandrel:{recorded_path(file)}", sha256_of(path), parameters, details)
    return TensorUpscaler(forward, identity, scale=scale, options=options)


def _descriptor(path: Path, spec: str) -> Any:
    try:
        # Inside the function: spandrel is an extra. Where torchvision has no operators it raises RuntimeError.
        import spandrel
    except (ImportError, RuntimeError) as error:
        raise UpscalerError(
            f"{spec}: spandrel cannot be imported ({error}); pip install 'srbench[spandrel]' "
            "with a torchvision made for this torch"
        ) from error
    checkpoint, refusal = read_checkpoint(path), None
    # Keys of some architectures begin with `model.` themselves, so every reading is tried, the preferred one first.
    for state in [checkpoint.state, *(view.state for view in checkpoint.views)]:
        try:
            descriptor = spandrel.ModelLoader(torch.device("cpu")).load_from_state_dict(dict(state))
            break
        except (spandrel.UnsupportedModelError, RuntimeError, KeyError) as error:
            refusal = refusal or error
    else:
        kinds = sorted(support.architecture.name for support in spandrel.MAIN_REGISTRY.architectures())
        reason = str(refusal).partition("\n")[0] or "its keys fit none of them"
        raise UpscalerError(
            f"{spec}: expected a whole checkpoint of one of the {len(kinds)} architectures that spandrel knows "
            f"({', '.join(kinds)}); {reason}"
        ) from refusal
    if not isinstance(descriptor, spandrel.ImageModelDescriptor):
        raise UpscalerError(f"{spec}: expected a network of one image, got {descriptor.architecture.name}")
    return descriptor


def _check(descriptor: Any, spec: str, scale: int) -> None:
    if descriptor.scale != scale:
        raise UpscalerError(
            f"{spec}: it is a {descriptor.architecture.name} for ×{descriptor.scale}, asked for ×{scale}"
        )
    if (descriptor.input_channels, descriptor.output_channels) != (3, 3):
        channels = f"{descriptor.input_channels} to {descriptor.output_channels} channels"
        raise UpscalerError(f"{spec}: expected RGB to RGB, got {channels}")
