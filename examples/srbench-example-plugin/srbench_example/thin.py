"""A network: one hidden convolution and the attention slot."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from srbench.zoo.attention import AttentionFactory
from srbench.zoo.blocks import SRNetwork, conv


class Thin(SRNetwork):
    """Two convolutions with the attention slot between them."""

    def __init__(
        self, *, scale: int, attention: AttentionFactory, value_range: float = 1.0, channels: int = 16
    ) -> None:
        super().__init__(scale=scale, value_range=value_range)
        self.first = conv(3, channels)
        self.attention = attention(channels)
        self.last = conv(channels, 3 * scale**2)

    def shallow_features(self, x: Tensor) -> Tensor:
        """The first convolution."""
        features: Tensor = self.first(x)
        return features

    def deep_features(self, shallow: Tensor) -> Tensor:
        """The attention."""
        features: Tensor = self.attention(shallow)
        return features

    def reconstruct(self, deep: Tensor, shallow: Tensor, x: Tensor) -> Tensor:
        """The global skip and one convolution to all sub-pixels."""
        return functional.pixel_shuffle(self.last(deep + shallow), self.scale)
