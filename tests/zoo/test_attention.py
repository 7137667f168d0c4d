"""What the equations of the attention parts imply, exactly."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from srbench.errors import UpscalerError
from srbench.zoo.attention import ACAM, BAM, CA, CBAM, CCA, LA, MSAM, PA, SE, attention_factory
from srbench.zoo.counting import count_parameters
from srbench.zoo.networks import ATTENTIONS


@pytest.fixture
def x() -> Tensor:
    torch.manual_seed(0)
    return torch.randn(2, 16, 9, 7)


def test_every_registered_kind_returns_its_map_times_the_input() -> None:
    x = torch.randn(2, 16, 16, 17)
    for kind in ATTENTIONS:
        part = attention_factory(kind, reduction=4)(16)
        assert part(x).shape == x.shape
        torch.testing.assert_close(part(x), x * part.map(x))


@pytest.mark.parametrize(
    ("part", "share"),
    [
        (ACAM(16, reduction=4), 1 / 2),
        (MSAM(), 1 / 2),
        (BAM(16, reduction=4), 1 / 4),
        (BAM(16, reduction=4, both_pools=True), 1 / 4),
        (CA(16, reduction=4), 1 / 2),
        (CCA(16, reduction=4), 1 / 2),
        (SE(16, reduction=4), 1 / 2),
        (CBAM(16, reduction=4), 1 / 4),
        (PA(16), 1 / 2),
        (LA(16, reduction=4), 1 / 2),
    ],
    ids=lambda value: type(value).__name__,
)
def test_zero_weights_halve_once_per_sigmoid(part: nn.Module, share: float, x: Tensor) -> None:
    for parameter in part.parameters():
        nn.init.zeros_(parameter)
    assert torch.equal(part(x), x * share)


def test_both_halves_of_bam_read_the_same_input(x: Tensor) -> None:
    bam = BAM(16, reduction=4)
    torch.testing.assert_close(bam(x) * x, bam.channel(x) * bam.spatial(x))


def test_bam_costs_what_its_paper_says() -> None:
    # Two 1×1 convolutions, one PReLU slope per hidden channel, one 7×7 kernel; no biases.
    assert count_parameters(BAM(64, reduction=16)) == 64 * 4 + 4 + 4 * 64 + 49


def test_contrast_is_the_biased_deviation_plus_the_mean(x: Tensor) -> None:
    expected = x.std((2, 3), correction=0, keepdim=True) + x.mean((2, 3), keepdim=True)
    torch.testing.assert_close(CCA(16, reduction=4).statistic(x), expected)


def test_a_flat_map_doubles_the_logits_of_both_poolings() -> None:
    flat = torch.randn(1, 16, 1, 1).expand(1, 16, 5, 5)
    once, twice = ACAM(16, reduction=4), ACAM(16, reduction=4, add_max=True)
    twice.load_state_dict(once.state_dict())
    torch.testing.assert_close(torch.logit(twice.map(flat)), 2 * torch.logit(once.map(flat)))


def test_channel_parts_ignore_where_values_are(x: Tensor) -> None:
    shuffled = x.flatten(2)[..., torch.randperm(63)].reshape(x.shape)
    part = ACAM(16, reduction=4, add_max=True)
    torch.testing.assert_close(part.map(x), part.map(shuffled))


def test_the_spatial_part_sees_only_the_maximum_over_channels(x: Tensor) -> None:
    part = MSAM()
    assert torch.equal(part.map(x), part.map(x.flip(1)))
    assert torch.equal(part.map(x), part.map(torch.maximum(x, x.amax(1, keepdim=True) - 1)))


def test_laplacian_attention_uses_centre_taps_only(x: Tensor) -> None:
    part = LA(16, reduction=4)
    expected = part(x)
    for layer in (*part.squeeze, part.excite):
        centre = layer.weight[:, :, 1, 1].detach().clone()
        nn.init.normal_(layer.weight)
        with torch.no_grad():
            layer.weight[:, :, 1, 1] = centre
    torch.testing.assert_close(part(x), expected)


def test_a_reduction_must_divide_the_channels() -> None:
    with pytest.raises(UpscalerError, match="divides the attention's 24 channels, got 16"):
        BAM(24, reduction=16)


def test_controls_start_as_constant_damping(x: Tensor) -> None:
    channels = x.shape[1]
    for kind, gain in (("fixed-025", 0.25), ("fixed-05", 0.5), ("gain", 0.25)):
        part = attention_factory(kind, reduction=4)(channels)
        assert torch.equal(part(x), x * gain)
    learnt = attention_factory("gain", reduction=4)(channels)
    assert [parameter.numel() for parameter in learnt.parameters()] == [channels]
