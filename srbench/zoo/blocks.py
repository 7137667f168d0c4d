"""What the networks share: the door every tensor passes, the mean shift, convolutions, up-samplers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from srbench.errors import UpscalerError

DIV2K_MEAN = (0.4488, 0.4371, 0.4040)
"""Mean R, G, B of DIV2K in [0, 1], as EDSR and all after it print it."""


class SRNetwork(nn.Module, ABC):
    """A super-resolution network: float N×3×H×W RGB in [0, 1] in, N×3×sH×sW out, not clamped.

    `value_range` (1 or 255) is what the weights were trained on; the door scales to it and back.
    `deep_dtype` runs the middle under autocast in that type; the first convolution, the global skip and the last
    convolution stay in float32, because rounding them is what costs most. None means float32 throughout.
    """

    deep_dtype: torch.dtype | None = None

    def __init__(self, *, scale: int, value_range: float) -> None:
        super().__init__()
        self.scale = scale
        self.value_range = float(value_range)

    def forward(self, lr: Tensor) -> Tensor:
        """The SR images of a batch; raises UpscalerError unless it is a float N×3×H×W tensor."""
        if lr.ndim != 4 or lr.shape[1] != 3 or not lr.is_floating_point():
            raise UpscalerError(f"expected a float N×3×H×W tensor in [0, 1], got {lr.dtype} of shape {tuple(lr.shape)}")
        x = lr if self.value_range == 1 else lr * self.value_range
        shallow = self.shallow_features(x)
        with self._precision(lr.device):
            deep = self.deep_features(shallow)
        sr = self.reconstruct(deep.to(shallow.dtype), shallow, x)
        return sr if self.value_range == 1 else sr / self.value_range

    @abstractmethod
    def shallow_features(self, x: Tensor) -> Tensor:
        """The first convolution (and the mean shift before it), on the weights' own range."""

    @abstractmethod
    def deep_features(self, shallow: Tensor) -> Tensor:
        """Everything between the first and the last convolution: the part that bears low precision."""

    @abstractmethod
    def reconstruct(self, deep: Tensor, shallow: Tensor, x: Tensor) -> Tensor:
        """The last convolution, what is added around it, and the mean shift back."""

    def _precision(self, device: torch.device) -> AbstractContextManager[object]:
        if self.deep_dtype is None:
            return nullcontext()
        return torch.autocast(device.type, dtype=self.deep_dtype)


def conv(inputs: int, outputs: int, kernel: int = 3, *, groups: int = 1, bias: bool = True) -> nn.Conv2d:
    """A convolution with an odd kernel, zero-padded so that it keeps height and width."""
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, groups=groups, bias=bias)


def run_all(layers: nn.ModuleList, x: Tensor) -> Tensor:
    """x through every layer of a list in turn."""
    for layer in layers:
        x = layer(x)
    return x
