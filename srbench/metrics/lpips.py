"""LPIPS: learned perceptual image patch similarity (Zhang, Isola, Efros, Shechtman, Wang, CVPR 2018), version 0.1."""

from __future__ import annotations

import torch
from torch import Tensor

from srbench.metrics.backbones import ALEXNET, VGG16, Backbone, State, features, load_backbone, load_parameters

_HEADS = "lpips_heads_v0.1.safetensors"
_SHIFT = (-0.030, -0.088, -0.188)
_SCALE = (0.458, 0.448, 0.450)


class Lpips:
    """Return LPIPS 0.1 with AlexNet ("alex") or VGG16 ("vgg") features; 0 for equal images, lower is better.

    Args:
        network: "alex" or "vgg".
        device: where it is computed, in float32.

    Raises:
        MetricError: the weights of the network are not there.

    Source: the authors' `lpips` 0.1.4: inputs in [-1, 1], shifted and scaled per channel; no resizing and no crop.
    """

    def __init__(self, network: str, *, device: torch.device) -> None:
        self._backbone: Backbone = {"alex": ALEXNET, "vgg": VGG16}[network]
        self._state: State
        self._state, self.file = load_backbone(self._backbone, device)
        heads = load_parameters(_HEADS)
        self._heads = [heads[f"{network}.lin{number}"].flatten().to(device) for number in range(5)]
        self._shift, self._scale = (torch.tensor(values, device=device).view(1, 3, 1, 1) for values in (_SHIFT, _SCALE))

    def __call__(self, sr: Tensor, hr: Tensor) -> float:
        """Return the distance of two images, float32 1×3×H×W in [0, 1]. Raises MetricError for too small images."""
        total = 0.0
        for first, second, head in zip(self._maps(sr), self._maps(hr), self._heads, strict=True):
            distance = (first - second).square() * head.view(1, -1, 1, 1)
            total += float(distance.sum(dim=1).mean())
        return total

    def _maps(self, image: Tensor) -> list[Tensor]:
        shifted = (image * 2 - 1 - self._shift) / self._scale
        return [_unit(found) for found in features(shifted, self._backbone, self._state)]


def _unit(found: Tensor) -> Tensor:
    """Divide each position's channel vector by its norm; 1e-10 is the authors' guard against zero."""
    return found / (found.square().sum(dim=1, keepdim=True).sqrt() + 1e-10)
