"""Make a copy of a network that computes the same output in less time, for inference only."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch

from srbench.errors import UpscalerError
from srbench.zoo.blocks import SRNetwork
from srbench.zoo.compiling import allow_many_networks
from srbench.zoo.reparam import merge


@runtime_checkable
class Foldable(Protocol):
    """A module that can merge constant factors, sums and norms into its convolutions."""

    def fold(self) -> None:
        """Merge them in place; the state then no longer has the published keys."""


def optimized(
    network: SRNetwork, *, channels_last: bool = True, compiled: bool = False, graphs: bool = False
) -> SRNetwork:
    """Return a copy for inference, with the same output up to float32 rounding.

    It cannot be trained, saved or optimised again.

    Merged are the branches of a training form, weight norm, residual and branch factors, the attention's unused taps,
    and the output's mean shift and scaling. The input's mean shift stays: with zero padding it is not exact. `compiled`
    adds `torch.compile`: the first images take long, as each new kind of size is compiled. `graphs` compiles and
    replays CUDA graphs: an output is overwritten by the next call, so it has to be used or copied before that.

    Raises:
        UpscalerError: graphs for a network that is not on an NVIDIA GPU.
    """
    if graphs and next(network.parameters()).device.type != "cuda":
        raise UpscalerError("CUDA graphs: expected a network on an NVIDIA GPU; use torch.compile alone elsewhere")
    twin = merge(network).eval().requires_grad_(False)
    for module in list(twin.modules()):
        if isinstance(module, Foldable):
            module.fold()
    twin.requires_grad_(False)
    if channels_last:
        twin = twin.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stubs
    if graphs or compiled:
        allow_many_networks()
    if graphs:
        twin.compile(mode="reduce-overhead")
    elif compiled:
        twin.compile()
    return twin
