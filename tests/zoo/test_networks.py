"""The registry of networks: what is listed builds, costs what is stored, and refuses what makes no sense."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import Any, cast

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from srbench.errors import UnknownNameError, UpscalerError
from srbench.zoo import build
from srbench.zoo.checkpoints import Architecture
from srbench.zoo.costs import COSTS, COSTS_OF_WEIGHTS, Cost
from srbench.zoo.counting import challenge_cost, count_macs, count_parameters, macs_for_output
from srbench.zoo.networks import ATTENTIONS, NETWORKS, VARIANTS, Variant, find_variant
from srbench.zoo.sizes import cost_of, has_own_size
from srbench.zoo.weights_catalogue import CATALOGUE
from tests.zoo.small import SMALL

# The BAM paper's Table 1 and Table 2, in K, as counted in the authors' code: ×2, ×3, ×4.
_PARAMETERS_K = {
    "edsr": (40729.6, 43680.0, 43089.9),
    "edsr-bam": (40737.9, 43688.3, 43098.2),
    "carn": (1592.0, 1592.0, 1592.0),
    "carn-bam": (1593.7, 1593.7, 1593.7),
    "carn-m": (1161.3, 1161.3, 1161.3),
    "carn-m-bam": (1163.0, 1163.0, 1163.0),
    "msrn": (5930.3, 6115.0, 6078.0),
    "msrn-bam": (5934.9, 6119.5, 6082.6),
    "s-lwsr32": (534.1, 580.4, 571.1),
    "s-lwsr32-bam": (534.3, 580.6, 571.3),
    "awsrn": (1396.9, 1476.1, 1587.1),
    "awsrn-bam": (1397.2, 1476.5, 1587.4),
    "rcan": (15444.7, 15629.3, 15592.4),
    "rcan-bam": (15441.7, 15626.3, 15589.4),
    "imdn": (694.4, 703.1, 715.2),
    "imdn-bam": (694.3, 703.0, 715.1),
    "pan": (261.4, 261.4, 272.4),
    "pan-bam": (261.0, 261.0, 271.6),
    "drln": (34430.2, 34614.8, 34577.9),
    "drln-bam": (34163.5, 34348.1, 34311.2),
    "imdn-ca": (694.4, 703.1, 715.2),
    "imdn-se": (694.0, 702.7, 714.8),
    "imdn-cbam": (694.6, 703.2, 715.4),
    "imdn-acam": (694.0, 702.7, 714.8),
    "imdn-msam": (691.2, 699.9, 712.0),
    "imdn-acam-max": (694.0, 702.7, 714.8),
    "imdn-msam-avg": (691.5, 700.2, 712.3),
    "imdn-bam-add": (694.6, 703.3, 715.4),
    "safmn": (227.8, 232.7, 239.5),
}

# Giga multiply-accumulates for a 1280×720 output, from the papers of CARN, AWSRN, IMDN and PAN: ×2, ×3, ×4.
# One digit is printed, and IMDN rounds the LR width at ×3 up.
_PUBLISHED_GMACS = {
    "carn": (222.8, 118.8, 90.9),
    "awsrn": (320.5, 150.6, 91.1),
    "imdn": (158.8, 71.5, 40.9),
    "pan": (70.5, 39.0, 28.2),
}

# The NTIRE challenges on efficient SR, ×4 at 256×256: parameters in M, multiply-accumulates in G, activations in M.
_CHALLENGE_COSTS = {
    "rlfn-ntire2022": (0.317, 19.70, 80.05),
    "efdn": (0.276, 16.70, 111.12),
    "span-28": (0.151, 9.83, 41.68),
}

_HOSTED = [(entry.name, kind) for entry in NETWORKS.values() for kind in ATTENTIONS if entry.hosts(kind)]


def test_listing_imports_no_torch() -> None:
    code = "import sys, srbench.zoo, srbench.zoo.networks, srbench.zoo.costs; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_network_is_listed_plain_and_with_bam() -> None:
    names = {variant.name for variant in VARIANTS}
    assert {name.removesuffix("-bam") for name in _PARAMETERS_K if name.endswith("-bam")} <= set(NETWORKS)
    assert {f"{name}{suffix}" for name in NETWORKS for suffix in ("", "-bam")} <= names
    assert set(COSTS) <= {(name, scale) for name in names for scale in (2, 3, 4)}


@pytest.mark.parametrize("name", _PARAMETERS_K)
def test_parameters_are_the_published_ones(name: str) -> None:
    counted = tuple(round(COSTS[name, scale].parameters / 1000, 1) for scale in (2, 3, 4))
    assert counted == pytest.approx(_PARAMETERS_K[name], abs=0.051)


@pytest.mark.parametrize("name", _PUBLISHED_GMACS)
def test_macs_are_the_published_ones(name: str) -> None:
    counted = tuple(COSTS[name, scale].macs / 1e9 for scale in (2, 3, 4))
    assert counted == pytest.approx(_PUBLISHED_GMACS[name], abs=0.06)


@pytest.mark.parametrize("name", _CHALLENGE_COSTS)
def test_challenge_costs_are_the_reported_ones(name: str) -> None:
    parameters, macs, activations = _CHALLENGE_COSTS[name]
    network = build(name, scale=4, device="meta")
    cost = challenge_cost(network)
    assert cost.parameters / 1e6 == pytest.approx(parameters, abs=0.0005)
    assert cost.macs / 1e9 == pytest.approx(macs, rel=0.005)
    assert cost.activations / 1e6 == pytest.approx(activations, abs=0.005)
    assert cost.convolutions == sum(isinstance(part, nn.Conv2d) for part in network.modules())


def test_macs_of_the_grouped_carn_m_are_the_published_ones() -> None:
    networks = [build("carn-m", scale=scale, device="meta", groups=4) for scale in (2, 3, 4)]
    macs = [macs_for_output(network, scale=network.scale) / 1e9 for network in networks]
    assert macs == pytest.approx([91.2, 46.1, 32.5], abs=0.0501)
    assert [count_parameters(network) for network in networks] == [414_811] * 3


@pytest.mark.parametrize(
    "variant",
    [
        pytest.param(variant, id=variant.name, marks=pytest.mark.long if "rcan" in variant.name else ())
        for variant in VARIANTS
    ],
)
def test_stored_costs_are_those_of_the_modules(variant: Variant) -> None:
    networks = {scale: build(variant.name, scale=scale, device="meta") for scale in (2, 3, 4)}
    counted = [Cost(count_parameters(one), macs_for_output(one, scale=scale)) for scale, one in networks.items()]
    columns = ", ".join(
        f"({', '.join(f'{value:_}' for value in column)})"
        for column in ([cost.parameters for cost in counted], [cost.macs for cost in counted])
    )
    if counted != [COSTS.get((variant.name, scale)) for scale in networks]:
        pytest.fail(f'expected in srbench/zoo/costs.py:\n    "{variant.name}": ({columns}),', pytrace=False)


@pytest.mark.parametrize("spec", dict.fromkeys(spec for spec, _ in COSTS_OF_WEIGHTS))
def test_stored_costs_of_weights_are_those_of_their_modules(spec: str) -> None:
    for entry in (entry for entry in CATALOGUE if entry.spec == spec):
        for scale in entry.scales:
            network = Architecture(entry.network, scale, entry.options).build("meta")
            assert cost_of(entry, scale) == Cost(count_parameters(network), macs_for_output(network, scale=scale))


def test_all_weights_have_a_stored_cost() -> None:
    assert [(entry.spec, scale) for entry in CATALOGUE for scale in entry.scales if cost_of(entry, scale) is None] == []
    assert {entry.spec for entry in CATALOGUE if has_own_size(entry)} == {
        "zoo:carn-m@authors",
        "zoo:safmn@ntire2023",
        "zoo:span@ntire2024",
    }
    resized = replace(CATALOGUE[0], options=(("channels", 32),))
    assert (cost_of(resized, resized.scales[0]), has_own_size(resized)) == (None, True)


class _Foreign(nn.Module):
    """What networks of others bring: attention, products that broadcast, masks, views of what was permuted."""

    def __init__(self) -> None:
        super().__init__()
        self.rise = nn.ConvTranspose2d(3, 8, 4, stride=2, padding=1)
        self.mix = nn.MultiheadAttention(8, 2, batch_first=True)
        self.out = nn.Sequential(nn.Linear(8, 12), nn.GELU(), nn.LayerNorm(12))

    def forward(self, lr: torch.Tensor) -> torch.Tensor:
        x = self.rise(lr)
        tokens = torch.relu(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2).view(1, 8, -1).transpose(1, 2)
        mask = torch.ones(tokens.shape[1], tokens.shape[1], device=x.device).triu() > 0
        tokens = tokens + self.mix(tokens, tokens, tokens, attn_mask=mask)[0]
        tokens = functional.scaled_dot_product_attention(tokens, tokens, tokens * tokens.mean(1, keepdim=True))
        weights = torch.einsum("bnc,bmc->bnm", tokens, tokens).softmax(-1).masked_fill(mask, 0)
        return self.out((weights.double() @ tokens.double()).float() / torch.arange(1, 9, device=x.device))


def test_counting_is_that_of_torch_for_networks_of_others_too() -> None:
    network = _Foreign().eval().to("meta")
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network(torch.empty(1, 3, 5, 6, device="meta"))
    assert count_macs(network, height=5, width=6) == counter.get_total_flops() // 2 > 0


@pytest.mark.parametrize(("name", "kind"), _HOSTED, ids=lambda part: part)
def test_a_hosted_attention_runs(name: str, kind: str) -> None:
    variant = find_variant(f"{name}-{kind}")
    network = build(variant.name, scale=3, reduction=8, **SMALL[name]).eval()
    with torch.inference_mode():
        sr = network(torch.rand(2, 3, 16, 17))
    assert sr.shape == (2, 3, 48, 51)
    assert sr.isfinite().all()


def test_a_networks_own_attention_gives_the_plain_network() -> None:
    assert find_variant("imdn-cca") == find_variant("imdn")
    assert find_variant("carn-none").name == "carn"
    assert find_variant("carn-m-bam").network.name == "carn-m"


def test_a_network_that_cannot_host_says_which_can() -> None:
    with pytest.raises(
        UpscalerError, match=r"PAN cannot host cbam: the 24 channels .* host cbam: edsr, edsr-base, carn.* hosts: none"
    ):
        find_variant("pan-cbam")
    with pytest.raises(UpscalerError, match=r"DRLN cannot host safm: its map is not bounded.* host safm: safmn\."):
        find_variant("drln-safm")


@pytest.mark.parametrize(("name", "hint"), [("imdm", "imdn"), ("rcan-bma", "rcan-bam"), ("carnm", "carn-m")])
def test_a_typo_is_answered_with_a_close_match(name: str, hint: str) -> None:
    with pytest.raises(UnknownNameError, match=hint):
        find_variant(name)


def test_build_refuses_unknown_options_scales_and_reductions() -> None:
    with pytest.raises(UnknownNameError, match="did you mean channels"):
        build("imdn", scale=4, chanels=32)
    with pytest.raises(UpscalerError, match=r"scales \(2, 3, 4\), got 8"):
        build("imdn", scale=8)
    for name, option, value, expected in (
        ("imdn", "channels", 0, "a whole number from 1 on, got 0"),
        ("imdn", "blocks", 1.5, "a whole number from 1 on, got 1.5"),
        ("imdn", "channels", True, "a whole number from 1 on, got True"),
        ("imdn", "reduction", -1, "a whole number from 1 on, got -1"),
        ("edsr", "value_range", 0.0, "a number above 0, got 0.0"),
        ("edsr", "residual_scale", float("nan"), "a number above 0, got nan"),
        ("edsr", "mean_shift", 1, "true or false, got 1"),
    ):
        with pytest.raises(UpscalerError, match=rf"option {option} of {name.upper()}: expected {expected}"):
            build(name, scale=4, device="meta", **cast(Any, {option: value}))
    for name, option, value, expected in (
        ("carn", "groups", 3, "channels of CARN: expected a multiple of groups, 3, got 64"),
        ("carn-m-bam", "channels", 50, "channels of CARN-M: expected a multiple of groups, 4, got 50"),
        ("imdn-none", "channels", 2, "channels of IMDN: expected a multiple of 4, got 2"),
        ("pan", "channels", 5, "channels of PAN: expected a multiple of 2, got 5"),
    ):
        with pytest.raises(UpscalerError, match=expected):
            build(
                name,
                scale=4,
                device="meta",
                **cast(Any, {**({"groups": 4} if name == "carn-m-bam" else {}), option: value}),
            )
    with pytest.raises(UpscalerError, match=r"EDSR cannot be built with channels=1000000000000: .*overflow"):
        build("edsr", scale=4, device="meta", channels=10**12)
    with pytest.raises(UpscalerError, match="a device of this machine such as cpu or cuda, or meta, got 'foo'"):
        build("imdn", scale=4, device="foo")
    with pytest.raises(UpscalerError, match="divides the attention's 64 channels, got 7"):
        build("imdn", scale=4, reduction=7, device="meta")


@pytest.mark.parametrize(
    ("name", "smallest"), [("rlfn", 15), ("efdn", 15), ("span", 1), ("safmn", 8), ("safmn-ntire2023", 16)]
)
def test_smallest_input_runs_and_a_smaller_one_is_refused(name: str, smallest: int) -> None:
    network = build(name, scale=2, **SMALL[name]).eval()
    with torch.inference_mode():
        assert network(torch.rand(1, 3, smallest, smallest)).shape == (1, 3, 2 * smallest, 2 * smallest)
        if smallest > 1:
            expected = f"at least {smallest}×{smallest} pixels, got {smallest}×{smallest - 1}"
            with pytest.raises(UpscalerError, match=expected):
                network(torch.rand(1, 3, smallest, smallest - 1))


@pytest.mark.parametrize(
    "batch", [torch.zeros(1, 3, 8, 8, dtype=torch.uint8), torch.rand(3, 8, 8), torch.rand(1, 1, 8, 8)]
)
def test_the_door_refuses_what_is_no_rgb_batch(batch: torch.Tensor) -> None:
    with pytest.raises(UpscalerError, match="expected a float N×3×H×W tensor"):
        build("imdn", scale=2, **SMALL["imdn"])(batch)


def test_the_value_range_is_applied_at_the_door() -> None:
    lr = torch.rand(1, 3, 9, 8)
    outside = build("rcan", scale=2, **SMALL["rcan"]).eval()
    inside = build("rcan", scale=2, value_range=1.0, **SMALL["rcan"]).eval()
    inside.load_state_dict(outside.state_dict())
    with torch.inference_mode():
        assert torch.equal(outside(lr), inside(lr * 255) / 255)


@pytest.mark.parametrize("name", NETWORKS)
def test_low_precision_stays_out_of_the_first_and_last_step(name: str) -> None:
    torch.manual_seed(0)
    network = build(name, scale=2, **SMALL[name]).eval()
    lr = torch.rand(1, 3, 24, 24)
    with torch.inference_mode():
        exact = network(lr)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            everywhere = network(lr)
        network.deep_dtype = torch.bfloat16
        middle = network(lr)
    assert middle.dtype == torch.float32
    assert 0 < (middle - exact).abs().mean() < (everywhere.float() - exact).abs().mean()
