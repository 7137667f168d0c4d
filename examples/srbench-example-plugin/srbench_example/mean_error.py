"""A metric: the mean absolute difference of SR and HR."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray


def load(device: torch.device) -> Callable[[NDArray[np.uint8], NDArray[np.uint8] | None], float]:
    """Return the metric as a function of SR and HR, RGB uint8 H×W×3; it computes on the CPU, whatever the device."""

    def compute(sr: NDArray[np.uint8], hr: NDArray[np.uint8] | None) -> float:
        assert hr is not None  # noqa: S101  # the entry says needs_hr
        return float(np.abs(sr.astype(np.int16) - hr).mean())

    return compute
