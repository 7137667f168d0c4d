"""RLFN: residual local features (Kong et al., CVPR workshops 2022), after the authors' bytedance/RLFN."""

from __future__ import annotations

import itertools

from torch import Tensor, nn
from torch.nn import functional

from srbench.zoo.attention import ATTENTION_KEYS, AttentionFactory
from srbench.zoo.blocks import SRNetwork, conv, run_all
from srbench.zoo.keys import KeyTable, slot_rows

_SLOPE = 0.05


class LocalFeatureBlock(nn.Module):
    """Three convolutions with LeakyReLU, plus the input; then a 1×1 convolution and the attention slot."""

    def __init__(self, channels: int, hidden: int, attention: AttentionFactory) -> None:
        super().__init__()
        widths = (channels, hidden, hidden, channels)
        self.layers = nn.ModuleList(conv(inputs, outputs) for inputs, outputs in itertools.pairwise(widths))
        self.fuse = conv(channels, channels, 1)
        self.attention = attention(channels)

    def forward(self, x: Tensor) -> Tensor:
        """N×C×H×W to the same shape."""
        features = x
        for layer in self.layers:
            features = functional.leaky_relu(layer(features), _SLOPE)
        attended: Tensor = self.attention(self.fuse(features + x))
        return attended


class RLFN(SRNetwork):
    """RLFN with `blocks` blocks of `channels` channels, `hidden` of them inside a block."""

    def __init__(
        self,
        *,
        scale: int,
        attention: AttentionFactory,
        value_range: float,
        channels: int,
        hidden: int,
        blocks: int,
    ) -> None:
        super().__init__(scale=scale, value_range=value_range)
        self.first = conv(3, channels)
        self.blocks = nn.ModuleList(LocalFeatureBlock(channels, hidden, attention) for _ in range(blocks))
        self.merge = conv(channels, channels)
        self.last = conv(channels, 3 * scale**2)

    def shallow_features(self, x: Tensor) -> Tensor:
        """The first convolution."""
        features: Tensor = self.first(x)
        return features

    def deep_features(self, shallow: Tensor) -> Tensor:
        """All blocks and the convolution after them; the global skip is added later, in full precision."""
        merged: Tensor = self.merge(run_all(self.blocks, shallow))
        return merged

    def reconstruct(self, deep: Tensor, shallow: Tensor, x: Tensor) -> Tensor:
        """The global skip and one convolution to all sub-pixels, also at ×4."""
        return functional.pixel_shuffle(self.last(deep + shallow), self.scale)


def key_tables(attention: str) -> tuple[KeyTable, ...]:
    """Rename tables between bytedance/RLFN and this module; its `esa` is the attention slot."""
    return (
        KeyTable(
            (
                ("conv_1", "first"),
                *((f"block_{{i+1}}.c{number + 1}_r", f"blocks.{{i}}.layers.{number}") for number in range(3)),
                ("block_{i+1}.c5", "blocks.{i}.fuse"),
                *slot_rows("block_{i+1}.esa", "blocks.{i}.attention", ATTENTION_KEYS[attention]),
                ("conv_2", "merge"),
                ("upsampler.0", "last"),
            )
        ),
    )
