"""MSRN: multi-scale residual network (Li et al., ECCV 2018), after the authors' MIVRC/MSRN-PyTorch."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from srbench.zoo.attention import ATTENTION_KEYS, AttentionFactory
from srbench.zoo.blocks import MeanShiftedNetwork, Upsampler, conv
from srbench.zoo.keys import KeyTable, slot_rows


class MultiScaleBlock(nn.Module):
    """A 3×3 and a 5×5 branch that exchange their features half-way; 1×1 fusion, the attention, the skip."""

    def __init__(self, channels: int, attention: AttentionFactory) -> None:
        super().__init__()
        self.small = nn.ModuleList((conv(channels, channels), conv(2 * channels, 2 * channels)))
        self.large = nn.ModuleList((conv(channels, channels, 5), conv(2 * channels, 2 * channels, 5)))
        self.fuse = conv(4 * channels, channels, 1)
        self.attention = attention(channels)

    def forward(self, x: Tensor) -> Tensor:
        """N×C×H×W to the same shape."""
        both = x
        for small, large in zip(self.small, self.large, strict=True):
            both = torch.relu(torch.cat((small(both), large(both)), 1))
        refined: Tensor = self.attention(self.fuse(both))
        return refined + x


class MSRN(MeanShiftedNetwork):
    """MSRN with `blocks` multi-scale blocks of `channels` channels; every block's output reaches the tail."""

    def __init__(
        self,
        *,
        scale: int,
        attention: AttentionFactory,
        value_range: float,
        mean_shift: bool,
        channels: int,
        blocks: int,
    ) -> None:
        super().__init__(scale=scale, value_range=value_range, mean_shift=mean_shift, peak=value_range, frozen=False)
        self.first = conv(3, channels)
        self.blocks = nn.ModuleList(MultiScaleBlock(channels, attention) for _ in range(blocks))
        self.gather = conv((blocks + 1) * channels, channels, 1)
        self.merge = conv(channels, channels)
        self.up = Upsampler(channels, scale)
        self.last = conv(channels, 3)

    def deep_features(self, shallow: Tensor) -> Tensor:
        """All blocks, gathered with the first features last, and the up-sampler: N×C×sH×sW."""
        outputs = [shallow]
        for block in self.blocks:
            outputs.append(block(outputs[-1]))
        gathered = self.gather(torch.cat((*outputs[1:], shallow), 1))
        enlarged: Tensor = self.up(self.merge(gathered))
        return enlarged


def key_tables(attention: str) -> tuple[KeyTable, ...]:
    """Rename tables between MIVRC/MSRN-PyTorch (BAM form: dandingbudanding/BAM) and this module."""
    return (
        KeyTable(
            (
                ("sub_mean", "sub_mean"),
                ("add_mean", "add_mean"),
                ("head.0", "first"),
                ("body.{i}.conv_3_{j+1}", "blocks.{i}.small.{j}"),
                ("body.{i}.conv_5_{j+1}", "blocks.{i}.large.{j}"),
                ("body.{i}.confusion", "blocks.{i}.fuse"),
                *slot_rows("body.{i}.attention", "blocks.{i}.attention", ATTENTION_KEYS[attention]),
                ("tail.0", "gather"),
                ("tail.1", "merge"),
                ("tail.2.0", "up.stages.0"),
                ("tail.2.2", "up.stages.1"),
                ("tail.3", "last"),
            )
        ),
    )
