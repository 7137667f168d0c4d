"""Optimise a network: its optimiser and the running average of its weights, one global batch per step."""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypedDict

import torch
from torch import Tensor, nn
from torch.nn import functional

from srbench.errors import TrainingError
from srbench.training.processes import DistContext
from srbench.training.recipe import Recipe
from srbench.zoo.blocks import SRNetwork
from srbench.zoo.compiling import allow_many_networks


class OptimizationState(TypedDict):
    """Weights, their average, and the state of the optimiser."""

    network: dict[str, Tensor]
    average: list[Tensor]
    optimiser: dict[str, Any]


CHARBONNIER_EPSILON = 1e-3
"""The width in which Charbonnier's loss is smooth, for values in [0, 1] (Lai et al., LapSRN, CVPR 2017)."""


def charbonnier(sr: Tensor, hr: Tensor) -> Tensor:
    """Return the mean of √(d² + ε²) over the differences d of two tensors."""
    return torch.sqrt((sr - hr) ** 2 + CHARBONNIER_EPSILON**2).mean()


_LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "l1": functional.l1_loss,
    "l2": functional.mse_loss,
    "charbonnier": charbonnier,
}
_OPTIMISERS: dict[str, type[torch.optim.Adam]] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
_START_OF_CYCLE = 1 / 25
# Steps before a CUDA graph is recorded, so that the libraries have chosen their algorithms.
_WARM_UP = 3


@dataclass(frozen=True)
class PerfOptions:
    """Options that compute the same steps faster. They are not part of the recipe.

    `accumulate` splits a process' share of the batch, for less memory.
    """

    accumulate: int = 1
    channels_last: bool = True
    compiled: bool = False
    graphs: bool = False


def learning_rate(recipe: Recipe, step: float) -> float:
    """Return the learning rate of a step of a recipe; in a shortened schedule, steps may be fractions."""
    if recipe.schedule == "constant":
        return recipe.learning_rate
    if recipe.schedule == "halving":
        return recipe.learning_rate * 0.5 ** int(step // recipe.halve_every)
    rising = recipe.warmup * recipe.steps
    if step < rising:
        return recipe.learning_rate * _along_cosine(_START_OF_CYCLE, 1.0, step / rising)
    return recipe.learning_rate * _along_cosine(1.0, recipe.final, (step - rising) / (recipe.steps - rising))


def _along_cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


class Optimization:
    """The training of a network on one device of a `DistContext`.

    Every process holds the same weights; gradients are averaged over all of them once in a step. Parameters that a
    loss does not reach (the heads of other scales) stay as they are.
    """

    def __init__(self, network: SRNetwork, recipe: Recipe, world: DistContext, speed: PerfOptions) -> None:
        self.recipe, self.world, self.speed = recipe, world, speed
        on_gpu = world.device.type == "cuda"
        if speed.graphs and not on_gpu:
            # On other devices a recorded graph is empty, and its replay would train nothing.
            raise TrainingError(f"CUDA graphs: expected an NVIDIA GPU, got {world.device}; leave --graphs out")
        self.layout = torch.channels_last if speed.channels_last else torch.contiguous_format
        self.network = network.train().to(world.device, memory_format=self.layout)  # type: ignore[call-overload]  # missing in torch's stubs
        _set_precision(self.network, recipe.precision)
        self.trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
        self.average = [parameter.detach().clone() for parameter in self.trained]
        self.optimiser = _OPTIMISERS[recipe.optimiser](
            self.trained,
            lr=recipe.learning_rate,
            betas=(recipe.beta1, recipe.beta2),
            eps=recipe.epsilon,
            weight_decay=recipe.weight_decay,
            # One operation for all parameters; otherwise a small network spends half of a step in its optimiser.
            fused=True,
        )
        self._loss = _LOSSES[recipe.loss]
        if speed.compiled:
            allow_many_networks()
        self._forward: nn.Module | Callable[[Tensor], Tensor] = (
            torch.compile(self.network) if speed.compiled else self.network
        )
        self._backward = _Recorded(self._plain_backward) if speed.graphs else self._plain_backward
        self.optimiser.zero_grad()

    def step(self, parts: Iterable[tuple[Tensor, Tensor]], number: float) -> Tensor:
        """Train one step on this process's parts (LR, HR) of a global batch, at step `number` of the schedule.

        Returns the batch's mean loss and the norm of its gradient, float32, shape 2.
        """
        total = torch.zeros((), device=self.world.device)
        for lr, hr in parts:
            total += self._backward(lr.contiguous(memory_format=self.layout), hr)
        gradients = [parameter.grad for parameter in self.trained if parameter.grad is not None]
        self.world.average([total, *gradients])
        norm = nn.utils.get_total_norm(gradients)
        if self.recipe.clip:
            nn.utils.clip_grads_with_norm_(self.trained, self.recipe.clip, norm)
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.recipe, number)
        self.optimiser.step()
        # A recorded graph writes into the memory of the gradients, so that memory must not be replaced.
        self.optimiser.zero_grad(set_to_none=not self.speed.graphs)
        self._follow(number)
        return torch.stack([total, norm])

    def result(self) -> dict[str, Tensor]:
        """Return the final state: averaged weights instead of the trained ones, on the CPU in float32."""
        state = {key: value.detach() for key, value in self.network.state_dict().items()}
        averaged = dict(zip(map(id, self.trained), self.average, strict=True))
        for key, parameter in self.network.named_parameters():
            state[key] = averaged.get(id(parameter), state[key])
        return {key: value.float().cpu().contiguous() for key, value in state.items()}

    @contextmanager
    def averaged(self) -> Iterator[SRNetwork]:
        """Yield the network in evaluation mode and float32 with the averaged weights; restore it afterwards."""
        own = [parameter.detach().clone() for parameter in self.trained]
        weights = [parameter.detach() for parameter in self.trained]
        # Values are copied and tensors kept, because a recorded graph and the optimiser refer to these tensors.
        torch._foreach_copy_(weights, self.average)
        middle, self.network.deep_dtype = self.network.deep_dtype, None
        self.network.eval()
        try:
            with torch.inference_mode():
                yield self.network
        finally:
            torch._foreach_copy_(weights, own)
            self.network.train().deep_dtype = middle

    def state_dict(self) -> OptimizationState:
        """Return weights, their average and the optimiser's state: everything that the next step depends on."""
        return {"network": self.network.state_dict(), "average": self.average, "optimiser": self.optimiser.state_dict()}

    def load_state_dict(self, state: OptimizationState) -> None:
        """Continue from a state."""
        self.network.load_state_dict(state["network"])
        torch._foreach_copy_(self.average, [value.to(self.world.device) for value in state["average"]])
        # Older checkpoints switch the fused step off, which would be slower.
        groups = [{**group, "fused": True} for group in state["optimiser"]["param_groups"]]
        self.optimiser.load_state_dict({**state["optimiser"], "param_groups": groups})
        for parameter, held in self.optimiser.state.items():
            for name, value in held.items():
                if value.shape == parameter.shape:
                    # The state must have the memory layout of the weights, which may differ from the checkpoint's
                    # (--layout).
                    held[name] = torch.empty_like(parameter).copy_(value)

    def _plain_backward(self, lr: Tensor, hr: Tensor) -> Tensor:
        loss = self._loss(self._forward(lr), hr) / self.speed.accumulate
        loss.backward()  # type: ignore[no-untyped-call]  # untyped in torch
        return loss.detach()

    def _follow(self, number: float) -> None:
        weights = [parameter.detach() for parameter in self.trained]
        # Early weights are far from the final ones, so the average starts short and grows to the recipe's length.
        decay = min(self.recipe.ema, (1 + number) / (10 + number))
        if self.recipe.ema:
            torch._foreach_lerp_(self.average, weights, 1 - decay)
        else:
            torch._foreach_copy_(self.average, weights)


class _Recorded:
    """A backward pass recorded as a CUDA graph after a few plain ones, then replayed without launching each kernel."""

    def __init__(self, backward: Callable[[Tensor, Tensor], Tensor]) -> None:
        # The graph and its tensors refer to each other, which would keep their memory after the end of the training.
        gc.collect()
        self._plain, self._calls = backward, 0
        self._aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # untyped in torch
        self._graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, lr: Tensor, hr: Tensor) -> Tensor:
        self._calls += 1
        if self._calls <= _WARM_UP:
            return self._on_side_stream(lr, hr)
        if self._graph is None:
            self._inputs = (lr.clone(), hr.clone())
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph):
                self._loss = self._plain(*self._inputs)
        for held, new in zip(self._inputs, (lr, hr), strict=True):
            held.copy_(new)
        self._graph.replay()
        return self._loss

    def _on_side_stream(self, lr: Tensor, hr: Tensor) -> Tensor:
        # Before recording, some passes must run on a stream other than the default one.
        self._aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._aside):
            loss = self._plain(lr, hr)
        torch.cuda.current_stream().wait_stream(self._aside)
        return loss


def _set_precision(network: SRNetwork, precision: str) -> None:
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
    # Patches have one size, so the search for the fastest algorithm is worth it.
    torch.backends.cudnn.benchmark = True
    if precision == "bf16":
        network.deep_dtype = torch.bfloat16
