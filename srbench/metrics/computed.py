"""The metrics that are computed next to a protocol's scores: functions of SR and HR as RGB uint8 H×W×3."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from srbench.errors import MetricError
from srbench.metrics.dists import Dists
from srbench.metrics.lpips import Lpips
from srbench.metrics.niqe import niqe

RgbImage = NDArray[np.uint8]
Compute = Callable[[RgbImage, RgbImage | None], float]

_FULL_RANGE = np.array([299, 587, 114], dtype=np.int64)
_MATLAB_Y = np.array([65481, 128553, 24966], dtype=np.int64)


def load_lpips_alex(device: torch.device) -> Compute:
    """Return LPIPS 0.1 with AlexNet; see `srbench.metrics.lpips`."""
    return _of_pairs(Lpips("alex", device=device), device)


def load_lpips_vgg(device: torch.device) -> Compute:
    """Return LPIPS 0.1 with VGG16; see `srbench.metrics.lpips`."""
    return _of_pairs(Lpips("vgg", device=device), device)


def load_dists(device: torch.device) -> Compute:
    """Return DISTS; see `srbench.metrics.dists`."""
    return _of_pairs(Dists(device=device), device)


def load_niqe(_: torch.device) -> Compute:
    """Return NIQE of full-range luma, rounded half to even from its exact value."""
    return lambda sr, hr: niqe(sr.astype(np.int64) @ _FULL_RANGE / 1000)


def load_niqe_matlab_y(_: torch.device) -> Compute:
    """Return NIQE of MATLAB's Y, rounded half to even from its exact value."""
    return lambda sr, hr: niqe(16 + sr.astype(np.int64) @ _MATLAB_Y / 255_000)


def _of_pairs(distance: Callable[[Tensor, Tensor], float], device: torch.device) -> Compute:
    def compute(sr: RgbImage, hr: RgbImage | None) -> float:
        if hr is None or hr.shape != sr.shape:
            raise MetricError(f"expected an HR image of {sr.shape[1]}×{sr.shape[0]} pixels, got another size or none")
        with torch.inference_mode():
            return distance(_tensor(sr, device), _tensor(hr, device))

    return compute


def _tensor(image: RgbImage, device: torch.device) -> Tensor:
    return torch.from_numpy(image.copy()).to(device).permute(2, 0, 1)[None].float() / 255
