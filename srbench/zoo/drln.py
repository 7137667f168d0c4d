"""DRLN: densely residual Laplacian network (Anwar and Barnes, IEEE TPAMI 2020), after the authors' saeed-anwar/DRLN."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from srbench.zoo.attention import ATTENTION_KEYS, AttentionFactory
from srbench.zoo.blocks import MeanShiftedNetwork, RectifiedBlock, Upsampler, conv
from srbench.zoo.keys import KeyTable, slot_rows

_GROUPS = (3, 3, 3, 3, 4, 4)
_UNREAD_FUSION = 3


class DenseResidualBlock(nn.Module):
    """Three residual units of growing width, each gets all earlier outputs; 1×1 fusion, ReLU, the attention."""

    def __init__(self, channels: int, attention: AttentionFactory) -> None:
        super().__init__()
        self.units = nn.ModuleList(RectifiedBlock(channels * 2**step) for step in range(3))
        self.fuse = conv(8 * channels, channels, 1)
        self.attention = attention(channels)

    def forward(self, x: Tensor) -> Tensor:
        """N×C×H×W to the same shape."""
        for unit in self.units:
            x = torch.cat((x, unit(x)), 1)
        attended: Tensor = self.attention(torch.relu(self.fuse(x)))
        return attended


class DRLN(MeanShiftedNetwork):
    """DRLN with twenty dense blocks of `channels` channels in six cascading groups; the attention ends each block.

    The fusion after block 4 is in the state and has no effect: in the authors' code block 5 reads the same sum as block
    4, and published weights were trained in this way. Therefore it is not computed.
    """

    def __init__(
        self,
        *,
        scale: int,
        attention: AttentionFactory,
        value_range: float,
        mean_shift: bool,
        channels: int,
    ) -> None:
        super().__init__(scale=scale, value_range=value_range, mean_shift=mean_shift, peak=1.0, frozen=True)
        widths = [step + 2 for size in _GROUPS for step in range(size)]
        self.first = conv(3, channels)
        self.blocks = nn.ModuleList(DenseResidualBlock(channels, attention) for _ in widths)
        self.fuse = nn.ModuleList(conv(width * channels, channels) for width in widths)
        self.up = Upsampler(channels, scale, rectified=True)
        self.last = conv(channels, 3)

    def deep_features(self, shallow: Tensor) -> Tensor:
        """Apply all groups, the global skip, and the up-sampler: N×C×sH×sW."""
        fused, total, start = shallow, shallow, 0
        for size in _GROUPS:
            fused = self._cascade(fused, total, range(start, start + size))
            total = total + fused
            start += size
        enlarged: Tensor = self.up(total + shallow)
        return enlarged

    def _cascade(self, fused: Tensor, total: Tensor, indices: range) -> Tensor:
        """Apply one group.

        Its first block gets `total`, the running sum; `fused`, the previous group's output, starts the dense features.
        """
        seen, x = fused, total
        for index in indices:
            seen = torch.cat((seen, self.blocks[index](x)), 1)
            if index != _UNREAD_FUSION:
                x = torch.relu(self.fuse[index](seen))
        return x


def key_tables(attention: str) -> tuple[KeyTable, ...]:
    """Rename tables between saeed-anwar/DRLN (BAM form: dandingbudanding/BAM) and this module."""
    return (
        KeyTable(
            (
                ("sub_mean.shifter", "sub_mean"),
                ("add_mean.shifter", "add_mean"),
                ("head", "first"),
                ("b{i+1}.r{j+1}.body.0", "blocks.{i}.units.{j}.first"),
                ("b{i+1}.r{j+1}.body.2", "blocks.{i}.units.{j}.second"),
                ("b{i+1}.g.body.0", "blocks.{i}.fuse"),
                *slot_rows("b{i+1}.ca", "blocks.{i}.attention", ATTENTION_KEYS[attention]),
                ("c{i+1}.body.0", "fuse.{i}"),
                ("upsample.up.body.0", "up.stages.0"),
                ("upsample.up.body.3", "up.stages.1"),
                ("tail", "last"),
            )
        ),
    )
