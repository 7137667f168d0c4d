"""DISTS: deep image structure and texture similarity (Ding, Ma, Wang, Simoncelli, TPAMI 2020)."""

from __future__ import annotations

import torch
from torch import Tensor

from srbench.metrics.backbones import VGG16, State, features, load_backbone, load_parameters

_WEIGHTS = "dists_alpha_beta.safetensors"
_MEAN = (0.485, 0.456, 0.406)
_DEVIATION = (0.229, 0.224, 0.225)
_CONSTANT = 1e-6
_CHANNELS = (3, 64, 128, 256, 512, 512)


class Dists:
    """Return DISTS at the size of the images; 0 for equal images, lower is better.

    Args:
        device: where it is computed, in float32.

    Raises:
        MetricError: the weights of VGG16 are not there.

    Source: the authors' `DISTS_pytorch` 0.1: VGG16 with L2 pooling, six taps of which the first is the image itself.
    Their script shrinks photographs to 256 pixels first; this class, pyiqa and torchmetrics do not.
    """

    def __init__(self, *, device: torch.device) -> None:
        self._state: State
        self._state, self.file = load_backbone(VGG16, device)
        weights = load_parameters(_WEIGHTS)
        alpha, beta = (weights[name].flatten().to(device) for name in ("alpha", "beta"))
        total = alpha.sum() + beta.sum()
        self._alpha, self._beta = (torch.split(values / total, list(_CHANNELS)) for values in (alpha, beta))
        self._mean, self._deviation = (
            torch.tensor(values, device=device).view(1, 3, 1, 1) for values in (_MEAN, _DEVIATION)
        )

    def __call__(self, sr: Tensor, hr: Tensor) -> float:
        """Return the distance of two images, float32 1×3×H×W in [0, 1]. Raises MetricError for too small images."""
        similarity = 0.0
        for first, second, alpha, beta in zip(self._maps(sr), self._maps(hr), self._alpha, self._beta, strict=True):
            texture, structure = _similarities(first, second)
            similarity += float((alpha * texture + beta * structure).sum())
        return 1 - similarity

    def _maps(self, image: Tensor) -> list[Tensor]:
        return [image, *features((image - self._mean) / self._deviation, VGG16, self._state, pooling="l2")]


def _similarities(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Return for each channel the similarity of means and that of deviations, with the formulas of SSIM."""
    means = [values.mean(dim=(2, 3)) for values in (first, second)]
    centred = [values - mean[..., None, None] for values, mean in zip((first, second), means, strict=True)]
    variances = [values.square().mean(dim=(2, 3)) for values in centred]
    covariance = (first * second).mean(dim=(2, 3)) - means[0] * means[1]
    texture = (2 * means[0] * means[1] + _CONSTANT) / (means[0].square() + means[1].square() + _CONSTANT)
    structure = (2 * covariance + _CONSTANT) / (variances[0] + variances[1] + _CONSTANT)
    return texture[0], structure[0]
