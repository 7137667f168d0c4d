"""SAFMN: spatially-adaptive feature modulation (Sun et al., ICCV 2023), after the authors' sunny2109/SAFMN."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from srbench.zoo.attention import ATTENTION_KEYS, AttentionFactory
from srbench.zoo.blocks import SRNetwork, conv, run_all
from srbench.zoo.keys import KeyTable, slot_rows

_EPSILON = 1e-6


class PixelNorm(nn.Module):
    """Layer norm over the channels of each pixel: (x - mean) / √(variance + 1e-6), times a weight, plus a bias."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """N×C×H×W to the same shape."""
        centred = x - x.mean(1, keepdim=True)
        normal = centred / (centred.square().mean(1, keepdim=True) + _EPSILON).sqrt()
        return self.weight[:, None, None] * normal + self.bias[:, None, None]


class GlobalResponseNorm(nn.Module):
    """x + γ ⊙ x ⊙ n + β, n the norm of a channel over the image, divided by its mean over the channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.beta = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """N×C×H×W to the same shape."""
        norm = x.square().sum((2, 3), keepdim=True).sqrt()
        return x + self.gamma * (x * (norm / (norm.mean(1, keepdim=True) + _EPSILON))) + self.beta


class ModulationBlock(nn.Module):
    """The attention slot, then a convolutional mixer, each with a norm before it and a skip around it.

    `bare` leaves out the norms and all biases.
    """

    def __init__(self, channels: int, attention: AttentionFactory, *, bare: bool) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.Identity() if bare else PixelNorm(channels) for _ in range(2))
        self.attention = attention(channels)
        self.widen = conv(channels, 2 * channels, bias=not bare)
        self.narrow = conv(2 * channels, channels, 1, bias=not bare)

    def forward(self, x: Tensor) -> Tensor:
        """N×C×H×W to the same shape."""
        x = x + self.attention(self.norms[0](x))
        mixed: Tensor = self.narrow(functional.gelu(self.widen(self.norms[1](x))))
        return x + mixed


class SAFMN(SRNetwork):
    """SAFMN with `blocks` blocks of `channels` channels.

    `challenge` is the version of NTIRE 2023: blocks without norms and biases, one global response norm after the first
    convolution, no skip around the blocks, and the enlarged input added to the output.
    """

    def __init__(
        self,
        *,
        scale: int,
        attention: AttentionFactory,
        value_range: float,
        channels: int,
        blocks: int,
        challenge: bool,
    ) -> None:
        super().__init__(scale=scale, value_range=value_range)
        self.challenge = challenge
        self.first = conv(3, channels)
        self.norm: nn.Module = GlobalResponseNorm(channels) if challenge else nn.Identity()
        self.blocks = nn.ModuleList(ModulationBlock(channels, attention, bare=challenge) for _ in range(blocks))
        self.last = conv(channels, 3 * scale**2)

    def shallow_features(self, x: Tensor) -> Tensor:
        """The first convolution and, in the challenge version, the norm after it."""
        features: Tensor = self.norm(self.first(x))
        return features

    def deep_features(self, shallow: Tensor) -> Tensor:
        """All blocks."""
        return run_all(self.blocks, shallow)

    def reconstruct(self, deep: Tensor, shallow: Tensor, x: Tensor) -> Tensor:
        """One convolution to all sub-pixels, with the global skip before it or the bilinear input added after it."""
        sr = functional.pixel_shuffle(self.last(deep if self.challenge else deep + shallow), self.scale)
        if not self.challenge:
            return sr
        return sr + functional.interpolate(x, scale_factor=float(self.scale), mode="bilinear", align_corners=False)


def key_tables(attention: str) -> tuple[KeyTable, ...]:
    """Rename tables between sunny2109/SAFMN and this module; its `safm` is the attention slot."""
    return (
        KeyTable(
            (
                ("to_feat", "first"),
                ("norm", "norm"),
                ("feats.{i}.norm1", "blocks.{i}.norms.0"),
                ("feats.{i}.norm2", "blocks.{i}.norms.1"),
                *slot_rows("feats.{i}.safm", "blocks.{i}.attention", ATTENTION_KEYS[attention]),
                ("feats.{i}.ccm.ccm.0", "blocks.{i}.widen"),
                ("feats.{i}.ccm.ccm.2", "blocks.{i}.narrow"),
                ("to_img.0", "last"),
            )
        ),
    )
