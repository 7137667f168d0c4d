"""Counting what a network costs: parameters, and multiply-accumulates of one forward pass."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from srbench.zoo.blocks import SRNetwork
from srbench.zoo.costs import OUTPUT_SIZE


def count_parameters(module: nn.Module) -> int:
    """The number of values in all parameters: trained or not, used at this scale or not."""
    return sum(parameter.numel() for parameter in module.parameters())


def count_macs(module: nn.Module, *, height: int, width: int) -> int:
    """Multiply-accumulates of the convolutions and matrix products for one LR image; nothing is computed.

    One multiply-accumulate is two FLOPs. Sums, products and activations per value are left out, as papers do.
    """
    on_meta = all(tensor.is_meta for tensor in module.parameters())
    ghost = copy.copy(module) if on_meta else copy.deepcopy(module).to("meta")
    if isinstance(ghost, SRNetwork):
        ghost.deep_dtype = None  # meta tensors know no autocast, and the count is the same in every precision
    counter = FlopCounterMode(display=False)
    with torch.inference_mode(), counter:
        ghost(torch.empty(1, 3, height, width, device="meta"))
    return counter.get_total_flops() // 2


def macs_for_output(module: nn.Module, *, scale: int) -> int:
    """Multiply-accumulates of a convolutional network for a 1280×720 output at ×2, ×3 or ×4.

    Such a network's count depends on the number of LR pixels alone. So the LR image here is as wide as the output and
    lower for it: at ×3 the width that papers divide by, 1280 / 3, is no integer.
    """
    height, width = OUTPUT_SIZE
    return count_macs(module, height=height // scale**2, width=width)
