"""Steps replayed as CUDA graphs, on a stand-in for CUDA: what is recorded computes nothing until it is replayed."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from srbench.training import optimization
from srbench.training.optimization import Optimization, PerfOptions
from srbench.training.processes import DistContext
from srbench.zoo.blocks import SRNetwork, conv
from tests.training.small import small_recipe


class _Network(SRNetwork):
    """A small one, with a part that no loss reaches."""

    def __init__(self) -> None:
        super().__init__(scale=2, value_range=255)
        self.first, self.middle, self.last, self.unused = conv(3, 4), conv(4, 4), conv(4, 12), conv(4, 4)

    def shallow_features(self, x: Tensor) -> Tensor:
        features: Tensor = self.first(x)
        return features

    def deep_features(self, shallow: Tensor) -> Tensor:
        return shallow + torch.relu(self.middle(shallow))

    def reconstruct(self, deep: Tensor, shallow: Tensor, x: Tensor) -> Tensor:
        return nn.functional.pixel_shuffle(self.last(deep), 2)


class _Graph(TorchDispatchMode):
    """The operations between `begin` and `end`; a replay does them again, on and into the very same tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[tuple[Any, Any, Any, Any]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        # A number asked for waits for the GPU, and a tensor of Python's numbers is copied there: both end a recording.
        assert func.name() not in ("aten::_local_scalar_dense", "aten::lift_fresh")
        made = func(*args, **(kwargs or {}))
        self.done.append((func, args, kwargs or {}, made))
        return made

    def replay(self) -> None:
        for func, args, kwargs, made in self.done:
            again = func(*args, **kwargs)
            for held, new in zip(tree_leaves(made), tree_leaves(again), strict=True):
                if held is not None and held.data_ptr() != new.data_ptr():
                    held.copy_(new)


class _Stream:
    def wait_stream(self, other: _Stream) -> None:
        pass


def test_replayed_steps_are_the_plain_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def recording(graph: _Graph) -> Iterator[None]:
        gradients = [parameter.grad for parameter in replayed.trained if parameter.grad is not None]
        before = [gradient.clone() for gradient in gradients]
        with graph:
            yield
        torch._foreach_copy_(gradients, before)

    for name, stand_in in (
        ("Stream", _Stream),
        ("current_stream", _Stream),
        ("CUDAGraph", _Graph),
        ("stream", nullcontext),
        ("graph", recording),
    ):
        monkeypatch.setattr(torch.cuda, name, stand_in)
    collected: list[bool] = []
    monkeypatch.setattr(gc, "collect", lambda: collected.append(True))

    def learned(graphs: bool) -> Optimization:
        torch.manual_seed(0)
        made = Optimization(
            _Network(), small_recipe(), DistContext(0, 1, torch.device("cpu")), PerfOptions(accumulate=2)
        )
        if graphs:
            made.speed, made._backward = (
                PerfOptions(accumulate=2, graphs=True),
                optimization._Recorded(made._plain_backward),
            )
        return made

    plain, replayed = learned(False), learned(True)
    assert collected  # an earlier graph's memory is not waited for
    for number in range(3):
        parts = [(torch.rand(1, 3, 4, 4), torch.rand(1, 3, 8, 8)) for _ in range(2)]
        assert torch.equal(plain.step(parts, number), replayed.step(parts, number))
        with plain.averaged() as one, replayed.averaged() as other:  # a validation moves values, and puts them back
            assert torch.equal(one(parts[0][0]), other(parts[0][0]))
    backward: Any = replayed._backward
    assert backward._graph is not None and backward._graph.done
