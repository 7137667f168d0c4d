"""Call models: each gets a private copy of its input, and its output is checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from srbench.errors import UpscalerError

Forward = Callable[[Tensor], Tensor]
"""A function from N×C×h×w to N×C×sh×sw."""


class OutputError(UpscalerError):
    """The output of a model is not an SR image; the message does not name the model."""


@dataclass(frozen=True)
class CheckedModel:
    """A model and the checks of its output. Complete images, tiles and all orientations are computed through it.

    Args:
        model: any callable of one tensor.
        scale: output size over input size.
        channels: of input and output, 3 or 1.
        output_name: which of several outputs is the SR image; None for a model that returns one tensor.
        memory_format: of the private copy; foreign models get the contiguous one that their own scripts give them.
    """

    model: Callable[[Tensor], object]
    scale: int
    channels: int = 3
    output_name: str | None = None
    memory_format: torch.memory_format = torch.contiguous_format

    def __call__(self, lr: Tensor) -> Tensor:
        """Return SR float32 N×C×sh×sw, finite, on the device of the LR N×C×h×w, which is not changed.

        Raises:
            OutputError: no tensor, another shape or dtype, NaN or infinity.
        """
        return self.require_image(self.model(self.private_copy(lr)), lr)

    def private_copy(self, lr: Tensor) -> Tensor:
        """Return a copy of the input that the model may change or keep."""
        return lr.clone(memory_format=self.memory_format)

    def require_image(self, output: object, lr: Tensor) -> Tensor:
        """Return the output of a model for `lr` as SR float32. Raise OutputError if it is not an SR image."""
        sr = _require_image(_chosen(output, self.output_name), lr.shape, self.scale, self.channels)
        # A copy in the memory layout of image files, because a model may overwrite its output in the next call.
        sr = sr.detach().to(lr.device, torch.float32, copy=True, memory_format=torch.channels_last)
        if not torch.stack(torch.aminmax(sr)).isfinite().all():
            raise OutputError(
                "expected finite values, got NaN or infinity; check the weights and the value range (--range), "
                "or use --precision fp32"
            )
        return sr


def _chosen(output: object, name: str | None) -> object:
    """Return the output, or the one with this name in a dict, tuple or list."""
    if isinstance(output, Mapping):
        choices: dict[str, object] = {str(key): value for key, value in output.items()}
    elif isinstance(output, Sequence) and not isinstance(output, str):
        choices = {str(place): value for place, value in enumerate(output)}
    elif name is not None:
        raise OutputError(f"expected several outputs for --output-name {name}, got one; leave the option out")
    else:
        return output
    known = ", ".join(choices) or "none"
    if name is None:
        raise OutputError(
            f"expected one tensor, got a {type(output).__name__} of {len(choices)}; return the SR image alone, or "
            f"choose it with --output-name (one of {known})"
        )
    if name not in choices:
        raise OutputError(f"expected an --output-name out of {known}, got {name!r}; choose one of them")
    return choices[name]


def _require_image(output: object, lr: Sequence[int], scale: int, channels: int) -> Tensor:
    if not isinstance(output, Tensor):
        raise OutputError(f"expected a torch tensor, got {type(output).__name__}; return the SR image as a tensor")
    if output.layout != torch.strided or output.is_meta or output.is_quantized or output.is_nested:
        raise OutputError("expected a dense tensor with values, got a sparse, quantised, nested or meta tensor")
    wanted = (lr[0], channels, lr[2] * scale, lr[3] * scale)
    if tuple(output.shape) != wanted:
        raise OutputError(
            f"expected an output of {_times(wanted)} at ×{scale} for an input of {_times(lr)}, "
            f"got {_times(output.shape)}; {_advice(tuple(output.shape), lr, scale, channels)}"
        )
    if not output.is_floating_point():
        raise OutputError(f"expected floating values, got {output.dtype}; return them as float, unrounded")
    return output


def _advice(got: Sequence[int], lr: Sequence[int], scale: int, channels: int) -> str:
    """Return the advice that usually helps for an output of this shape."""
    if len(got) != 4 or got[0] != lr[0]:
        return "return a batch N×C×H×W with one SR image for each LR image"
    if got[1] != channels:
        return "use --luma for a network of the Y channel" if got[1] == 1 else f"return {channels} channels"
    factors = {side / before for side, before in zip(got[2:], lr[2:], strict=True)}
    if factors == {1.0}:
        return "use --pre-upsample for a network that keeps the size of its input"
    if len(factors) == 1 and scale == 1:
        return "leave out --pre-upsample for a network that enlarges its input"
    if len(factors) == 1 and (factor := factors.pop()).is_integer():
        return f"use --scale {factor:.0f}, for which the network seems made"
    return "crop what the network pads, or let --pad N pad its input to a multiple of N and crop the output"


def _times(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape)) or "a single number"
