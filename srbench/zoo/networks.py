"""The networks of the zoo as typed data: names, variants, hyper-parameters. Imports no torch."""

from __future__ import annotations

from srbench.errors import UnknownNameError, UpscalerError
from srbench.plugins import Registry
from srbench.zoo.modern_networks import MODERN_NETWORKS
from srbench.zoo.network_types import (
    ATTENTIONS,
    FORMS,
    TRAINED_FORM,
    TRAINING_FORM,
    Attention,
    Form,
    Network,
    Option,
    Variant,
)

__all__ = [
    "ATTENTIONS",
    "FORMS",
    "NETWORKS",
    "TRAINED_FORM",
    "TRAINING_FORM",
    "VARIANTS",
    "Attention",
    "Form",
    "Network",
    "Option",
    "Variant",
    "find_variant",
    "is_of_plugin",
    "listed_variants",
]

_ENTRIES = (
    Network(
        name="edsr",
        title="EDSR",
        module="srbench.zoo.edsr:EDSR",
        source="sanghyun-son/EDSR-PyTorch",
        citation="Lim et al., Enhanced Deep Residual Networks for Single Image Super-Resolution, CVPR Workshops 2017",
        value_range=255.0,
        slot="after the body, before the global skip",
        slot_channels=256,
        options={"channels": 256, "blocks": 32, "residual_scale": 0.1, "mean_shift": True},
        paper_form={"mean_shift": False, "residual_scale": 1.0},
        needs_gpu=True,
        smaller="edsr-base",
    ),
    # EDSR-PyTorch's EDSR baseline, BasicSR's EDSR_M.
    Network(
        name="edsr-base",
        title="EDSR-baseline",
        module="srbench.zoo.edsr:EDSR",
        source="sanghyun-son/EDSR-PyTorch",
        citation="Lim et al., Enhanced Deep Residual Networks for Single Image Super-Resolution, CVPR Workshops 2017",
        value_range=255.0,
        slot="after the body, before the global skip",
        slot_channels=64,
        options={"channels": 64, "blocks": 16, "residual_scale": 1.0, "mean_shift": True},
        paper_form={"mean_shift": False},
    ),
    Network(
        name="carn",
        title="CARN",
        module="srbench.zoo.carn:CARN",
        source="nmhkahn/CARN-pytorch",
        citation="Ahn et al., Fast, Accurate, and Lightweight SR with Cascading Residual Network, ECCV 2018",
        value_range=1.0,
        slot="after the ReLU of each outer 1×1 fusion",
        slot_channels=64,
        options={"channels": 64, "groups": 1, "mobile": False, "mean_shift": True},
        multiples={"channels": "groups"},
        heads_for_all_scales=True,
    ),
    Network(
        name="carn-m",
        title="CARN-M",
        module="srbench.zoo.carn:CARN",
        source="nmhkahn/CARN-pytorch",
        citation="Ahn et al., Fast, Accurate, and Lightweight SR with Cascading Residual Network, ECCV 2018",
        value_range=1.0,
        slot="after the ReLU of each outer 1×1 fusion",
        slot_channels=64,
        options={"channels": 64, "groups": 1, "mobile": True, "mean_shift": True},
        multiples={"channels": "groups"},
        heads_for_all_scales=True,
    ),
    Network(
        name="msrn",
        title="MSRN",
        module="srbench.zoo.msrn:MSRN",
        source="MIVRC/MSRN-PyTorch",
        citation="Li et al., Multi-scale Residual Network for Image Super-Resolution, ECCV 2018",
        value_range=255.0,
        slot="after the 1×1 fusion of each block, before its skip",
        slot_channels=64,
        options={"channels": 64, "blocks": 8, "mean_shift": True},
        paper_form={"mean_shift": False},
    ),
    Network(
        name="s-lwsr32",
        title="s-LWSR32",
        module="srbench.zoo.lwsr:LWSR",
        source="Sudo-Biao/s-LWSR",
        citation="Li et al., s-LWSR: Super Lightweight Super-Resolution Network, IEEE TIP 2020",
        value_range=255.0,
        slot="after the last residual block, before the global skip",
        slot_channels=32,
        options={"channels": 32, "mean_shift": True},
        paper_form={"mean_shift": False},
    ),
    Network(
        name="awsrn",
        title="AWSRN",
        module="srbench.zoo.awsrn:AWSRN",
        source="ChaofWang/AWSRN",
        citation="Wang et al., Lightweight Image SR with Adaptive Weighted Learning Network, arXiv:1904.02358, 2019",
        value_range=255.0,
        slot="between body and tail",
        slot_channels=32,
        reduction=8,
        options={"channels": 32, "wide": 128, "blocks": 4, "units": 4, "normalise": True},
        paper_form={"normalise": False},
    ),
    Network(
        name="rcan",
        title="RCAN",
        module="srbench.zoo.rcan:RCAN",
        source="yulunzhang/RCAN",
        citation="Zhang et al., Image SR Using Very Deep Residual Channel Attention Networks, ECCV 2018",
        value_range=255.0,
        attention="ca",
        slot="last in each residual block, before its skip",
        slot_channels=64,
        options={"channels": 64, "groups": 10, "blocks": 20, "mean_shift": True},
        paper_form={"mean_shift": False},
    ),
    Network(
        name="imdn",
        title="IMDN",
        module="srbench.zoo.imdn:IMDN",
        source="Zheng222/IMDN",
        citation="Hui et al., Lightweight Image SR with Information Multi-distillation Network, ACM MM 2019",
        value_range=1.0,
        attention="cca",
        slot="on the distilled features of each block, before their 1×1 fusion",
        slot_channels=64,
        options={"channels": 64, "blocks": 6},
        multiples={"channels": 4},
    ),
    Network(
        name="pan",
        title="PAN",
        module="srbench.zoo.pan:PAN",
        source="zhaohengyuan1/PAN",
        citation="Zhao et al., Efficient Image Super-Resolution Using Pixel Attention, ECCV Workshops 2020",
        value_range=1.0,
        attention="pa",
        slot="in each up-sampling stage, between its two convolutions",
        slot_channels=24,
        reduction=8,
        options={"channels": 40, "up_channels": 24, "blocks": 16},
        multiples={"channels": 2},
    ),
    Network(
        name="drln",
        title="DRLN",
        module="srbench.zoo.drln:DRLN",
        source="saeed-anwar/DRLN",
        citation="Anwar and Barnes, Densely Residual Laplacian Super-Resolution, IEEE TPAMI 2020",
        # The authors' scripts give 0…255 to a mean shift for 0…1; their checkpoints were trained in this way.
        value_range=255.0,
        attention="la",
        slot="last in each dense block",
        slot_channels=64,
        options={"channels": 64, "mean_shift": True},
        needs_gpu=True,
    ),
    *MODERN_NETWORKS,
)

NETWORKS: Registry[Network] = Registry("network", {entry.name: entry for entry in _ENTRIES})
"""Every network by its name in a model spec."""

_ABLATION = ("ca", "se", "cbam", "acam", "msam", "acam-max", "msam-avg", "bam-add", "none")

VARIANTS: tuple[Variant, ...] = tuple(
    Variant(entry, attention)
    for entry in _ENTRIES
    for attention in (entry.attention, "bam", *(_ABLATION if entry.name == "imdn" else ()))
)
"""The listed variants of srbench: every network plain and with BAM, IMDN with every attention of the ablation."""


def listed_variants() -> tuple[Variant, ...]:
    """Return `VARIANTS`, and each network of a plugin, plain and with BAM if it can host it."""
    added = [network for network in NETWORKS.values() if network not in _ENTRIES]
    return (
        *VARIANTS,
        *(
            Variant(network, attention)
            for network in added
            for attention in dict.fromkeys((network.attention, "bam"))
            if network.hosts(attention)
        ),
    )


def is_of_plugin(name: str) -> bool:
    """Return whether a network, with any attention, was added by a plugin."""
    return find_variant(name).network not in _ENTRIES


def find_variant(name: str) -> Variant:
    """Return the variant with a name such as `rcan-bam` or `edsr-se`.

    Raises UnknownNameError for a typo, UpscalerError for an attention that the network cannot host.
    """
    for network_name in sorted(NETWORKS, key=len, reverse=True):
        if name == network_name:
            return Variant(NETWORKS[name], NETWORKS[name].attention)
        if name.startswith(network_name + "-"):
            return _with_attention(NETWORKS[network_name], name.removeprefix(network_name + "-"), name)
    raise UnknownNameError("network", name, [variant.name for variant in listed_variants()])


def _with_attention(network: Network, attention: str, name: str) -> Variant:
    if attention not in ATTENTIONS:
        raise UnknownNameError("network", name, [f"{network.name}-{kind}" for kind in ATTENTIONS])
    if not network.hosts(attention):
        able = ", ".join(entry.name for entry in NETWORKS.values() if entry.hosts(attention)) or "none"
        fits = ", ".join(kind for kind in ATTENTIONS if network.hosts(kind))
        reason = (
            "its map is not bounded, so that only networks made for it have it"
            if ATTENTIONS[attention].own_only
            else f"the {network.slot_channels} channels of its slot do not divide by {network.divisor(attention)}"
        )
        raise UpscalerError(
            f"{network.title} cannot host {attention}: {reason}. "
            f"Networks that host {attention}: {able}. {network.title} hosts: {fits}"
        )
    return Variant(network, attention)
