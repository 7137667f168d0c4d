"""The attention parts that networks host: each takes and returns N×C×H×W.

Notation: x the input, GAP and GMP the mean and maximum over H×W, σ the sigmoid, W a convolution, ⊙ the product with
broadcasting, r the reduction. Every part returns its map times x, unless it says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor, nn

from srbench.errors import UpscalerError
from srbench.zoo.gates import ESA, SAFM, ChannelGain, FixedGain, Gate, NoGate, SwiftAttention
from srbench.zoo.keys import KeyRow

AttentionFactory = Callable[[int], Gate]
"""Builds the attention part for a number of channels; the reduction is already set."""


class ACAM(Gate):
    """Adaptive channel attention of BAM: x ⊙ σ(W2 PReLU(W1 GAP(x))), without biases (BAM paper, section 3).

    `add_max` adds W2 PReLU(W1 GMP(x)) before the sigmoid. PReLU has one slope per hidden channel.
    """

    def __init__(self, channels: int, *, reduction: int, add_max: bool = False) -> None:
        super().__init__()
        hidden = _hidden(channels, reduction)
        self.add_max = add_max
        self.squeeze = nn.Conv2d(channels, hidden, 1, bias=False)
        self.slope = nn.PReLU(hidden)
        self.excite = nn.Conv2d(hidden, channels, 1, bias=False)

    def map(self, x: Tensor) -> Tensor:
        """The channel map, N×C×1×1 in (0, 1)."""
        logits = self._logits(x.mean((2, 3), keepdim=True))
        if self.add_max:
            logits = logits + self._logits(x.amax((2, 3), keepdim=True))
        return torch.sigmoid(logits)

    def _logits(self, pooled: Tensor) -> Tensor:
        excited: Tensor = self.excite(self.slope(self.squeeze(pooled)))
        return excited


class MSAM(Gate):
    """Maximum spatial attention of BAM: x ⊙ σ(W7×7 max_c(x)), without bias (BAM paper, section 3).

    `add_mean` stacks the mean over the channels before the maximum, so that the convolution sees two planes.
    """

    def __init__(self, *, add_mean: bool = False) -> None:
        super().__init__()
        self.add_mean = add_mean
        self.conv = nn.Conv2d(2 if add_mean else 1, 1, 7, padding=3, bias=False)

    def map(self, x: Tensor) -> Tensor:
        """The spatial map, N×1×H×W in (0, 1)."""
        pooled = x.amax(1, keepdim=True)
        if self.add_mean:
            pooled = torch.cat((x.mean(1, keepdim=True), pooled), 1)
        return torch.sigmoid(self.conv(pooled))


class BAM(Gate):
    """Balanced attention: x ⊙ ACAM map(x) ⊙ MSAM map(x), both maps from the same x (BAM paper, section 3).

    `both_pools` gives both halves both poolings (the ablation's `bam-add`).
    """

    def __init__(self, channels: int, *, reduction: int, both_pools: bool = False) -> None:
        super().__init__()
        self.channel = ACAM(channels, reduction=reduction, add_max=both_pools)
        self.spatial = MSAM(add_mean=both_pools)

    def map(self, x: Tensor) -> Tensor:
        """Return the product of both maps, N×C×H×W in (0, 1)."""
        return self.channel.map(x) * self.spatial.map(x)


class CA(Gate):
    """Channel attention of RCAN: x ⊙ σ(W2 ReLU(W1 GAP(x))), with biases (RCAN, equations 9 to 11)."""

    def __init__(self, channels: int, *, reduction: int, bias: bool = True) -> None:
        super().__init__()
        hidden = _hidden(channels, reduction)
        self.squeeze = nn.Conv2d(channels, hidden, 1, bias=bias)
        self.excite = nn.Conv2d(hidden, channels, 1, bias=bias)

    def statistic(self, x: Tensor) -> Tensor:
        """Return one value per channel, N×C×1×1: its mean."""
        return x.mean((2, 3), keepdim=True)

    def map(self, x: Tensor) -> Tensor:
        """Return the channel map, N×C×1×1 in (0, 1)."""
        return torch.sigmoid(self.excite(torch.relu(self.squeeze(self.statistic(x)))))


class CCA(CA):
    """Contrast-aware channel attention of IMDN: CA on the standard deviation (over N, not N - 1) plus the mean."""

    def statistic(self, x: Tensor) -> Tensor:
        """Return one value per channel, N×C×1×1: its contrast."""
        mean = x.mean((2, 3), keepdim=True)
        variance = (x - mean).square().mean((2, 3), keepdim=True)
        if self.training:
            # A constant channel has contrast 0, where the slope of the root is infinite; in training the slope is set
            # to 0.
            flat = variance == 0
            return variance.masked_fill(flat, 1).sqrt().masked_fill(flat, 0) + mean
        return variance.sqrt() + mean


class SE(CA):
    """Squeeze and excitation: CA without biases (SENet, equations 2 to 4)."""

    def __init__(self, channels: int, *, reduction: int) -> None:
        super().__init__(channels, reduction=reduction, bias=False)


class CBAM(Gate):
    """CBAM, channel then spatial: y = x ⊙ σ(f(GAP(x)) + f(GMP(x))), f = W2 ReLU W1; y ⊙ σ(W7×7 [mean_c y, max_c y])."""

    def __init__(self, channels: int, *, reduction: int) -> None:
        super().__init__()
        hidden = _hidden(channels, reduction)
        self.squeeze = nn.Conv2d(channels, hidden, 1, bias=False)
        self.excite = nn.Conv2d(hidden, channels, 1, bias=False)
        self.spatial = MSAM(add_mean=True)

    def map(self, x: Tensor) -> Tensor:
        """Return the product of the channel map of x and the spatial map of y, N×C×H×W in (0, 1)."""
        channel = self._channel_map(x)
        return channel * self.spatial.map(x * channel)

    def forward(self, x: Tensor) -> Tensor:
        """Return x times the channel map, then times the spatial map; this order gives the authors' rounding."""
        refined: Tensor = self.spatial(x * self._channel_map(x))
        return refined

    def _channel_map(self, x: Tensor) -> Tensor:
        pools = (x.mean((2, 3), keepdim=True), x.amax((2, 3), keepdim=True))
        logits = [self.excite(torch.relu(self.squeeze(pool))) for pool in pools]
        return torch.sigmoid(logits[0] + logits[1])


class PA(Gate):
    """Pixel attention of PAN: x ⊙ σ(W1×1 x), a map with one factor for every value (PAN, equation 3)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 1)

    def map(self, x: Tensor) -> Tensor:
        """Return the pixel map, N×C×H×W in (0, 1)."""
        return torch.sigmoid(self.conv(x))


class LA(Gate):
    """Laplacian attention of DRLN: x ⊙ σ(W4 [ReLU W_d g for d in 3, 5, 7]), g = GAP(x) (DRLN, section 3.3).

    The 3×3 convolutions run on a 1×1 map, so only their centre taps act; all taps are kept as parameters.
    """

    def __init__(self, channels: int, *, reduction: int) -> None:
        super().__init__()
        hidden = _hidden(channels, reduction)
        self.squeeze = nn.ModuleList(nn.Conv2d(channels, hidden, 3, padding=d, dilation=d) for d in (3, 5, 7))
        self.excite: nn.Module = nn.Conv2d(3 * hidden, channels, 3, padding=1)

    def map(self, x: Tensor) -> Tensor:
        """Return the channel map, N×C×1×1 in (0, 1)."""
        pooled = x.mean((2, 3), keepdim=True)
        pyramid = torch.cat([torch.relu(conv(pooled)) for conv in self.squeeze], 1)
        return torch.sigmoid(self.excite(pyramid))

    def fold(self) -> None:
        """Replace the convolutions by 1×1 convolutions of their centre taps; exact, for inference."""
        self.squeeze = nn.ModuleList(_centre(conv) for conv in self.squeeze)
        self.excite = _centre(self.excite)


def _centre(layer: nn.Module) -> nn.Conv2d:
    if not isinstance(layer, nn.Conv2d):
        raise UpscalerError(f"expected a convolution to fold, got {type(layer).__name__}")
    folded = nn.Conv2d(layer.in_channels, layer.out_channels, 1)
    middle = layer.kernel_size[0] // 2
    folded.weight = nn.Parameter(layer.weight.detach()[:, :, middle : middle + 1, middle : middle + 1].clone())
    folded.bias = layer.bias
    return folded


def _hidden(channels: int, reduction: int) -> int:
    if reduction < 1 or channels % reduction:
        raise UpscalerError(
            f"expected a reduction that divides the attention's {channels} channels, got {reduction}; "
            "choose another with the option reduction"
        )
    return channels // reduction


_LIGHT_ESA_CHANNELS = 16

_REDUCED: Mapping[str, Callable[..., Gate]] = {
    "bam": BAM,
    "acam": ACAM,
    "acam-max": partial(ACAM, add_max=True),
    "bam-add": partial(BAM, both_pools=True),
    "ca": CA,
    "cca": CCA,
    "se": SE,
    "cbam": CBAM,
    "la": LA,
    "esa": lambda channels, *, reduction: ESA(channels, hidden=_hidden(channels, reduction), light=False),
}

_PLAIN: Mapping[str, AttentionFactory] = {
    "none": lambda channels: NoGate(),
    "fixed-025": lambda channels: FixedGain(0.25),
    "fixed-05": lambda channels: FixedGain(0.5),
    "gain": ChannelGain,
    "msam": lambda channels: MSAM(),
    "msam-avg": lambda channels: MSAM(add_mean=True),
    "pa": PA,
    "esa-light": lambda channels: ESA(channels, hidden=_LIGHT_ESA_CHANNELS, light=True),
    "spa": lambda channels: SwiftAttention(),
    "safm": SAFM,
    "safm-ntire2023": partial(SAFM, challenge=True),
}


def attention_factory(kind: str, *, reduction: int) -> AttentionFactory:
    """Return the factory of one kind of attention (see `networks.ATTENTIONS`) with a fixed reduction."""
    return _PLAIN[kind] if kind in _PLAIN else partial(_REDUCED[kind], reduction=reduction)


_CHANNEL: tuple[KeyRow, ...] = (("fc1", "squeeze"), ("relu1", "slope"), ("fc2", "excite"))
_SPATIAL: tuple[KeyRow, ...] = (("conv1", "conv"),)
_BOTH: tuple[KeyRow, ...] = (
    ("ca.fc1", "channel.squeeze"),
    ("ca.relu1", "channel.slope"),
    ("ca.fc2", "channel.excite"),
    ("sa.conv1", "spatial.conv"),
)
_SAFM: tuple[KeyRow, ...] = (("mfr.{j}", "mix.{j}"), ("aggr", "join"))
_ESA: tuple[KeyRow, ...] = (
    ("conv1", "squeeze"),
    ("conv_f", "keep"),
    ("conv2", "halve"),
    ("conv4", "excite"),
)
_CONV_DU: tuple[KeyRow, ...] = (("conv_du.0", "squeeze"), ("conv_du.2", "excite"))

ATTENTION_KEYS: Mapping[str, tuple[KeyRow, ...]] = {
    "none": (),
    "fixed-025": (),
    "fixed-05": (),
    "gain": (("gain", "gain"),),
    "bam": _BOTH,
    "bam-add": _BOTH,
    "acam": _CHANNEL,
    "acam-max": _CHANNEL,
    "msam": _SPATIAL,
    "msam-avg": _SPATIAL,
    "ca": _CONV_DU,
    "cca": _CONV_DU,
    "cbam": (("ca.fc1", "squeeze"), ("ca.fc2", "excite"), ("sa.conv1", "spatial.conv")),
    "pa": (("conv", "conv"),),
    "la": (
        ("c1.body.0", "squeeze.0"),
        ("c2.body.0", "squeeze.1"),
        ("c3.body.0", "squeeze.2"),
        ("c4.body.0", "excite"),
    ),
    "esa": (*_ESA, ("conv_max", "pooled.0"), ("conv3", "pooled.1"), ("conv3_", "pooled.2")),
    "esa-light": (*_ESA, ("conv3", "pooled.0")),
    "spa": (),
    "safm": _SAFM,
    "safm-ntire2023": _SAFM,
    # There is no public checkpoint with SE, so its keys have the names of this module.
    "se": (("squeeze", "squeeze"), ("excite", "excite")),
}
"""For each kind, (path in published checkpoints, path in our part), both below the slot."""
