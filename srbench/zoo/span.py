"""SPAN: swift parameter-free attention (Wan et al., CVPR workshops 2024), after the authors' hongyuanyu/SPAN."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional

from srbench.zoo.attention import ATTENTION_KEYS, AttentionFactory
from srbench.zoo.blocks import DIV2K_MEAN, SRNetwork, conv
from srbench.zoo.keys import KeyRow, KeyTable, slot_rows
from srbench.zoo.reparam import ExpandedConv

_GAIN = 255.0


class SwiftBlock(nn.Module):
    """Three convolutions with SiLU between them give h; the output is (h + input) ⊙ a(h), a the map of the slot."""

    def __init__(self, channels: int, attention: AttentionFactory, *, training_form: bool) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_conv(channels, channels, training_form) for _ in range(3))
        self.attention = attention(channels)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """N×C×H×W to the block's output and the activated map of its first convolution, both N×C×H×W."""
        early = functional.silu(self.layers[0](x))
        features = self.layers[2](functional.silu(self.layers[1](early)))
        return (features + x) * self.attention.map(features), early


class SPAN(SRNetwork):
    """SPAN with `blocks` blocks of `channels` channels, on the input without its mean, times `gain`.

    The output is on the range of the input: the weights undo the gain, and the mean is not added again.
    `training_form` builds every 3×3 convolution but the last as its branches (`srbench.zoo.reparam.ExpandedConv`).
    """

    def __init__(
        self,
        *,
        scale: int,
        attention: AttentionFactory,
        value_range: float,
        channels: int,
        blocks: int,
        gain: float,
        training_form: bool,
    ) -> None:
        super().__init__(scale=scale, value_range=value_range)
        self.gain = gain
        self.first = _conv(3, channels, training_form)
        self.blocks = nn.ModuleList(SwiftBlock(channels, attention, training_form=training_form) for _ in range(blocks))
        self.merge = _conv(channels, channels, training_form)
        self.gather = conv(4 * channels, channels, 1)
        self.last = conv(channels, 3 * scale**2)

    def shallow_features(self, x: Tensor) -> Tensor:
        """The first convolution, on the input without its mean, times the gain."""
        # Plain numbers instead of a buffer, which would stay on `meta` when weights are assigned.
        means = [self.value_range * mean for mean in DIV2K_MEAN]
        centred = torch.cat([x[:, c : c + 1] - mean for c, mean in enumerate(means)], 1)
        features: Tensor = self.first(centred * self.gain)
        return features

    def deep_features(self, shallow: Tensor) -> Tensor:
        """Apply all blocks; fuse the input, the outputs of the last and the first block, and an early map of the last
        block.
        """
        outputs, early = [], shallow
        features = shallow
        for block in self.blocks:
            features, early = block(features)
            outputs.append(features)
        gathered: Tensor = self.gather(torch.cat((shallow, self.merge(features), outputs[0], early), 1))
        return gathered

    def reconstruct(self, deep: Tensor, shallow: Tensor, x: Tensor) -> Tensor:
        """One convolution to all sub-pixels, also at ×4; nothing is added."""
        return functional.pixel_shuffle(self.last(deep), self.scale)


def _conv(inputs: int, outputs: int, training_form: bool) -> nn.Module:
    return ExpandedConv(inputs, outputs) if training_form else conv(inputs, outputs)


_BRANCHES = (("sk", "skip"), ("conv.0", "expand"), ("conv.1", "spatial"), ("conv.2", "reduce"))
_MERGED = "eval_conv"


def key_tables(attention: str) -> tuple[KeyTable, ...]:
    """Rename tables between hongyuanyu/SPAN and this module: of the deployed form, then of the training form.

    A checkpoint of the training form also holds merged convolutions, which its authors' code computes again at every
    call: they may be out of date, and are left out.
    """
    paths: tuple[KeyRow, ...] = (
        ("conv_1", "first"),
        *((f"block_{{i+1}}.c{number + 1}_r", f"blocks.{{i}}.layers.{number}") for number in range(3)),
        ("conv_2", "merge"),
    )
    deployed = [(f"{theirs}.{_MERGED}", ours) for theirs, ours in paths]
    branched = [(f"{theirs}.{branch}", f"{ours}.{name}") for theirs, ours in paths for branch, name in _BRANCHES]
    return (
        _table(attention, deployed),
        _table(attention, branched, left_out=[theirs for theirs, _ in deployed]),
    )


def _table(attention: str, rows: Iterable[KeyRow], left_out: Iterable[str] = ()) -> KeyTable:
    slot = slot_rows("block_{i+1}.attention", "blocks.{i}.attention", ATTENTION_KEYS[attention])
    rows = (*rows, *slot, ("conv_cat", "gather"), ("upsampler.0", "last"))
    return KeyTable(rows, needs={"gain": _GAIN}, left_out=left_out)
