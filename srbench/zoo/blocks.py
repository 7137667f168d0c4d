"""Parts that the networks share: the base class, the mean shift, convolutions, up-samplers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional

from srbench.errors import UpscalerError, counted

DIV2K_MEAN = (0.4488, 0.4371, 0.4040)
"""Mean R, G, B of DIV2K in [0, 1], as EDSR and its successors print it."""


class SRNetwork(nn.Module, ABC):
    """A super-resolution network: float N×3×H×W RGB in [0, 1] in, N×3×sH×sW out, not clamped.

    `value_range` (1 or 255) is what the weights were trained on; `forward` scales inputs to it and outputs back.
    `deep_dtype` runs the middle under autocast in that type; the first convolution, the global skip and the last
    convolution stay in float32, because rounding them changes scores most. None means float32 throughout.
    `output_range` is what `reconstruct` returns: the value range, until `fold` has merged the scaling back into the
    weights.
    """

    deep_dtype: torch.dtype | None = None

    def __init__(self, *, scale: int, value_range: float) -> None:
        super().__init__()
        self.scale = scale
        self.value_range = float(value_range)
        self.output_range = self.value_range

    def __repr__(self) -> str:
        """Return the sizes of the network and of its direct parts; `nn.Module.__repr__(network)` shows every layer."""
        devices = sorted({parameter.device.type for parameter in self.parameters()})
        parts = (f"  {name}: {type(part).__name__}, {_size(part)}" for name, part in self.named_children())
        facts = f"×{self.scale}, {_size(self)}, values 0…{self.value_range:g}, on {' and '.join(devices) or 'cpu'}"
        return "\n".join([f"{type(self).__name__} {facts}", *parts])

    def forward(self, lr: Tensor) -> Tensor:
        """Return the SR images of a batch; raise UpscalerError unless the input is a float N×3×H×W tensor."""
        if lr.ndim != 4 or lr.shape[1] != 3 or not lr.is_floating_point():
            raise UpscalerError(f"expected a float N×3×H×W tensor in [0, 1], got {lr.dtype} of shape {tuple(lr.shape)}")
        x = lr if self.value_range == 1 else lr * self.value_range
        shallow = self.shallow_features(x)
        with self._precision(lr.device):
            deep = self.deep_features(shallow)
        sr = self.reconstruct(deep.to(shallow.dtype), shallow, x)
        return sr if self.output_range == 1 else sr / self.output_range

    @abstractmethod
    def shallow_features(self, x: Tensor) -> Tensor:
        """Return the first convolution of the (mean-shifted) input, in the value range of the weights."""

    @abstractmethod
    def deep_features(self, shallow: Tensor) -> Tensor:
        """Apply all layers between the first and the last convolution, which may run in low precision."""

    @abstractmethod
    def reconstruct(self, deep: Tensor, shallow: Tensor, x: Tensor) -> Tensor:
        """Return the output of the last convolution, with the skips and the mean added."""

    def _precision(self, device: torch.device) -> AbstractContextManager[object]:
        if self.deep_dtype is None:
            return nullcontext()
        return torch.autocast(device.type, dtype=self.deep_dtype)


def _size(module: nn.Module) -> str:
    return counted(sum(parameter.numel() for parameter in module.parameters()), "parameter")


def conv(inputs: int, outputs: int, kernel: int = 3, *, groups: int = 1, bias: bool = True) -> nn.Conv2d:
    """Return a convolution with an odd kernel, zero-padded so that it keeps height and width."""
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, groups=groups, bias=bias)


def bias_of(layer: nn.Conv2d) -> Tensor:
    """Return the bias of a convolution; raise UpscalerError if it has none."""
    if layer.bias is None:
        raise UpscalerError("expected a convolution with a bias, got one without; build the network again")
    return layer.bias


def scale_output(layer: nn.Conv2d, factor: float) -> None:
    """Multiply the output of a convolution by a factor, by changing its weight and bias."""
    layer.weight.data = layer.weight * factor
    bias_of(layer).data = bias_of(layer) * factor


def run_all(layers: nn.ModuleList, x: Tensor) -> Tensor:
    """Apply the layers of a list to x, one after the other."""
    for layer in layers:
        x = layer(x)
    return x


class MeanShift(nn.Conv2d):
    """Adds `sign` × `peak` × the DIV2K mean: a 1×1 convolution, because some published checkpoints trained its values.

    `frozen` leaves it out of training; in the EDSR lineage it is trained, in CARN and DRLN it is not.
    """

    def __init__(self, *, sign: int, peak: float, frozen: bool) -> None:
        super().__init__(3, 3, 1)
        self.weight = nn.Parameter(torch.eye(3).reshape(3, 3, 1, 1))
        self.bias = nn.Parameter(torch.tensor([sign * peak * mean for mean in DIV2K_MEAN]))
        self.requires_grad_(not frozen)


class MeanShiftedNetwork(SRNetwork):
    """A network that subtracts the mean before its `first` convolution and adds it after its `last` one.

    `mean_shift=False` keeps the two convolutions in the state and leaves them out of the computation, as the BAM
    paper's code does.
    """

    first: nn.Conv2d
    last: nn.Conv2d

    def __init__(self, *, scale: int, value_range: float, mean_shift: bool, peak: float, frozen: bool) -> None:
        super().__init__(scale=scale, value_range=value_range)
        self.mean_shift = mean_shift
        self.sub_mean = MeanShift(sign=-1, peak=peak, frozen=frozen)
        self.add_mean: nn.Module = MeanShift(sign=1, peak=peak, frozen=frozen)

    def shallow_features(self, x: Tensor) -> Tensor:
        """Apply the first convolution to the input minus the mean."""
        features: Tensor = self.first(self.sub_mean(x) if self.mean_shift else x)
        return features

    def reconstruct(self, deep: Tensor, shallow: Tensor, x: Tensor) -> Tensor:
        """Apply the last convolution, and add the mean."""
        sr: Tensor = self.last(deep)
        return self.add_mean(sr) if self.mean_shift else sr

    def fold(self) -> None:
        """Merge the mean shift and the rescaling to [0, 1] into the last convolution; exact, for inference."""
        last, shift = self.last, self.add_mean
        if not isinstance(shift, MeanShift):
            raise UpscalerError("expected a last convolution and a mean shift to fold, got a network folded before")
        if self.mean_shift:
            matrix = shift.weight.flatten(1)
            last.weight.data = torch.einsum("oi,ichw->ochw", matrix, last.weight)
            bias_of(last).data = matrix @ bias_of(last) + bias_of(shift)
        scale_output(last, 1 / self.output_range)
        self.add_mean, self.output_range = nn.Identity(), 1.0


class ResidualBlock(nn.Module):
    """Convolution, ReLU, convolution, times `residual_scale`, plus the input (EDSR)."""

    def __init__(self, channels: int, *, residual_scale: float = 1.0) -> None:
        super().__init__()
        self.residual_scale = residual_scale
        self.first = conv(channels, channels)
        self.second = conv(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """N×C×H×W to the same shape."""
        residual: Tensor = self.second(torch.relu(self.first(x)))
        return x + (residual if self.residual_scale == 1 else residual * self.residual_scale)

    def fold(self) -> None:
        """Merge the residual scale into the second convolution; exact, for inference."""
        scale_output(self.second, self.residual_scale)
        self.residual_scale = 1.0


class RectifiedBlock(nn.Module):
    """Convolution, ReLU, convolution (and with `pointwise` ReLU and a 1×1), plus the input, ReLU (CARN, DRLN)."""

    def __init__(self, channels: int, *, groups: int = 1, pointwise: bool = False) -> None:
        super().__init__()
        self.first = conv(channels, channels, groups=groups)
        self.second = conv(channels, channels, groups=groups)
        self.third = conv(channels, channels, 1) if pointwise else None

    def forward(self, x: Tensor) -> Tensor:
        """N×C×H×W to the same shape."""
        residual = self.second(torch.relu(self.first(x)))
        if self.third is not None:
            residual = self.third(torch.relu(residual))
        return torch.relu(residual + x)


class Upsampler(nn.Module):
    """Convolution to f²·C and pixel shuffle f: once for ×2 and ×3, twice with f = 2 for ×4.

    `rectified` puts a ReLU before each pixel shuffle (CARN, DRLN).
    """

    def __init__(self, channels: int, scale: int, *, rectified: bool = False, groups: int = 1) -> None:
        super().__init__()
        self.rectified = rectified
        self.factor = 2 if scale == 4 else scale
        count = 2 if scale == 4 else 1
        self.stages = nn.ModuleList(conv(channels, channels * self.factor**2, groups=groups) for _ in range(count))

    def forward(self, x: Tensor) -> Tensor:
        """N×C×H×W to N×C×sH×sW."""
        for stage in self.stages:
            x = torch.relu(stage(x)) if self.rectified else stage(x)
            x = functional.pixel_shuffle(x, self.factor)
        return x
