"""PAN: pixel attention (Zhao et al., ECCV workshops 2020), after the authors' zhaohengyuan1/PAN."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from srbench.zoo.attention import ATTENTION_KEYS, AttentionFactory
from srbench.zoo.blocks import SRNetwork, conv, run_all
from srbench.zoo.keys import KeyTable, slot_rows

_SLOPE = 0.2


class PixelAttentionConv(nn.Module):
    """Self-calibrated convolution: W3 x ⊙ σ(W2 x), then W4. Its pixel attention is part of PAN, not the slot."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gate = conv(channels, channels, 1)
        self.value = conv(channels, channels, bias=False)
        self.last = conv(channels, channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """N×C×H×W to the same shape."""
        output: Tensor = self.last(self.value(x) * torch.sigmoid(self.gate(x)))
        return output


class CalibratedBlock(nn.Module):
    """SCPA block: a calibrated and a plain half, joined by a 1×1 convolution, plus the skip."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.calibrated_in = conv(channels, half, 1, bias=False)
        self.plain_in = conv(channels, half, 1, bias=False)
        self.plain = conv(half, half, bias=False)
        self.calibrated = PixelAttentionConv(half)
        self.join = conv(channels, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """N×C×H×W to the same shape."""
        calibrated = self.calibrated(functional.leaky_relu(self.calibrated_in(x), _SLOPE))
        plain = self.plain(functional.leaky_relu(self.plain_in(x), _SLOPE))
        halves = functional.leaky_relu(torch.cat((plain, calibrated), 1), _SLOPE)
        joined: Tensor = self.join(halves)
        return joined + x


class AttentiveUpsampler(nn.Module):
    """Nearest-neighbour enlargement, convolution, the attention slot, LeakyReLU, convolution, LeakyReLU."""

    def __init__(self, inputs: int, channels: int, factor: int, attention: AttentionFactory) -> None:
        super().__init__()
        self.factor = factor
        self.enlarge = conv(inputs, channels)
        self.attention = attention(channels)
        self.refine = conv(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """N×C×H×W to N×U×fH×fW."""
        x = self.enlarge(functional.interpolate(x, scale_factor=float(self.factor), mode="nearest"))
        x = functional.leaky_relu(self.attention(x), _SLOPE)
        return functional.leaky_relu(self.refine(x), _SLOPE)


class PAN(SRNetwork):
    """PAN with `blocks` SCPA blocks of `channels` channels and up-samplers of `up_channels` (one, at ×4 two)."""

    def __init__(
        self,
        *,
        scale: int,
        attention: AttentionFactory,
        value_range: float,
        channels: int,
        up_channels: int,
        blocks: int,
    ) -> None:
        super().__init__(scale=scale, value_range=value_range)
        factors = (2, 2) if scale == 4 else (scale,)
        widths = (channels, up_channels)[: len(factors)]
        self.first = conv(3, channels)
        self.blocks = nn.ModuleList(CalibratedBlock(channels) for _ in range(blocks))
        self.merge = conv(channels, channels)
        self.up = nn.ModuleList(
            AttentiveUpsampler(inputs, up_channels, factor, attention)
            for inputs, factor in zip(widths, factors, strict=True)
        )
        self.last = conv(up_channels, 3)

    def shallow_features(self, x: Tensor) -> Tensor:
        """The first convolution."""
        features: Tensor = self.first(x)
        return features

    def deep_features(self, shallow: Tensor) -> Tensor:
        """All blocks, their skip, and the up-samplers: N×U×sH×sW."""
        return run_all(self.up, shallow + self.merge(run_all(self.blocks, shallow)))

    def reconstruct(self, deep: Tensor, shallow: Tensor, x: Tensor) -> Tensor:
        """The last convolution on top of the bilinearly enlarged input (half-pixel centres)."""
        detail: Tensor = self.last(deep)
        return detail + functional.interpolate(x, scale_factor=float(self.scale), mode="bilinear", align_corners=False)


def key_tables(attention: str) -> tuple[KeyTable, ...]:
    """Rename tables between zhaohengyuan1/PAN (BAM form: dandingbudanding/BAM) and this module."""
    return (
        KeyTable(
            (
                ("conv_first", "first"),
                ("SCPA_trunk.{i}.conv1_a", "blocks.{i}.plain_in"),
                ("SCPA_trunk.{i}.conv1_b", "blocks.{i}.calibrated_in"),
                ("SCPA_trunk.{i}.k1.0", "blocks.{i}.plain"),
                ("SCPA_trunk.{i}.PAConv.k2", "blocks.{i}.calibrated.gate"),
                ("SCPA_trunk.{i}.PAConv.k3", "blocks.{i}.calibrated.value"),
                ("SCPA_trunk.{i}.PAConv.k4", "blocks.{i}.calibrated.last"),
                ("SCPA_trunk.{i}.conv3", "blocks.{i}.join"),
                ("trunk_conv", "merge"),
                ("upconv{i+1}", "up.{i}.enlarge"),
                *slot_rows("att{i+1}", "up.{i}.attention", ATTENTION_KEYS[attention]),
                ("HRconv{i+1}", "up.{i}.refine"),
                ("conv_last", "last"),
            )
        ),
    )
