"""Run upscalers in full float32, whatever the process has set; all threads share torch's switches."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from operator import attrgetter
from typing import TypeVar

import torch
from torch import backends

ResultT = TypeVar("ResultT")

# Every switch is set, because a switch with a value of its own ignores the general one. Torch before 2.9 has only the
# older switches in `_set_full`.
_NAMES = ("cuda.matmul", "cudnn", "cudnn.conv", "cudnn.rnn", "mkldnn", "mkldnn.matmul", "mkldnn.conv", "mkldnn.rnn")
_SWITCHES = (backends, *attrgetter(*_NAMES)(backends)) if hasattr(backends, "fp32_precision") else ()

_lock = threading.Lock()
_inside = 0
_restore = ExitStack()


@contextmanager
def full_float32() -> Iterator[None]:
    """Switch to full float32 on GPUs and processor; the first thread to enter sets it, the last to leave undoes it.

    TF32, bfloat16 in place of float32 and cuDNN's search for algorithms would move scores in the fourth decimal.
    """
    global _inside
    with _lock:
        if not _inside:
            _restore.callback(_set_full())
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside:
                _restore.close()


def _set_full() -> Callable[[], None]:
    """Set every switch; return the function that restores them."""
    values = [switch.fp32_precision for switch in _SWITCHES]
    # torch also has older switches for the same settings. Reading one that contradicts the new ones raises an error.
    matmul, tf32 = _readable(torch.get_float32_matmul_precision), _readable(lambda: backends.cudnn.allow_tf32)
    benchmark = backends.cudnn.benchmark

    def restore() -> None:
        _set(matmul, tf32, values, benchmark=benchmark)

    _set("highest", False, ["ieee"] * len(values), benchmark=False)
    return restore


def _set(matmul: str | None, tf32: bool | None, values: list[str], *, benchmark: bool) -> None:
    if matmul is not None:
        torch.set_float32_matmul_precision(matmul)
    if tf32 is not None:
        backends.cudnn.allow_tf32 = tf32
    for switch, value in zip(_SWITCHES, values, strict=True):
        switch.fp32_precision = value
    backends.cudnn.benchmark = benchmark


def _readable(read: Callable[[], ResultT]) -> ResultT | None:
    try:
        return read()
    except RuntimeError:
        return None
