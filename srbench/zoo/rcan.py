"""RCAN: residual channel attention network (Zhang et al., ECCV 2018), after the authors' yulunzhang/RCAN."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from srbench.zoo.attention import ATTENTION_KEYS, AttentionFactory
from srbench.zoo.blocks import MeanShiftedNetwork, Upsampler, conv, run_all
from srbench.zoo.keys import UPSAMPLER_OF_BASICSR, KeyTable, slot_rows

# BasicSR counts pooling and ReLU among the layers of its channel attention.
_BASICSR_ATTENTION = (("attention.1", "squeeze"), ("attention.3", "excite"))


class AttentiveBlock(nn.Module):
    """Convolution, ReLU, convolution, the attention, plus the input."""

    def __init__(self, channels: int, attention: AttentionFactory) -> None:
        super().__init__()
        self.first = conv(channels, channels)
        self.second = conv(channels, channels)
        self.attention = attention(channels)

    def forward(self, x: Tensor) -> Tensor:
        """N×C×H×W to the same shape."""
        residual: Tensor = self.attention(self.second(torch.relu(self.first(x))))
        return residual + x


class ResidualGroup(nn.Module):
    """Attentive blocks and a convolution, plus the input."""

    def __init__(self, channels: int, blocks: int, attention: AttentionFactory) -> None:
        super().__init__()
        self.layers = nn.ModuleList(AttentiveBlock(channels, attention) for _ in range(blocks))
        self.layers.append(conv(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        """N×C×H×W to the same shape."""
        return run_all(self.layers, x) + x


class RCAN(MeanShiftedNetwork):
    """RCAN with `groups` residual groups of `blocks` attentive blocks of `channels` channels."""

    def __init__(
        self,
        *,
        scale: int,
        attention: AttentionFactory,
        value_range: float,
        mean_shift: bool,
        channels: int,
        groups: int,
        blocks: int,
    ) -> None:
        super().__init__(scale=scale, value_range=value_range, mean_shift=mean_shift, peak=value_range, frozen=False)
        self.first = conv(3, channels)
        self.body = nn.ModuleList(ResidualGroup(channels, blocks, attention) for _ in range(groups))
        self.body.append(conv(channels, channels))
        self.up = Upsampler(channels, scale)
        self.last = conv(channels, 3)

    def deep_features(self, shallow: Tensor) -> Tensor:
        """All groups, the global skip, and the up-sampler: N×C×sH×sW."""
        enlarged: Tensor = self.up(run_all(self.body, shallow) + shallow)
        return enlarged


def key_tables(attention: str) -> tuple[KeyTable, ...]:
    """Rename tables of yulunzhang/RCAN (BAM form: dandingbudanding/BAM) and of BasicSR (XPixelGroup)."""
    return (
        KeyTable(
            (
                ("sub_mean", "sub_mean"),
                ("add_mean", "add_mean"),
                ("head.0", "first"),
                ("body.{g}.body.{b}.body.0", "body.{g}.layers.{b}.first"),
                ("body.{g}.body.{b}.body.2", "body.{g}.layers.{b}.second"),
                *slot_rows("body.{g}.body.{b}.body.3", "body.{g}.layers.{b}.attention", ATTENTION_KEYS[attention]),
                ("body.{g}.body.{b}", "body.{g}.layers.{b}"),
                ("body.{g}", "body.{g}"),
                ("tail.0.0", "up.stages.0"),
                ("tail.0.2", "up.stages.1"),
                ("tail.1", "last"),
            )
        ),
        KeyTable(
            (
                ("conv_first", "first"),
                ("body.{g}.residual_group.{b}.rcab.0", "body.{g}.layers.{b}.first"),
                ("body.{g}.residual_group.{b}.rcab.2", "body.{g}.layers.{b}.second"),
                *slot_rows(
                    "body.{g}.residual_group.{b}.rcab.3",
                    "body.{g}.layers.{b}.attention",
                    _BASICSR_ATTENTION if attention == "ca" else ATTENTION_KEYS[attention],
                ),
                ("body.{g}.conv", "body.{g}.layers.{end}"),
                ("conv_after_body", "body.{end}"),
                *UPSAMPLER_OF_BASICSR,
            ),
            in_code=("sub_mean", "add_mean"),
            needs={"mean_shift": True, "value_range": 255.0},
        ),
    )
