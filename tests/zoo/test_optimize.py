"""Optimised networks compute the same function as the plain ones."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from srbench.zoo import build
from srbench.zoo.blocks import SRNetwork
from srbench.zoo.counting import count_macs
from srbench.zoo.networks import NETWORKS
from srbench.zoo.optimize import optimized
from tests.zoo.small import SMALL


def _network(name: str) -> SRNetwork:
    """A small network with its mean shifts and learned factors moved away from where they start."""
    torch.manual_seed(0)
    base = name.removesuffix("-bam")
    network = build(name, scale=3, reduction=8, **SMALL[base]).eval()
    with torch.no_grad():
        for key, parameter in network.named_parameters():
            if "mean" in key or "scale" in key:
                parameter.mul_(1 + 0.1 * torch.randn_like(parameter))
    return network


@pytest.mark.parametrize("name", [f"{name}{suffix}" for name in NETWORKS for suffix in ("", "-bam")])
def test_optimising_changes_no_output(name: str) -> None:
    network = _network(name)
    state = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    lr = torch.rand(2, 3, 16, 17)
    with torch.inference_mode():
        expected = network(lr)
        output = optimized(network)(lr)
    assert (output - expected).abs().max() <= 1e-5 * max(1.0, float(expected.abs().max()))
    for key, tensor in network.state_dict().items():
        assert torch.equal(tensor, state[key]), f"optimising a copy changed {key} of the original"


def test_folding_removes_work() -> None:
    network = _network("awsrn")
    folded = optimized(network)
    assert not any(name.endswith("weight_g") for name, _ in folded.named_parameters())
    assert count_macs(folded, height=24, width=24) < count_macs(network, height=24, width=24)
    assert isinstance(optimized(_network("rcan")).add_mean, nn.Identity)
