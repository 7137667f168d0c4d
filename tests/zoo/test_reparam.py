"""The deployed form of a network computes what its training form computes, and what a plain network would."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from srbench.zoo import build, key_tables, load
from srbench.zoo.blocks import SRNetwork
from srbench.zoo.conversion import convert, describe
from srbench.zoo.optimize import optimized
from srbench.zoo.reparam import BranchedConv, EdgeConv, ExpandedConv, has_branches, merge
from tests.zoo.small import SMALL


@pytest.mark.parametrize("layer", [EdgeConv(6), ExpandedConv(3, 8)], ids=lambda layer: type(layer).__name__)
def test_merged_convolution_is_exact_at_the_border(layer: BranchedConv) -> None:
    torch.manual_seed(0)
    for parameter in layer.parameters():
        nn.init.normal_(parameter)
    layer.double()
    x = torch.randn(2, layer.inputs, 7, 5, dtype=torch.float64)
    with torch.inference_mode():
        expected = layer(x)
        assert (layer.merged()(x) - expected).abs().max() <= 1e-13 * expected.abs().max()


def _training_form(name: str) -> SRNetwork:
    torch.manual_seed(1)
    return build(name, scale=2, training_form=True, reduction=8, **SMALL[name.removesuffix("-bam")])


@pytest.mark.parametrize("name", ["efdn", "efdn-bam", "span", "span-bam"])
def test_deployed_form_is_the_plain_network(name: str) -> None:
    network = _training_form(name).eval()
    plain = build(name, scale=2, reduction=8, **SMALL[name.removesuffix("-bam")]).eval()
    plain.load_state_dict(merge(network).state_dict(), strict=True)
    lr = torch.rand(1, 3, 19, 17)
    with torch.inference_mode():
        expected = network(lr)
        for deployed in (merge(network), plain, optimized(network)):
            assert not has_branches(deployed)
            assert (deployed(lr) - expected).abs().max() <= 1e-5 * max(1.0, float(expected.abs().max()))
    assert has_branches(network) and not has_branches(plain)


def test_branches_are_trained_and_no_buffer_is_stored() -> None:
    network = _training_form("efdn")
    network(torch.rand(1, 3, 16, 16)).square().mean().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    assert not [key for key in network.state_dict() if "masks" in key]


def test_authors_training_checkpoint_converts_to_the_deployed_form(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = build("span", scale=4, training_form=True).eval()
    table = key_tables("span")[1]
    state = {table.theirs(key): tensor for key, tensor in network.state_dict().items()}
    # As in an official file: merged convolutions of an earlier step, which no longer fit the branches.
    state |= {"conv_1.eval_conv.weight": torch.zeros(48, 3, 3, 3), "conv_1.eval_conv.bias": torch.zeros(48)}
    source = tmp_path / "span.pth"
    torch.save({"params": state}, source)
    conversion = convert(source)
    assert conversion.record["options"] == {} and "merged from its training form" in describe(conversion)
    lr = torch.rand(1, 3, 9, 8)
    with torch.inference_mode():
        expected = network(lr)
        for file in (source, conversion.path):
            loaded = load("span", scale=4, file=file).module
            assert not has_branches(loaded)
            assert (loaded(lr) - expected).abs().max() <= 1e-5 * expected.abs().max()
