"""Convolutions that are several branches in training and one 3×3 convolution afterwards, with equal outputs.

A branch of several convolutions gets its input padded with zeros first. Each inner map then has its bias at the border,
so that the merged convolution is exact there, too.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional

from srbench.zoo.blocks import SRNetwork

Kernel = tuple[Tensor, Tensor]
"""Weight O×I×3×3 and bias O of a convolution, float64."""

_GAIN = 2
_EDGE_FILTERS = (
    ((1.0, 0.0, -1.0), (2.0, 0.0, -2.0), (1.0, 0.0, -1.0)),
    ((1.0, 2.0, 1.0), (0.0, 0.0, 0.0), (-1.0, -2.0, -1.0)),
    ((0.0, 1.0, 0.0), (1.0, -4.0, 1.0), (0.0, 1.0, 0.0)),
)
"""Sobel along x, Sobel along y, Laplacian."""


class BranchedConv(nn.Module, ABC):
    """A layer of parallel linear branches that equals one zero-padded 3×3 convolution."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.inputs, self.outputs = inputs, outputs

    @abstractmethod
    def kernel(self) -> Kernel:
        """Return the weight and bias of the one convolution, float64."""

    def merged(self) -> nn.Conv2d:
        """Return the 3×3 convolution with the same output, with the dtype and device of the branches."""
        some = next(self.parameters())
        layer = nn.Conv2d(self.inputs, self.outputs, 3, padding=1, device=some.device, dtype=some.dtype)
        with torch.no_grad():
            weight, bias = self.kernel()
            layer.weight.copy_(weight)
            if layer.bias is not None:
                layer.bias.copy_(bias)
        return layer


class ExpandedConv(BranchedConv):
    """SPAN's convolution in training: 1×1 to twice the channels, 3×3, 1×1 back, plus a 1×1 branch."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs)
        self.skip = nn.Conv2d(inputs, outputs, 1)
        self.expand = nn.Conv2d(inputs, _GAIN * inputs, 1)
        self.spatial = nn.Conv2d(_GAIN * inputs, _GAIN * outputs, 3)
        self.reduce = nn.Conv2d(_GAIN * outputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """N×I×H×W to N×O×H×W."""
        total: Tensor = self.reduce(self.spatial(self.expand(_padded(x)))) + self.skip(x)
        return total

    def kernel(self) -> Kernel:
        """Return the sum of both branches as one convolution."""
        inner = _then(_then(_kernel_of(self.expand), _kernel_of(self.spatial)), _kernel_of(self.reduce))
        return _sum([_centred(inner), _centred(_kernel_of(self.skip))])


class EdgeConv(BranchedConv):
    """EFDN's convolution in training: 3×3, 1×1, 1×1 then 3×3, three 1×1 then edge filters, and the input itself.

    Each edge filter is a fixed mask with a trained factor and bias per channel. Needs as many inputs as outputs.
    """

    masks: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels)
        self.plain = nn.Conv2d(channels, channels, 3, padding=1)
        self.point = nn.Conv2d(channels, channels, 1)
        self.expand = nn.Conv2d(channels, _GAIN * channels, 1)
        self.spatial = nn.Conv2d(_GAIN * channels, channels, 3)
        self.edge_inputs = nn.ModuleList(nn.Conv2d(channels, channels, 1) for _ in _EDGE_FILTERS)
        self.edge_scales = nn.ParameterList(nn.Parameter(torch.randn(channels) * 1e-3) for _ in _EDGE_FILTERS)
        self.edge_biases = nn.ParameterList(nn.Parameter(torch.zeros(channels)) for _ in _EDGE_FILTERS)
        self.register_buffer("masks", torch.tensor(_EDGE_FILTERS), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """N×C×H×W to the same shape."""
        padded = _padded(x)
        total: Tensor = x + self.plain(x) + self.point(x) + self.spatial(self.expand(padded))
        for number, layer in enumerate(self.edge_inputs):
            total = total + functional.conv2d(
                layer(padded), self._edge_weight(number), self.edge_biases[number], groups=self.inputs
            )
        return total

    def kernel(self) -> Kernel:
        """Return the sum of all branches as one convolution."""
        expanded = _then(_kernel_of(self.expand), _kernel_of(self.spatial))
        edges = [_then(_kernel_of(layer), self._edge_kernel(number)) for number, layer in enumerate(self.edge_inputs)]
        points = [_centred(_kernel_of(self.point)), _centred(self._identity())]
        return _sum([_kernel_of(self.plain), *points, expanded, *edges])

    def _edge_weight(self, number: int) -> Tensor:
        weight: Tensor = self.edge_scales[number].reshape(-1, 1, 1, 1) * self.masks[number]
        return weight

    def _edge_kernel(self, number: int) -> Kernel:
        filters = self._edge_weight(number).double()
        dense = filters.new_zeros(self.inputs, self.inputs, 3, 3)
        every = torch.arange(self.inputs)
        dense[every, every] = filters[:, 0]
        return dense, self.edge_biases[number].double()

    def _identity(self) -> Kernel:
        eye = torch.eye(self.inputs, dtype=torch.float64, device=self.masks.device)
        return eye.reshape(self.inputs, self.inputs, 1, 1), eye.new_zeros(self.inputs)


def merge(network: SRNetwork) -> SRNetwork:
    """Return a copy in which every branched layer is one convolution: the deployed form of the network.

    Its outputs and its state are those of the network that is built without `training_form`. A network without such
    layers is copied as it is.
    """
    twin = copy.deepcopy(network)
    for parent in list(twin.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, BranchedConv):
                layer = child.merged().train(child.training)
                setattr(parent, name, layer.requires_grad_(next(child.parameters()).requires_grad))
    return twin


def has_branches(network: nn.Module) -> bool:
    """Return whether a layer has branches that `merge` would combine."""
    return any(isinstance(module, BranchedConv) for module in network.modules())


def _padded(x: Tensor) -> Tensor:
    return functional.pad(x, (1, 1, 1, 1))


def _kernel_of(layer: nn.Module) -> Kernel:
    if not isinstance(layer, nn.Conv2d) or layer.bias is None:
        raise TypeError(f"expected a convolution with a bias, got {layer}")
    return layer.weight.detach().double(), layer.bias.detach().double()


def _then(first: Kernel, second: Kernel) -> Kernel:
    """Return one convolution for two in a row, of which at most one is larger than 1×1."""
    (inner, inner_bias), (outer, outer_bias) = first, second
    if inner.shape[-1] > 1:
        weight = torch.einsum("om,mihw->oihw", outer[:, :, 0, 0], inner)
    else:
        weight = torch.einsum("omhw,mi->oihw", outer, inner[:, :, 0, 0])
    return weight, outer_bias + outer.sum((2, 3)) @ inner_bias


def _centred(kernel: Kernel) -> Kernel:
    weight, bias = kernel
    return (functional.pad(weight, (1, 1, 1, 1)) if weight.shape[-1] == 1 else weight), bias


def _sum(kernels: list[Kernel]) -> Kernel:
    weights, biases = zip(*kernels, strict=True)
    return torch.stack(weights).sum(0), torch.stack(biases).sum(0)
