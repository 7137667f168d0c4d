"""EDSR: enhanced deep residual network (Lim et al., CVPR Workshops 2017), after the EDSR-PyTorch lineage."""

from __future__ import annotations

from torch import Tensor, nn

from srbench.zoo.attention import ATTENTION_KEYS, AttentionFactory
from srbench.zoo.blocks import MeanShiftedNetwork, ResidualBlock, Upsampler, conv, run_all
from srbench.zoo.keys import UPSAMPLER_OF_BASICSR, KeyTable, slot_rows


class EDSR(MeanShiftedNetwork):
    """EDSR with `blocks` residual blocks of `channels` channels; the attention sits after the body, before the skip."""

    def __init__(
        self,
        *,
        scale: int,
        attention: AttentionFactory,
        value_range: float,
        mean_shift: bool,
        channels: int,
        blocks: int,
        residual_scale: float,
    ) -> None:
        super().__init__(scale=scale, value_range=value_range, mean_shift=mean_shift, peak=value_range, frozen=False)
        self.first = conv(3, channels)
        self.body = nn.ModuleList(ResidualBlock(channels, residual_scale=residual_scale) for _ in range(blocks))
        self.body.append(conv(channels, channels))
        self.attention = attention(channels)
        self.up = Upsampler(channels, scale)
        self.last = conv(channels, 3)

    def deep_features(self, shallow: Tensor) -> Tensor:
        """The body, its attention, the global skip, and the up-sampler: N×C×sH×sW."""
        enlarged: Tensor = self.up(self.attention(run_all(self.body, shallow)) + shallow)
        return enlarged


def key_tables(attention: str) -> tuple[KeyTable, ...]:
    """Rename tables of the EDSR-PyTorch lineage (BAM form: dandingbudanding/BAM) and of BasicSR (XPixelGroup)."""
    return (
        KeyTable(
            (
                ("sub_mean", "sub_mean"),
                ("add_mean", "add_mean"),
                ("head.0", "first"),
                ("body.{i}.body.0", "body.{i}.first"),
                ("body.{i}.body.2", "body.{i}.second"),
                ("body.{i}", "body.{i}"),
                *slot_rows("attention", "attention", ATTENTION_KEYS[attention]),
                ("tail.0.0", "up.stages.0"),
                ("tail.0.2", "up.stages.1"),
                ("tail.1", "last"),
            )
        ),
        KeyTable(
            (
                ("conv_first", "first"),
                ("body.{i}.conv1", "body.{i}.first"),
                ("body.{i}.conv2", "body.{i}.second"),
                ("conv_after_body", "body.{end}"),
                *slot_rows("attention", "attention", ATTENTION_KEYS[attention]),
                *UPSAMPLER_OF_BASICSR,
            ),
            in_code=("sub_mean", "add_mean"),
            needs={"mean_shift": True, "value_range": 255.0},
        ),
    )
