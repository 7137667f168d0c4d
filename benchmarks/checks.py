"""What all checks of an evaluation cost together, as a share of its processor time.

Each check is timed where it runs, in the evaluation that it belongs to: the difference of two evaluations, one without
checks, would be smaller than what other programs of a machine change in either.
"""

from __future__ import annotations

import importlib
import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from benchmarks.report import BenchRow, milliseconds, test_data, without_data
from srbench.datasets import open_dataset
from srbench.evaluation import Plan
from srbench.protocols import get_protocol
from srbench.runs import execute
from srbench.upscalers.base import Options
from srbench.upscalers.loading import open_upscaler

_NAME = "all checks of an evaluation, IMDN ×4 on BSD100 (100 images), share of its processor time"
_LIMIT = "≤ 0.04"

CHECKS: dict[str, Callable[[], float]] = {
    "srbench.upscalers.contract:CheckedModel.private_copy": time.thread_time,
    "srbench.upscalers.contract:CheckedModel.require_image": time.thread_time,
    "srbench.upscalers.base:_require_contract": time.thread_time,
    "srbench.evaluation.image_scoring:pixel_sha256": time.thread_time,
    "srbench.evaluation.image_scoring:diagnose": time.thread_time,
    "srbench.datasets.imageset:ImageSet.require_hashed": time.thread_time,
    "srbench.evaluation.scheduling:_require_sizes": time.thread_time,
    "srbench.runs:take_probe": time.process_time,  # it has all cores, and nothing else runs
}
"""The functions that check, each by the name under which it is called, and the clock that counts its work."""


def rows() -> list[BenchRow]:
    """One row: the median over three evaluations, and how the time is spread over the checks."""
    data = test_data()
    if data is None:
        return [without_data(_NAME, _LIMIT)]
    os.environ.setdefault("SRBENCH_MIRROR", str(data / "checkpoints"))
    rounds = [_measured(data) for _ in range(4)][1:]  # the first one reads the images from the disk
    shares = [sum(checks.values()) / whole for whole, checks in rounds]
    whole, checks = sorted(rounds, key=lambda pair: sum(pair[1].values()) / pair[0])[len(rounds) // 2]
    note = ", ".join(
        f"{name.rpartition('.')[2]} {seconds / whole:.2%}"
        for name, seconds in sorted(checks.items(), key=lambda check: -check[1])
    )
    ours, peer = (milliseconds(seconds) for seconds in (sum(checks.values()), whole))
    spread = f"{min(shares):.3g}–{max(shares):.3g}"
    return [BenchRow(_NAME, ours, peer, sum(checks.values()) / whole, _LIMIT, note, spread)]


def _measured(data: Path) -> tuple[float, defaultdict[str, float]]:
    """Processor seconds of one evaluation, and of each check in it."""
    checks: defaultdict[str, float] = defaultdict(float)
    with _timed(checks):
        started = time.process_time()
        # A new upscaler and plan each time: what they remember is not checked again.
        upscaler = open_upscaler("zoo:imdn@authors", scale=4, options=Options(device="cpu"))
        images = open_dataset("BSD100", data_root=data / "data")
        with torch.inference_mode():
            execute(Plan(upscaler, [images], [get_protocol("matlab-y")]), None)
        return time.process_time() - started, checks


@contextmanager
def _timed(checks: defaultdict[str, float]) -> Iterator[None]:
    """Add the seconds of each of `CHECKS` to `checks`; a check inside another one is counted once."""
    lock, inside = threading.Lock(), threading.local()

    def timed(name: str, check: Callable[..., Any], clock: Callable[[], float]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            if getattr(inside, "check", False):
                return check(*args, **kwargs)
            inside.check, started = True, clock()
            try:
                return check(*args, **kwargs)
            finally:
                inside.check = False
                with lock:
                    checks[name] += clock() - started

        return run

    with ExitStack() as stack:
        for name, clock in CHECKS.items():
            module, _, path = name.partition(":")
            *owners, attribute = path.split(".")
            owner: Any = importlib.import_module(module)
            for part in owners:
                owner = getattr(owner, part)
            stack.enter_context(mock.patch.object(owner, attribute, timed(path, getattr(owner, attribute), clock)))
        yield
