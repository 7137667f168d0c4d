"""AlexNet and VGG16 as feature extractors of the perceptual metrics: their pinned files and their convolutions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import safetensors.torch
import torch
from torch import Tensor
from torch.nn import functional

from srbench.errors import FetchError, MetricError
from srbench.fetch import RemoteFile, fetch

State = Mapping[str, Tensor]
Pooling = Literal["max", "l2"]

_DATA = Path(__file__).with_name("data")
_TORCHVISION = "https://download.pytorch.org/models/"


@dataclass(frozen=True)
class Convolution:
    """One convolution followed by ReLU: its number in torchvision's `features`, stride and padding.

    `pooled` says that the input is pooled first; `tap` that the output is one of the feature maps.
    """

    number: int
    stride: int = 1
    padding: int = 1
    pooled: bool = False
    tap: bool = False


@dataclass(frozen=True)
class Backbone:
    """A convolutional network up to the last feature map that is used, and the files with its ImageNet weights.

    `files` are alternatives: the first is a trimmed safetensors file, the last torchvision's own checkpoint. `pool` is
    kernel size and stride of its max-pooling.
    """

    name: str
    layers: tuple[Convolution, ...]
    pool: tuple[int, int]
    files: tuple[RemoteFile, ...]


ALEXNET = Backbone(
    "AlexNet",
    (
        Convolution(0, stride=4, padding=2, tap=True),
        Convolution(3, padding=2, pooled=True, tap=True),
        Convolution(6, pooled=True, tap=True),
        Convolution(8, tap=True),
        Convolution(10, tap=True),
    ),
    (3, 2),
    (
        RemoteFile(
            "alexnet_features.safetensors",
            (),
            9_879_632,
            "9f97fd313f4da83dbe6bbfbe6effca1241de9edfcd7c53386261ed9697286dd9",
        ),
        RemoteFile(
            "alexnet-owt-7be5be79.pth",
            (f"{_TORCHVISION}alexnet-owt-7be5be79.pth",),
            244_408_911,
            "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
        ),
    ),
)
"""torchvision's AlexNet (Krizhevsky 2014, "One weird trick"), ImageNet weights."""

VGG16 = Backbone(
    "VGG16",
    (
        Convolution(0),
        Convolution(2, tap=True),
        Convolution(5, pooled=True),
        Convolution(7, tap=True),
        Convolution(10, pooled=True),
        Convolution(12),
        Convolution(14, tap=True),
        Convolution(17, pooled=True),
        Convolution(19),
        Convolution(21, tap=True),
        Convolution(24, pooled=True),
        Convolution(26),
        Convolution(28, tap=True),
    ),
    (2, 2),
    (
        RemoteFile(
            "vgg16_features.safetensors",
            (),
            29_431_632,
            "a0606ae48e5838fd6444b0c3105007fa554a81714ed9c937f2e1ca122c57b345",
        ),
        RemoteFile(
            "vgg16-397923af.pth",
            (f"{_TORCHVISION}vgg16-397923af.pth",),
            None,
            "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
        ),
    ),
)
"""torchvision's VGG16 (Simonyan and Zisserman 2015), ImageNet weights; the trimmed file is in half precision."""


def load_parameters(name: str) -> dict[str, Tensor]:
    """Return the tensors of one of the parameter files that come with the package."""
    return safetensors.torch.load_file(_DATA / name)


def load_backbone(backbone: Backbone, device: torch.device) -> tuple[dict[str, Tensor], RemoteFile]:
    """Return the weights of a backbone as float32 on a device, and the file that they are from.

    A file is looked for in `$SRBENCH_MIRROR` and the cache, else the last one of `backbone.files` is downloaded. No
    code in a file is run.

    Raises:
        MetricError: no file, or one without the needed tensors.
    """
    path, file = _find(backbone)
    try:
        state = safetensors.torch.load_file(path) if path.suffix == ".safetensors" else _read_torch(path)
        names = [f"features.{layer.number}.{part}" for layer in backbone.layers for part in ("weight", "bias")]
        return {name: state[name].to(device, torch.float32) for name in names}, file
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        raise MetricError(f"{path}: expected the weights of {backbone.name}, got {error}; remove the file") from error


def features(image: Tensor, backbone: Backbone, state: State, *, pooling: Pooling = "max") -> list[Tensor]:
    """Return the feature maps at the taps: a normalised float32 image N×3×H×W in, N×C×h×w each out.

    Args:
        pooling: "max" as in the network, or "l2" as in DISTS.

    Raises:
        MetricError: an image that is too small for the network.
    """
    maps: list[Tensor] = []
    current = image
    for layer in backbone.layers:
        if layer.pooled:
            current = _pooled(current, backbone, pooling)
        weight, bias = (state[f"features.{layer.number}.{part}"] for part in ("weight", "bias"))
        if min(current.shape[-2:]) + 2 * layer.padding < weight.shape[-1]:
            raise MetricError(f"expected a larger image for {backbone.name}, got {image.shape[-1]}×{image.shape[-2]}")
        current = functional.relu(functional.conv2d(current, weight, bias, layer.stride, layer.padding))
        if layer.tap:
            maps.append(current)
    return maps


def _pooled(image: Tensor, backbone: Backbone, pooling: Pooling) -> Tensor:
    size, stride = backbone.pool
    if min(image.shape[-2:]) < size:
        raise MetricError(f"expected a larger image for {backbone.name}: nothing is left to pool")
    if pooling == "max":
        return functional.max_pool2d(image, size, stride)
    channels = image.shape[1]
    line = image.new_tensor([0.25, 0.5, 0.25])
    window = torch.outer(line, line).expand(channels, 1, 3, 3)
    return torch.sqrt(functional.conv2d(image.square(), window, stride=2, padding=1, groups=channels) + 1e-12)


def _find(backbone: Backbone) -> tuple[Path, RemoteFile]:
    failures = []
    for file in backbone.files:
        try:
            return fetch(file), file
        except FetchError as error:
            failures.append(f"{file.name}: {error}")
    raise MetricError(
        f"expected the ImageNet weights of {backbone.name}, got no file; put "
        f"{' or '.join(file.name for file in backbone.files)} into a folder and set SRBENCH_MIRROR to it "
        f"({'; '.join(failures)})"
    )


def _read_torch(path: Path) -> dict[str, Tensor]:
    state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return state
