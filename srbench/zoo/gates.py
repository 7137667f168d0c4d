"""The base class of attention parts, and the parts of RLFN, EFDN, SPAN and SAFMN; each takes and returns N×C×H×W.

Notation as in `srbench.zoo.attention`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional

from srbench.errors import UpscalerError

_SAFM_LEVELS = 4


class Gate(nn.Module, ABC):
    """An attention part: it returns its input times a map that it computes from that input."""

    @abstractmethod
    def map(self, x: Tensor) -> Tensor:
        """Return the map of x; its shape broadcasts to the shape of x."""

    def forward(self, x: Tensor) -> Tensor:
        """Return x times its map."""
        return x * self.map(x)


class FixedGain(Gate):
    """A control for studies of attention: the map is one constant, which scales features as much as an attention does
    on average.
    """

    def __init__(self, gain: float) -> None:
        super().__init__()
        self.gain = gain

    def map(self, x: Tensor) -> Tensor:
        """Return the constant."""
        return x.new_full((1,), self.gain)


class ChannelGain(Gate):
    """A control for studies of attention: one learnable gain per channel, equal for all images; it starts at 0.25."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.full((1, channels, 1, 1), 0.25))

    def map(self, x: Tensor) -> Tensor:
        """Return the gains, 1×C×1×1."""
        return self.gain


class NoGate(Gate):
    """No attention: the map is 1."""

    def map(self, x: Tensor) -> Tensor:
        """Return 1."""
        return x.new_ones(1)

    def forward(self, x: Tensor) -> Tensor:
        """Return x."""
        return x


class SwiftAttention(Gate):
    """Parameter-free attention of SPAN: x ⊙ (σ(x) - ½), an odd function of each value (SPAN, equation 4)."""

    def map(self, x: Tensor) -> Tensor:
        """Return σ(x) - ½, N×C×H×W in (-½, ½)."""
        return torch.sigmoid(x) - 0.5


class ESA(Gate):
    """Enhanced spatial attention: a map from features that are pooled over 7×7 at half size (RFANet, section 3.3).

    `light` has one convolution after the pooling instead of three with ReLU between them (RLFN, section 3.2).

    Raises:
        UpscalerError: an input with a side below 15 pixels, from which nothing is left after the pooling.
    """

    smallest = 15

    def __init__(self, channels: int, *, hidden: int, light: bool) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, hidden, 1)
        self.keep = nn.Conv2d(hidden, hidden, 1)
        # Without padding, as in the authors' code.
        self.halve = nn.Conv2d(hidden, hidden, 3, stride=2)
        self.pooled = nn.ModuleList(nn.Conv2d(hidden, hidden, 3, padding=1) for _ in range(1 if light else 3))
        self.excite = nn.Conv2d(hidden, channels, 1)

    def map(self, x: Tensor) -> Tensor:
        """Return the map of every value, N×C×H×W in (0, 1)."""
        _require_sides(x, self.smallest, "ESA")
        squeezed = self.squeeze(x)
        wide = functional.max_pool2d(self.halve(squeezed), kernel_size=7, stride=3)
        for number, layer in enumerate(self.pooled):
            wide = layer(torch.relu(wide) if number else wide)
        wide = functional.interpolate(wide, size=x.shape[-2:], mode="bilinear", align_corners=False)
        return torch.sigmoid(self.excite(wide + self.keep(squeezed)))


class SAFM(Gate):
    """Spatially-adaptive feature modulation: x ⊙ GELU(W1×1 [parts]) (SAFMN, section 3.1).

    The channels form four parts. Each passes a depthwise 3×3 convolution: the first at full size, part i on the
    maxima over ⌊H/2ⁱ⌋×⌊W/2ⁱ⌋ cells, enlarged again by repeating values. The challenge version of 2023 pools to
    ⌊H/2ⁱ⁺¹⌋×⌊W/2ⁱ⁺¹⌋ and has no biases.

    Raises:
        UpscalerError: an input with a side that is too small for the last part: below 8 pixels (challenge: 16).
    """

    def __init__(self, channels: int, *, challenge: bool = False) -> None:
        super().__init__()
        if channels % _SAFM_LEVELS:
            raise UpscalerError(f"SAFM: expected a multiple of {_SAFM_LEVELS} channels, got {channels}")
        part, self.first_halvings = channels // _SAFM_LEVELS, 2 if challenge else 1
        self.mix = nn.ModuleList(
            nn.Conv2d(part, part, 3, padding=1, groups=part, bias=not challenge) for _ in range(_SAFM_LEVELS)
        )
        self.join = nn.Conv2d(channels, channels, 1, bias=not challenge)

    @property
    def smallest(self) -> int:
        """The smallest height and width of an input."""
        return int(2 ** (_SAFM_LEVELS - 2 + self.first_halvings))

    def map(self, x: Tensor) -> Tensor:
        """Return the map of every value, N×C×H×W, not bounded."""
        _require_sides(x, self.smallest, "SAFM")
        parts = x.chunk(_SAFM_LEVELS, 1)
        mixed = [self.mix[0](parts[0])]
        for halvings, (part, layer) in enumerate(zip(parts[1:], self.mix[1:], strict=True), self.first_halvings):
            size = [side // 2**halvings for side in x.shape[-2:]]
            coarse = layer(functional.adaptive_max_pool2d(part, size))
            mixed.append(functional.interpolate(coarse, size=x.shape[-2:], mode="nearest"))
        return functional.gelu(self.join(torch.cat(mixed, 1)))


def _require_sides(x: Tensor, smallest: int, part: str) -> None:
    # A compiler or exporter traces sizes as variables; a comparison would make them constants.
    if not torch.compiler.is_compiling() and min(x.shape[-2:]) < smallest:
        height, width = x.shape[-2:]
        raise UpscalerError(
            f"{part}: expected an input of at least {smallest}×{smallest} pixels, got {height}×{width}; "
            "use a larger LR image or pad it"
        )
