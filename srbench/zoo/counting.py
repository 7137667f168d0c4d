"""Counting what a network costs: parameters, and multiply-accumulates of one forward pass."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

OUTPUT_SIZE = (720, 1280)
"""Height and width of the output that papers quote multiply-accumulates for."""


def count_parameters(module: nn.Module) -> int:
    """The number of values in all parameters: trained or not, used at this scale or not."""
    return sum(parameter.numel() for parameter in module.parameters())


def count_macs(module: nn.Module, *, height: int, width: int) -> int:
    """Multiply-accumulates of the convolutions and matrix products for one LR image; nothing is computed.

    One multiply-accumulate is two FLOPs. Sums, products and activations per value are left out, as papers do.
    """
    on_meta = all(tensor.is_meta for tensor in module.parameters())
    ghost = module if on_meta else copy.deepcopy(module).to("meta")
    counter = FlopCounterMode(display=False)
    with torch.inference_mode(), counter:
        ghost(torch.empty(1, 3, height, width, device="meta"))
    return counter.get_total_flops() // 2


def macs_for_output(module: nn.Module, *, scale: int) -> int:
    """Multiply-accumulates for a 1280×720 output.

    At ×3 the LR width 1280 / 3 is no integer; papers divide all the same, so this interpolates between 426 and 427.
    """
    height, (width, rest) = OUTPUT_SIZE[0] // scale, divmod(OUTPUT_SIZE[1], scale)
    macs = count_macs(module, height=height, width=width)
    if rest:
        macs += (count_macs(module, height=height, width=width + 1) - macs) * rest // scale
    return macs
