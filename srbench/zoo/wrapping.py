"""Find the weights in the content of a checkpoint: inside wrappers, under key prefixes, next to other records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

State = dict[str, Tensor]

_WRAPPERS = (
    "params_ema",
    "params-ema",
    "model_ema",
    "ema_model",
    "state_dict_ema",
    "ema_state_dict",
    "generator_ema",
    "netG_ema",
    "g_ema",
    "ema",
    "params",
    "state_dict",
    "model_state_dict",
    "model_state",
    "netG",
    "net_g",
    "netG_state_dict",
    "generator",
    "net",
    "model",
    "network",
    "weights",
    "shadow",
)
"""Names of the dict that holds the weights, the preferred one first: averaged weights, then a generator's."""

_PREFIXES = ("module", "_orig_mod", "_forward_module", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", *_WRAPPERS)
"""First parts of keys that name a wrapper around the network."""

_DEPTH = 8
_COUNTERS = ("n_averaged", "step_counter", "initted", "step", "num_updates", "decay")


@dataclass(frozen=True)
class CheckpointView:
    """One way to read a checkpoint: tensors by key, and the wrappers and prefixes that were removed, outermost
    first."""

    state: State
    wrapping: tuple[str, ...]


def unwrapped(content: object) -> tuple[object, tuple[str, ...]]:
    """Return the innermost dict with tensors, and the names of its wrappers; without such a dict, the content itself.

    Where no wrapper has a known name, the only dict with tensors below is taken.
    """
    wrapping: tuple[str, ...] = ()
    for _ in range(_DEPTH):
        inner = _wrapper(content)
        if inner is None or not isinstance(content, Mapping):
            break
        content, wrapping = content[inner], (*wrapping, inner)
    return content, wrapping


def tensors_of(content: Mapping[object, object]) -> State:
    """Return the tensors of a dict by key; its NumPy arrays where it holds no tensor; other records are left out."""
    tensors = {key: value for key, value in content.items() if isinstance(key, str) and isinstance(value, Tensor)}
    if tensors:
        return tensors
    arrays = {key: value for key, value in content.items() if isinstance(key, str) and isinstance(value, np.ndarray)}
    return {key: torch.from_numpy(array) for key, array in arrays.items() if array.ndim}


def views_of(state: State, wrapping: tuple[str, ...]) -> tuple[CheckpointView, ...]:
    """Return every way to read the keys: without their common prefixes, without some of them, and unchanged.

    A prefix is taken off where all keys have it, or where it is a wrapper's name and the other keys belong to other
    parts, such as a loss or a discriminator. The preferred reading comes first: averaged weights, then a generator's.
    Loading is strict: a reading that does not fit a network completely is not used.
    """
    found: list[CheckpointView] = []
    waiting = [CheckpointView(state, wrapping)]
    for _ in range(_DEPTH):
        found = [*waiting, *found]
        waiting = [inner for view in waiting for inner in _inner_views(view)]
        if not waiting:
            break
    return tuple(found)


def preferred(views: tuple[CheckpointView, ...]) -> CheckpointView:
    """Return the view without the known prefixes that all keys share. Averaged weights are preferred."""
    view = views[-1]
    while True:
        steps = [inner for inner in _inner_views(view) if inner.wrapping[-1].removesuffix(".") in _PREFIXES]
        if not steps:
            return view
        view = steps[0]


def _wrapper(content: object) -> str | None:
    if not isinstance(content, Mapping):
        return None
    holders = [key for key, value in content.items() if isinstance(key, str) and _holds_tensors(value)]
    known = next((name for name in _WRAPPERS if name in holders), None)
    if known is not None or any(isinstance(value, Tensor) for value in content.values()):
        return known
    others = [key for key in holders if "optim" not in key.lower()]
    return others[0] if len(others) == 1 else None


def _holds_tensors(value: object, depth: int = 0) -> bool:
    """Return whether a value is a dict with tensors or NumPy arrays under text keys, or contains such a dict."""
    if not isinstance(value, Mapping) or depth > _DEPTH:
        return False
    named = [item for key, item in value.items() if isinstance(key, str)]
    return any(isinstance(item, Tensor | np.ndarray) and item.ndim for item in named) or any(
        _holds_tensors(item, depth + 1) for item in named
    )


def _inner_views(view: CheckpointView) -> Iterator[CheckpointView]:
    keys = [key for key in view.state if key.rpartition(".")[2] not in _COUNTERS]
    firsts = dict.fromkeys(key.partition(".")[0] for key in keys if "." in key)
    shared = len(firsts) == 1 and all("." in key for key in keys)
    for first in firsts if shared else [name for name in _WRAPPERS if name in firsts]:
        prefix = f"{first}."
        inner = {key.removeprefix(prefix): value for key, value in view.state.items() if key.startswith(prefix)}
        yield CheckpointView(inner, (*view.wrapping, prefix))
