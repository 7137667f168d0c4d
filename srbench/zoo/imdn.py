"""IMDN: information multi-distillation (Hui et al., ACM MM 2019), after the authors' Zheng222/IMDN."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from srbench.zoo.attention import ATTENTION_KEYS, AttentionFactory
from srbench.zoo.blocks import SRNetwork, conv
from srbench.zoo.keys import KeyTable, slot_rows

_SLOPE = 0.05


class DistillationBlock(nn.Module):
    """Four convolutions that each keep a quarter of the channels; the quarters pass the attention and a 1×1 fusion."""

    def __init__(self, channels: int, attention: AttentionFactory) -> None:
        super().__init__()
        self.kept = channels // 4
        self.passed = channels - self.kept
        self.split = nn.ModuleList(conv(inputs, channels) for inputs in (channels, self.passed, self.passed))
        self.last = conv(self.passed, self.kept)
        self.attention = attention(4 * self.kept)
        self.fuse = conv(4 * self.kept, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """N×C×H×W to the same shape, with the block's skip added."""
        kept, passed = [], x
        for layer in self.split:
            part, passed = torch.split(functional.leaky_relu(layer(passed), _SLOPE), [self.kept, self.passed], 1)
            kept.append(part)
        kept.append(self.last(passed))
        fused: Tensor = self.fuse(self.attention(torch.cat(kept, 1)))
        return fused + x


class IMDN(SRNetwork):
    """IMDN with `blocks` distillation blocks of `channels` channels; the attention sits on the distilled features."""

    def __init__(
        self,
        *,
        scale: int,
        attention: AttentionFactory,
        value_range: float,
        channels: int,
        blocks: int,
    ) -> None:
        super().__init__(scale=scale, value_range=value_range)
        self.first = conv(3, channels)
        self.blocks = nn.ModuleList(DistillationBlock(channels, attention) for _ in range(blocks))
        self.gather = conv(blocks * channels, channels, 1)
        self.merge = conv(channels, channels)
        self.last = conv(channels, 3 * scale**2)

    def shallow_features(self, x: Tensor) -> Tensor:
        """The first convolution."""
        features: Tensor = self.first(x)
        return features

    def deep_features(self, shallow: Tensor) -> Tensor:
        """Apply all blocks and fuse their outputs; the global skip is added later, in full precision."""
        outputs = [shallow]
        for block in self.blocks:
            outputs.append(block(outputs[-1]))
        gathered = functional.leaky_relu(self.gather(torch.cat(outputs[1:], 1)), _SLOPE)
        merged: Tensor = self.merge(gathered)
        return merged

    def reconstruct(self, deep: Tensor, shallow: Tensor, x: Tensor) -> Tensor:
        """The global skip and one convolution to all sub-pixels, also at ×4."""
        return functional.pixel_shuffle(self.last(deep + shallow), self.scale)


_SLOTS = {
    "cca": "cca",
    "acam": "CAM",
    "msam": "SAM",
    "acam-max": "CAM_maxpool",
    "msam-avg": "SAM_averagepool",
    "cbam": "CBAM",
}


def key_tables(attention: str) -> tuple[KeyTable, ...]:
    """Rename tables between Zheng222/IMDN (attention-free and BAM forms: dandingbudanding/BAM) and this module."""
    slot = f"IMDB{{i+1}}.{_SLOTS.get(attention, 'attention')}"
    return (
        KeyTable(
            (
                ("fea_conv", "first"),
                ("IMDB{i+1}.c1", "blocks.{i}.split.0"),
                ("IMDB{i+1}.c2", "blocks.{i}.split.1"),
                ("IMDB{i+1}.c3", "blocks.{i}.split.2"),
                ("IMDB{i+1}.c4", "blocks.{i}.last"),
                ("IMDB{i+1}.c5", "blocks.{i}.fuse"),
                *slot_rows(slot, "blocks.{i}.attention", ATTENTION_KEYS[attention]),
                ("c.0", "gather"),
                ("LR_conv", "merge"),
                ("upsampler.0", "last"),
            )
        ),
    )
