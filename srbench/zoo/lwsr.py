"""s-LWSR: super lightweight network (Li et al., IEEE TIP 2020), after the authors' Sudo-Biao/s-LWSR."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from srbench.zoo.attention import ATTENTION_KEYS, AttentionFactory
from srbench.zoo.blocks import MeanShiftedNetwork, ResidualBlock, Upsampler, conv, run_all
from srbench.zoo.keys import KeyTable, slot_rows

_STAGES = 4


class EncoderStage(nn.Module):
    """A chain of residual blocks."""

    def __init__(self, channels: int, blocks: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(ResidualBlock(channels) for _ in range(blocks))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The outputs of the first and the last block, each N×C×H×W."""
        first = self.blocks[0](x)
        return first, run_all(self.blocks[1:], first)


class DecoderStage(nn.Module):
    """A 1×1 fusion of two inputs and three residual blocks; the first block's skip starts after the fusion."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fuse = conv(2 * channels, channels, 1)
        self.blocks = nn.ModuleList(ResidualBlock(channels) for _ in range(3))

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Two N×C×H×W to one."""
        return run_all(self.blocks, self.fuse(torch.cat((x, skip), 1)))


class LWSR(MeanShiftedNetwork):
    """s-LWSR with `channels` channels: a U-shaped chain of residual blocks at one resolution.

    Each of the four encoder stages hands its last features to a decoder stage, averaged with the bridge, which has
    seen all stages. The attention sits after the decoder, before the skip from the first convolution.
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
        super().__init__(scale=scale, value_range=value_range, mean_shift=mean_shift, peak=value_range, frozen=False)
        self.first = conv(3, channels)
        self.encoder = nn.ModuleList(EncoderStage(channels, blocks) for blocks in (*(3,) * _STAGES, 2))
        self.bridge = conv(6 * channels, channels, 1, bias=False)
        self.decoder = nn.ModuleList(DecoderStage(channels) for _ in range(_STAGES))
        self.attention = attention(channels)
        self.up = Upsampler(channels, scale)
        self.last = conv(channels, 3)

    def deep_features(self, shallow: Tensor) -> Tensor:
        """Encoder, bridge, decoder, attention, the global skip, and the up-sampler: N×C×sH×sW."""
        firsts, lasts, x = [], [], shallow
        for stage in self.encoder:
            first, last = stage(x)
            firsts.append(first)
            lasts.append(last)
            x = first + last
        # The bridge gets the first block's output of each stage. For the first stage it gets the first convolution's
        # output instead.
        bridge = self.bridge(torch.cat((shallow, *firsts[1:], lasts[-1]), 1))
        x = lasts.pop()
        for decoder in self.decoder:
            x = decoder(x, 0.5 * lasts.pop() + 0.5 * bridge)
        enlarged: Tensor = self.up(self.attention(x) + shallow)
        return enlarged


def key_tables(attention: str) -> tuple[KeyTable, ...]:
    """Rename tables between Sudo-Biao/s-LWSR (BAM form: dandingbudanding/BAM) and this module."""
    # Order matters: the encoder's pattern would also match stages 7 to 10 of the decoder, and the pattern of the
    # decoder's blocks would match the third block, which has a different name.
    return (
        KeyTable(
            (
                ("sub_mean", "sub_mean"),
                ("add_mean", "add_mean"),
                ("head.0", "first"),
                ("feat{i+7}_1.conv", "decoder.{i}.fuse"),
                ("conv{i+7}.body.0", "decoder.{i}.blocks.2.first"),
                ("conv{i+7}.body.2", "decoder.{i}.blocks.2.second"),
                ("feat{i+7}_{j+1}.body.0", "decoder.{i}.blocks.{j}.first"),
                ("feat{i+7}_{j+1}.body.2", "decoder.{i}.blocks.{j}.second"),
                ("feat{i+2}_{j+1}.body.0", "encoder.{i}.blocks.{j}.first"),
                ("feat{i+2}_{j+1}.body.2", "encoder.{i}.blocks.{j}.second"),
                ("conv1", "bridge"),
                *slot_rows("attention", "attention", ATTENTION_KEYS[attention]),
                ("tail.0.0", "up.stages.0"),
                ("tail.0.2", "up.stages.1"),
                ("tail.1", "last"),
            )
        ),
    )
