"""AWSRN: adaptive weighted network (Wang et al., 2019), after the authors' ChaofWang/AWSRN."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from srbench.errors import UpscalerError
from srbench.zoo.attention import ATTENTION_KEYS, AttentionFactory
from srbench.zoo.blocks import DIV2K_MEAN, SRNetwork, bias_of, conv, run_all, scale_output
from srbench.zoo.keys import KeyTable, slot_rows

_KERNELS = (3, 5, 7, 9)


class WeightNormConv(nn.Module):
    """A convolution with weight g · v / ‖v‖, the norm taken per output channel; keys `weight_g`, `weight_v`, `bias`."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3) -> None:
        super().__init__()
        plain = conv(inputs, outputs, kernel)
        self.padding = kernel // 2
        self.weight_v = nn.Parameter(plain.weight.detach())
        self.weight_g = nn.Parameter(_norm(self.weight_v.detach()))
        self.bias = plain.bias

    @property
    def weight(self) -> Tensor:
        """Return the weight that the convolution uses, O×I×K×K."""
        return self.weight_v * (self.weight_g / _norm(self.weight_v))

    def forward(self, x: Tensor) -> Tensor:
        """N×I×H×W to N×O×H×W."""
        return functional.conv2d(x, self.weight, self.bias, padding=self.padding)

    def plain(self, *, kernel: int | None = None) -> nn.Conv2d:
        """Return the plain convolution with the same result; its kernel can be enlarged with zeros."""
        weight = self.weight.detach()
        border = ((kernel or weight.shape[-1]) - weight.shape[-1]) // 2
        folded = conv(weight.shape[1], weight.shape[0], weight.shape[-1] + 2 * border)
        folded.weight = nn.Parameter(functional.pad(weight, [border] * 4))
        folded.bias = self.bias
        return folded


class LearnedScale(nn.Module):
    """One learned factor."""

    def __init__(self, initial: float = 1.0) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor([initial]))

    def forward(self, x: Tensor) -> Tensor:
        """x times the factor."""
        return x * self.scale


class WeightedUnit(nn.Module):
    """Wide convolution, ReLU, convolution; residual and input each with a learned factor."""

    def __init__(self, channels: int, wide: int) -> None:
        super().__init__()
        self.widen: nn.Module = WeightNormConv(channels, wide)
        self.narrow: nn.Module = WeightNormConv(wide, channels)
        self.residual_scale: nn.Module = LearnedScale()
        self.input_scale = LearnedScale()

    def forward(self, x: Tensor) -> Tensor:
        """N×C×H×W to the same shape."""
        residual = self.residual_scale(self.narrow(torch.relu(self.widen(x))))
        total: Tensor = residual + self.input_scale(x)
        return total

    def fold(self) -> None:
        """Use plain convolutions, and multiply the second by the factor of the residual; exact, for inference."""
        self.widen = _folded(self.widen)
        self.narrow, self.residual_scale = _folded(self.narrow, self.residual_scale), nn.Identity()


class LocalFusionBlock(nn.Module):
    """A chain of units whose outputs are all reduced together; residual and input each with a learned factor."""

    def __init__(self, channels: int, wide: int, units: int) -> None:
        super().__init__()
        self.units = nn.ModuleList(WeightedUnit(channels, wide) for _ in range(units))
        self.reduce: nn.Module = WeightNormConv(units * channels, channels)
        self.residual_scale: nn.Module = LearnedScale()
        self.input_scale = LearnedScale()

    def forward(self, x: Tensor) -> Tensor:
        """N×C×H×W to the same shape."""
        outputs = [x]
        for unit in self.units:
            outputs.append(unit(outputs[-1]))
        reduced = self.residual_scale(self.reduce(torch.cat(outputs[1:], 1)))
        total: Tensor = reduced + self.input_scale(x)
        return total

    def fold(self) -> None:
        """Use a plain convolution for the reduction, multiplied by its factor; exact, for inference."""
        self.reduce, self.residual_scale = _folded(self.reduce, self.residual_scale), nn.Identity()


class AWSRN(SRNetwork):
    """AWSRN with `blocks` fusion blocks of `units` units; the attention sits between body and tail.

    The tail sums branches of four kernel sizes, each with a learned factor, and a branch from the input. `normalise`
    subtracts the DIV2K mean and divides by half the value range, in code: there are no mean-shift tensors.
    """

    def __init__(
        self,
        *,
        scale: int,
        attention: AttentionFactory,
        value_range: float,
        normalise: bool,
        channels: int,
        wide: int,
        blocks: int,
        units: int,
    ) -> None:
        super().__init__(scale=scale, value_range=value_range)
        outputs = 3 * scale**2
        self.normalise = normalise
        self.denormalise = normalise
        self.spread = self.value_range / 2
        self.first: nn.Module = WeightNormConv(3, channels)
        self.blocks = nn.ModuleList(LocalFusionBlock(channels, wide, units) for _ in range(blocks))
        self.attention = attention(channels)
        self.branches = nn.ModuleList(WeightNormConv(channels, outputs, kernel) for kernel in _KERNELS)
        self.branch_scales = nn.ModuleList(LearnedScale(1 / len(_KERNELS)) for _ in _KERNELS)
        self.skip: nn.Module = WeightNormConv(3, outputs)

    def shallow_features(self, x: Tensor) -> Tensor:
        """The first convolution, on the normalised input."""
        features: Tensor = self.first(self._normalised(x))
        return features

    def deep_features(self, shallow: Tensor) -> Tensor:
        """All blocks and the attention: N×C×H×W."""
        features: Tensor = self.attention(run_all(self.blocks, shallow))
        return features

    def reconstruct(self, deep: Tensor, shallow: Tensor, x: Tensor) -> Tensor:
        """The branches of the tail, the skip from the input, one pixel shuffle."""
        total = self.skip(self._normalised(x))
        for branch, factor in zip(self.branches, self.branch_scales, strict=True):
            total = total + factor(branch(deep))
        sr = functional.pixel_shuffle(total, self.scale)
        return _each_channel(sr, self.spread, self._mean()) if self.denormalise else sr

    def fold(self) -> None:
        """Replace the four branches by one 9×9 convolution that also rescales to [0, 1]; exact, for inference."""
        widest = _KERNELS[-1]
        parts = [
            _folded(branch, factor, kernel=widest)
            for branch, factor in zip(self.branches, self.branch_scales, strict=True)
        ]
        tail, skip = conv(parts[0].in_channels, parts[0].out_channels, widest), _folded(self.skip)
        tail.weight.data = torch.stack([part.weight for part in parts]).sum(0)
        bias_of(tail).data = torch.stack([bias_of(part) for part in parts]).sum(0)
        factor = (self.spread if self.denormalise else 1.0) / self.output_range
        for layer in (tail, skip):
            scale_output(layer, factor)
        if self.denormalise:
            mean = tail.weight.new_tensor(DIV2K_MEAN) * (self.value_range / self.output_range)
            bias_of(tail).data += mean.repeat_interleave(self.scale**2)
        self.first, self.skip = _folded(self.first), skip
        self.branches, self.branch_scales = nn.ModuleList([tail]), nn.ModuleList([nn.Identity()])
        self.denormalise, self.output_range = False, 1.0

    def _normalised(self, x: Tensor) -> Tensor:
        offsets = [-mean / self.spread for mean in self._mean()]
        return _each_channel(x, 1 / self.spread, offsets) if self.normalise else x

    def _mean(self) -> list[float]:
        return [self.value_range * mean for mean in DIV2K_MEAN]


def _folded(layer: nn.Module, factor: nn.Module | None = None, *, kernel: int | None = None) -> nn.Conv2d:
    if not isinstance(layer, WeightNormConv):
        raise UpscalerError(
            f"expected a weight-normalised convolution to fold, got {type(layer).__name__}: folded before"
        )
    plain = layer.plain(kernel=kernel)
    if isinstance(factor, LearnedScale):
        scale_output(plain, float(factor.scale))
    return plain


def _norm(weight: Tensor) -> Tensor:
    return weight.square().sum((1, 2, 3), keepdim=True).sqrt()


def _each_channel(x: Tensor, factor: float, offsets: list[float]) -> Tensor:
    # Plain numbers instead of a buffer, which would stay on `meta` when weights are assigned.
    return torch.cat([x[:, c : c + 1] * factor + offset for c, offset in enumerate(offsets)], 1)


def key_tables(attention: str) -> tuple[KeyTable, ...]:
    """Rename tables of ChaofWang/AWSRN's two key families (`awsrn.py`; `awsrnv2.py`, which the BAM form follows)."""
    return tuple(_table(unit, attention) for unit in ("body.{i}.b{j}", "body.{i}.lfl.{j}"))


def _table(unit: str, attention: str) -> KeyTable:
    return KeyTable(
        (
            ("head.0", "first"),
            (f"{unit}.body.0", "blocks.{i}.units.{j}.widen"),
            (f"{unit}.body.2", "blocks.{i}.units.{j}.narrow"),
            (f"{unit}.res_scale", "blocks.{i}.units.{j}.residual_scale"),
            (f"{unit}.x_scale", "blocks.{i}.units.{j}.input_scale"),
            ("body.{i}.reduction", "blocks.{i}.reduce"),
            ("body.{i}.res_scale", "blocks.{i}.residual_scale"),
            ("body.{i}.x_scale", "blocks.{i}.input_scale"),
            *((f"tail.tail_k{kernel}", f"branches.{index}") for index, kernel in enumerate(_KERNELS)),
            *((f"tail.scale_k{kernel}", f"branch_scales.{index}") for index, kernel in enumerate(_KERNELS)),
            ("skip.0", "skip"),
            *slot_rows("attention", "attention", ATTENTION_KEYS[attention]),
        )
    )
