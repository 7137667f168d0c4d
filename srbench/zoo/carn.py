"""CARN and CARN-M: cascading residual network (Ahn et al., ECCV 2018), after the authors' nmhkahn/CARN-pytorch."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from srbench.zoo.attention import ATTENTION_KEYS, AttentionFactory
from srbench.zoo.blocks import MeanShiftedNetwork, RectifiedBlock, Upsampler, conv
from srbench.zoo.keys import KeyRow, KeyTable, slot_rows

_STEPS = 3


def _fusions(channels: int) -> nn.ModuleList:
    return nn.ModuleList(conv((step + 2) * channels, channels, 1) for step in range(_STEPS))


class CascadingBlock(nn.Module):
    """Three residual blocks, each followed by a 1×1 fusion of all earlier outputs; `mobile` uses one block three
    times."""

    def __init__(self, channels: int, groups: int, *, mobile: bool) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            RectifiedBlock(channels, groups=groups, pointwise=mobile) for _ in range(1 if mobile else _STEPS)
        )
        self.fuse = _fusions(channels)

    def forward(self, x: Tensor) -> Tensor:
        """N×C×H×W to the same shape."""
        seen, output = x, x
        for step, fuse in enumerate(self.fuse):
            seen = torch.cat((seen, self.blocks[step % len(self.blocks)](output)), 1)
            output = torch.relu(fuse(seen))
        return output


class CARN(MeanShiftedNetwork):
    """CARN; with `mobile` CARN-M, whose 3×3 convolutions in the blocks and the up-samplers have `groups` groups.

    The state holds the up-samplers of all three scales, because the published weights are one file for all; the
    forward pass uses that of `scale`. The attention sits after the ReLU of each outer fusion.
    """

    def __init__(
        self,
        *,
        scale: int,
        attention: AttentionFactory,
        value_range: float,
        mean_shift: bool,
        channels: int,
        groups: int,
        mobile: bool,
    ) -> None:
        super().__init__(scale=scale, value_range=value_range, mean_shift=mean_shift, peak=1.0, frozen=True)
        self.first = conv(3, channels)
        self.blocks = nn.ModuleList(CascadingBlock(channels, groups, mobile=mobile) for _ in range(_STEPS))
        self.fuse = _fusions(channels)
        self.attention = nn.ModuleList(attention(channels) for _ in range(_STEPS))
        self.up = nn.ModuleDict({f"x{s}": Upsampler(channels, s, rectified=True, groups=groups) for s in (2, 3, 4)})
        self.last = conv(channels, 3)

    def deep_features(self, shallow: Tensor) -> Tensor:
        """The cascade of cascades and this scale's up-sampler: N×C×sH×sW."""
        seen, output = shallow, shallow
        for block, fuse, attention in zip(self.blocks, self.fuse, self.attention, strict=True):
            seen = torch.cat((seen, block(output)), 1)
            output = attention(torch.relu(fuse(seen)))
        enlarged: Tensor = self.up[f"x{self.scale}"](output)
        return enlarged


def key_tables(attention: str) -> tuple[KeyTable, ...]:
    """Rename tables between nmhkahn/CARN-pytorch (BAM form: dandingbudanding/BAM) and this module."""
    fusion: KeyRow = ("c{i+1}.body.0", "fuse.{i}") if attention == "none" else ("c{i+1}.0.body.0", "fuse.{i}")
    return (
        KeyTable(
            (
                ("sub_mean.shifter", "sub_mean"),
                ("add_mean.shifter", "add_mean"),
                ("entry", "first"),
                ("b{i+1}.b{j+1}.body.0", "blocks.{i}.blocks.{j}.first"),
                ("b{i+1}.b{j+1}.body.2", "blocks.{i}.blocks.{j}.second"),
                ("b{i+1}.b{j+1}.body.4", "blocks.{i}.blocks.{j}.third"),
                ("b{i+1}.c{j+1}.body.0", "blocks.{i}.fuse.{j}"),
                fusion,
                *slot_rows("c{i+1}.1", "attention.{i}", ATTENTION_KEYS[attention]),
                ("upsample.up{s}.body.0", "up.x{s}.stages.0"),
                ("upsample.up4.body.3", "up.x4.stages.1"),
                ("exit", "last"),
            )
        ),
    )
