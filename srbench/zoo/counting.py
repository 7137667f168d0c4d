"""Count the parameters of a network and the multiply-accumulates of one forward pass."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from srbench.zoo.blocks import SRNetwork
from srbench.zoo.costs import OUTPUT_SIZE


def count_parameters(module: nn.Module) -> int:
    """Return the number of values in all parameters, including those not trained or not used at this scale."""
    return sum(parameter.numel() for parameter in module.parameters())


def count_macs(module: nn.Module, *, height: int, width: int) -> int:
    """Multiply-accumulates of the convolutions and matrix products for one LR image; nothing is computed.

    One multiply-accumulate is two FLOPs. Sums, products and activations per value are left out, as papers do.
    """
    return _counted(module, height=height, width=width).flops // 2


@dataclass(frozen=True)
class ChallengeCost:
    """The counts of a network in the NTIRE challenges on efficient SR, at ×4 for an LR image of 256×256 pixels.

    `activations` are the values in the outputs of all convolutions, `convolutions` is how many of them run.
    """

    parameters: int
    macs: int
    activations: int
    convolutions: int


def challenge_cost(module: nn.Module, *, height: int = 256, width: int = 256) -> ChallengeCost:
    """Count a network as the NTIRE challenges on efficient SR do, on meta tensors without computing.

    The reports of the challenges agree: to 0.2 % in MACs, to the printed digit in activations.
    """
    counter = _counted(module, height=height, width=width)
    return ChallengeCost(count_parameters(module), counter.flops // 2, counter.activations, counter.convolutions)


def _counted(module: nn.Module, *, height: int, width: int) -> _Counter:
    on_meta = all(tensor.is_meta for tensor in module.parameters())
    ghost = copy.copy(module) if on_meta else copy.deepcopy(module).to("meta")
    if isinstance(ghost, SRNetwork):
        ghost.deep_dtype = None  # meta tensors do not support autocast; the count is the same in every precision
    counter = _Counter()
    # Not under inference_mode, where a convolution is reported under several names that call each other.
    with torch.no_grad(), counter:
        ghost(torch.empty(1, 3, height, width, device="meta"))
    return counter


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch left this class untyped
    """Adds up the FLOPs of every executed product with the formulas of torch's `FlopCounterMode`.

    Pointwise operations have no FLOPs. They are not run but replaced by a tensor of the right shape: on `meta` they
    would take most of the time.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # as above
        self.flops = self.activations = self.convolutions = 0

    def __torch_dispatch__(
        self,
        func: torch._ops.OpOverload,
        types: Sequence[type],
        args: Sequence[object] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:
        # Keywords may request another type or memory layout; clone counts as pointwise, too.
        pointwise = torch.Tag.pointwise in func.tags and not func._schema.is_mutable and not kwargs
        largest = _largest(args) if pointwise else None
        if largest is not None:
            return torch.empty_like(largest)
        result = func(*args, **(kwargs or {}))
        formula = flop_registry.get(func.overloadpacket)
        if formula is not None:
            self.flops += formula(*args, **(kwargs or {}), out_val=result)
        if func.overloadpacket is torch.ops.aten.convolution:
            self.convolutions += 1
            self.activations += result.numel()
        return result


def _largest(args: Sequence[object]) -> Tensor | None:
    """Return the tensor that all others broadcast to; None unless there is one and all have its dtype."""
    tensors = [value for value in args if isinstance(value, Tensor)]
    largest = max(tensors, key=Tensor.numel, default=None)
    if largest is None or any(tensor.dtype != largest.dtype for tensor in tensors):
        return None
    shape = torch.broadcast_shapes(*(tensor.shape for tensor in tensors))  # type: ignore[no-untyped-call]  # as above
    return largest if shape == largest.shape else None


def macs_for_output(module: nn.Module, *, scale: int) -> int:
    """Multiply-accumulates of a convolutional network for a 1280×720 output at ×2, ×3 or ×4.

    At ×3 the width that papers divide by, 1280 / 3, is no integer: there the LR image has the same number of pixels,
    but is as wide as the output. For networks that pool at fixed sizes this count is a close approximation.
    """
    height, width = OUTPUT_SIZE
    if width % scale:
        return count_macs(module, height=height // scale**2, width=width)
    return count_macs(module, height=height // scale, width=width // scale)
