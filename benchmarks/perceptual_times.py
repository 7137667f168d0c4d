"""Time of the perceptual metrics per image pair against lpips, piq and torchmetrics, on one pair with the same weights.

Peers build their networks with weights that they download; here they get the weights of `$SRBENCH_TEST_DATA`, so that
the scores can be compared, too. The pair has 256×256 pixels, which piq does not shrink.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from unittest import mock

import numpy as np
import torch
from numpy.typing import NDArray
from skimage.data import astronaut
from torch import Tensor, nn

from benchmarks import peers
from benchmarks.perceptual import mirrored
from benchmarks.report import BenchRow, milliseconds, speed_row, test_data, timings, without_data, without_peer
from srbench.metrics.backbones import ALEXNET, VGG16, Backbone, load_backbone, load_parameters
from srbench.metrics.metric_entries import get_metric

Image = NDArray[np.uint8]
Peer = Callable[[Tensor, Tensor], object]

_CPU, _REPEATS, _SIDE = torch.device("cpu"), 5, 256
_NETWORKS = {"lpips_alex": ("alex", ALEXNET), "lpips_vgg": ("vgg", VGG16), "dists": ("vgg", VGG16)}


def rows() -> Iterator[BenchRow]:
    """Yield one row per metric and peer: times faster, and both scores. NIQE has no peer among the three."""
    material = test_data()
    if material is None:
        yield without_data("perceptual metrics, 256×256 pair, against lpips, piq and torchmetrics", "")
        return
    peers.allow_torchvision()
    with mirrored(material / "checkpoints/perceptual"):
        for metric in (*_NETWORKS, "niqe"):
            yield from _rows_of(metric)


def _rows_of(metric: str) -> Iterator[BenchRow]:
    sr, hr = _pair()
    ours = partial(get_metric(metric).load(_CPU), sr, hr)
    if metric not in _PEERS:
        (mine,) = timings(ours, repeats=_REPEATS)
        yield BenchRow(f"{metric}, 256×256 image", milliseconds(mine.median), "-", None, "", "no peer has it")
    for archive, make in _PEERS.get(metric, {}).items():
        name = f"{metric}, 256×256 pair, against {archive.title}"
        try:
            peer = make(metric)
        except (peers.PeerMissing, ImportError, RuntimeError) as missing:  # torchvision built for another torch
            yield without_peer(name, f"{archive.title} ({missing})")
            continue
        theirs = partial(_call, peer, *map(_tensor, (sr, hr)))
        mine, other = timings(ours, theirs, repeats=_REPEATS)
        yield speed_row(name, mine, other, note=f"times faster; score {ours():.5f} here, {theirs():.5f} there")


def _pair() -> tuple[Image, Image]:
    hr = astronaut()[:_SIDE, :_SIDE]
    noisy = hr + np.random.default_rng(0).normal(0, 8, hr.shape)
    return np.rint(noisy.clip(0, 255)).astype(np.uint8), hr


def _tensor(image: Image) -> Tensor:
    return torch.from_numpy(image.transpose(2, 0, 1) / 255).float()[None]


def _call(peer: Peer, sr: Tensor, hr: Tensor) -> float:
    with torch.inference_mode():
        return float(torch.as_tensor(peer(sr, hr)))


def _lpips(metric: str) -> Peer:
    """Return the authors' LPIPS with the weights of ours."""
    peers.importable(peers.LPIPS)
    from lpips import LPIPS  # type: ignore[import-not-found]  # inside: it is in the archive of a peer

    network, backbone = _NETWORKS[metric]
    return _with_weights(LPIPS(net=network, pretrained=False, pnet_rand=True, verbose=False), network, backbone)


def _lpips_of_torchmetrics(metric: str) -> Peer:
    network, backbone = _NETWORKS[metric]
    built = _torchmetrics("lpips")._LPIPS(net=network, pretrained=False, pnet_rand=True)
    return _with_weights(built, network, backbone)


def _with_weights(built: Any, network: str, backbone: Backbone) -> Peer:
    heads = load_parameters("lpips_heads_v0.1.safetensors")
    for number in range(5):
        getattr(built, f"lin{number}").model[-1].weight.data = heads[f"{network}.lin{number}"].view(1, -1, 1, 1)
    _fill(built.net, backbone)
    built.eval()
    return partial(built, normalize=True)


def _dists_of_torchmetrics(metric: str) -> Peer:
    module = _torchmetrics("dists")
    vgg16 = module.vgg16
    with mock.patch.object(module, "vgg16", lambda weights: vgg16(weights=None)):
        built = module.DISTSNetwork(load_weights=False)
    built.alpha.data, built.beta.data = _dists_weights()
    _fill(built, _NETWORKS[metric][1])
    peer: Peer = built.eval()
    return peer


def _of_piq(metric: str) -> Peer:
    """Return piq's LPIPS (VGG16) or DISTS with the weights of ours."""
    module = peers.module(peers.PIQ, "piq.perceptual")
    heads = load_parameters("lpips_heads_v0.1.safetensors")
    lines = [heads[f"vgg.lin{number}"].view(1, -1, 1, 1) for number in range(5)]
    alpha, beta = _dists_weights()
    found: object = lines if metric == "lpips_vgg" else {"alpha": alpha, "beta": beta}
    vgg16 = module.vgg16
    with (
        mock.patch.object(torch.hub, "load_state_dict_from_url", lambda *_, **__: found),
        mock.patch.object(module, "vgg16", lambda **_: vgg16(weights=None)),
    ):
        built = module.LPIPS() if metric == "lpips_vgg" else module.DISTS()
    _fill(built.model, _NETWORKS[metric][1])
    peer: Peer = built.eval()
    return peer


def _dists_weights() -> tuple[Tensor, Tensor]:
    found = load_parameters("dists_alpha_beta.safetensors")
    total = found["alpha"].sum() + found["beta"].sum()
    alpha, beta = ((found[name] / total).view(1, -1, 1, 1) for name in ("alpha", "beta"))
    return alpha, beta


def _fill(network: nn.Module, backbone: Backbone) -> None:
    """Give the convolutions of a network the weights of ours; their names end with torchvision's numbers."""
    state, _ = load_backbone(backbone, _CPU)
    for name, part in network.named_modules():
        key = f"features.{name.rpartition('.')[2]}"
        if isinstance(part, nn.Conv2d) and f"{key}.weight" in state and part.bias is not None:
            part.weight.data, part.bias.data = state[f"{key}.weight"], state[f"{key}.bias"]


def _torchmetrics(name: str) -> Any:
    peers.importable(peers.LIGHTNING_UTILITIES)
    peers.shell(peers.TORCHMETRICS, "torchmetrics", _logger=logging.getLogger("torchmetrics"))
    return peers.module(peers.TORCHMETRICS, f"torchmetrics.functional.image.{name}")


_PEERS: dict[str, dict[peers.Archive, Callable[[str], Peer]]] = {
    "lpips_alex": {peers.LPIPS: _lpips, peers.TORCHMETRICS: _lpips_of_torchmetrics},
    "lpips_vgg": {peers.LPIPS: _lpips, peers.PIQ: _of_piq, peers.TORCHMETRICS: _lpips_of_torchmetrics},
    "dists": {peers.PIQ: _of_piq, peers.TORCHMETRICS: _dists_of_torchmetrics},
}
