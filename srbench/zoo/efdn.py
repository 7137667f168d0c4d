"""EFDN: edge-enhanced feature distillation (Wang, CVPR workshops 2022), after the author's icandle/EFDN."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from srbench.zoo.attention import ATTENTION_KEYS, AttentionFactory
from srbench.zoo.blocks import SRNetwork, conv
from srbench.zoo.keys import KeyTable, slot_rows
from srbench.zoo.reparam import EdgeConv


class SlopedConv(nn.Module):
    """A convolution and PReLU with one slope per channel; `layer` must keep the number of channels."""

    def __init__(self, layer: nn.Module, channels: int) -> None:
        super().__init__()
        self.layer = layer
        self.slope = nn.PReLU(channels)

    def forward(self, x: Tensor) -> Tensor:
        """N×C×H×W to the same shape."""
        activated: Tensor = self.slope(self.layer(x))
        return activated


class EdgeCell(nn.Module):
    """A chain of a 1×1 and two 3×3 convolutions; half of the channels of each output pass fusion and attention."""

    def __init__(self, channels: int, attention: AttentionFactory, *, training_form: bool) -> None:
        super().__init__()
        spatial = [EdgeConv(channels) if training_form else conv(channels, channels) for _ in range(2)]
        self.chain = nn.ModuleList(SlopedConv(layer, channels) for layer in (conv(channels, channels, 1), *spatial))
        self.distil = nn.ModuleList(conv(channels, channels // 2, 1) for _ in range(4))
        self.fuse = conv(4 * (channels // 2), channels, 1)
        self.attention = attention(channels)

    def forward(self, x: Tensor) -> Tensor:
        """N×C×H×W to the same shape, with the cell's skip added."""
        maps = [x]
        for layer in self.chain:
            maps.append(layer(maps[-1]))
        distilled = torch.cat([layer(features) for layer, features in zip(self.distil, maps, strict=True)], 1)
        attended: Tensor = self.attention(self.fuse(distilled))
        return attended + x


class EFDN(SRNetwork):
    """EFDN with `cells` cells of `channels` channels, the outputs of neighbours fused by 1×1 convolutions.

    `training_form` builds each 3×3 convolution of a cell as its parallel branches (`srbench.zoo.reparam.EdgeConv`).
    """

    def __init__(
        self,
        *,
        scale: int,
        attention: AttentionFactory,
        value_range: float,
        channels: int,
        cells: int,
        training_form: bool,
    ) -> None:
        super().__init__(scale=scale, value_range=value_range)
        self.first = conv(3, channels)
        self.cells = nn.ModuleList(EdgeCell(channels, attention, training_form=training_form) for _ in range(cells))
        self.joins = nn.ModuleList(conv(2 * channels, channels, 1) for _ in range(cells - 1))
        self.last = conv(channels, 3 * scale**2)

    def shallow_features(self, x: Tensor) -> Tensor:
        """The first convolution."""
        features: Tensor = self.first(x)
        return features

    def deep_features(self, shallow: Tensor) -> Tensor:
        """Apply all cells; each after the first gets the fused outputs of the two before it."""
        outputs: list[Tensor] = [self.cells[0](shallow)]
        features = outputs[0]
        for number, join in enumerate(self.joins, 1):
            outputs.append(self.cells[number](features))
            # The author's code uses the second output twice: fused with the first and third, and then with the fourth.
            partner = outputs[min(number - 1, 1)]
            features = join(torch.cat((partner, outputs[number]), 1))
        return features

    def reconstruct(self, deep: Tensor, shallow: Tensor, x: Tensor) -> Tensor:
        """The global skip and one convolution to all sub-pixels, also at ×4."""
        return functional.pixel_shuffle(self.last(deep + shallow), self.scale)


def key_tables(attention: str) -> tuple[KeyTable, ...]:
    """Rename tables between icandle/EFDN (deployed form) and this module; its `att` is the attention slot."""
    return (
        KeyTable(
            (
                ("head", "first"),
                ("cells.{i}.conv1.conv1x1", "cells.{i}.chain.0.layer"),
                ("cells.{i}.conv2.rep_conv", "cells.{i}.chain.1.layer"),
                ("cells.{i}.conv3.rep_conv", "cells.{i}.chain.2.layer"),
                *((f"cells.{{i}}.conv{number + 1}.act", f"cells.{{i}}.chain.{number}.slope") for number in range(3)),
                ("cells.{i}.branch.{j}", "cells.{i}.distil.{j}"),
                ("cells.{i}.fuse", "cells.{i}.fuse"),
                *slot_rows("cells.{i}.att", "cells.{i}.attention", ATTENTION_KEYS[attention]),
                ("local_fuse.{i}", "joins.{i}"),
                ("tail.0", "last"),
            )
        ),
    )
