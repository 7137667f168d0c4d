"""Weights of RLFN, EFDN, SPAN and SAFMN that their authors published; scores are measured with these files."""

from __future__ import annotations

from srbench.fetch import RemoteFile
from srbench.zoo.weights_entry import ExpectedScore, WeightsEntry, expected_scores, raw_address

_UNSTATED = "data that the repository does not name"


def _rlfn(scale: int, size: int, sha256: str, scores: tuple[ExpectedScore, ...]) -> WeightsEntry:
    commit = "bccfde91bf8b2de80789ec033a029e6f2a932330"
    return WeightsEntry(
        name="rlfn",
        tag="authors",
        scales=(scale,),
        network="rlfn",
        keys="authors",
        file=RemoteFile(
            f"RLFN_x{scale}.pth",
            raw_address("bytedance/RLFN", commit, f"model_zoo/rlfn_x{scale}.pth"),
            size,
            sha256,
        ),
        licence="Apache-2.0",
        source="Kong et al., Residual local feature network for efficient super-resolution, CVPR workshops 2022",
        training_data=_UNSTATED,
        scores=scores,
    )


_RLFN = (
    _rlfn(
        2,
        2_145_309,
        "eafe5d5feeb122022453595c06d79160facdc157ae88deb02a44c50f5eba2d41",
        expected_scores(2, Set5=(38.066, 0.9607), Set14=(33.718, 0.9193)),
    ),
    _rlfn(
        4,
        2_212_893,
        "8c7edb57dfc89048bafba29d591d4c27d4099964b4a9e22df23d6dc257a637c0",
        expected_scores(4, Set5=(32.238, 0.8953), Set14=(28.620, 0.7814), BSD100=(27.605, 0.7364)),
    ),
)

_EFDN = WeightsEntry(
    name="efdn",
    tag="authors",
    scales=(4,),
    network="efdn",
    keys="authors",
    file=RemoteFile(
        "EFDN_x4.pth",
        raw_address("icandle/EFDN", "3e7c7b40be14fecd9c89338d92b80ec52e325626", "model_zoo/EFDN_gv.pth"),
        1_153_119,
        "71069f10ef234cd123f45ac8e69099f0a1fdc0c16afcfe2189e50071d47ce477",
    ),
    licence="Apache-2.0",
    source="Wang, Edge-enhanced feature distillation network for efficient super-resolution, CVPR workshops 2022",
    training_data=_UNSTATED,
    scores=expected_scores(4, Set5=(32.076, 0.8931), Set14=(28.582, 0.7809), BSD100=(27.554, 0.7353)),
    note="the deployed form; also the baseline of the NTIRE 2025 challenge",
)

_SPAN = WeightsEntry(
    name="span",
    tag="ntire2024",
    scales=(4,),
    network="span-28",
    keys="authors",
    file=RemoteFile(
        "SPAN_ntire2024_ch28_x4.pth",
        raw_address(
            "Amazingren/NTIRE2024_ESR",
            "6404fa48dde4a4adbf241a51debdc661aef20449",
            "model_zoo/team38_span_ch28_slim.pth",
        ),
        618_658,
        "6c80f05048313289c6526e5fc9726688d7bb3dfdd6ae3c8b1e7dd09f601e5971",
    ),
    licence="MIT",
    source="Wan et al., Swift parameter-free attention network for efficient super-resolution, CVPR workshops 2024",
    training_data=_UNSTATED,
    scores=expected_scores(4, Set5=(31.739, 0.8897), Set14=(28.401, 0.7768), BSD100=(27.446, 0.7309)),
    note="28 channels, the winner of the NTIRE 2024 challenge and the baseline of 2026; the networks of the paper have "
    "48 and 52",
)

_SAFMN = WeightsEntry(
    name="safmn",
    tag="ntire2023",
    scales=(4,),
    network="safmn-ntire2023",
    keys="authors",
    file=RemoteFile(
        "SAFMN_ntire2023_x4.pth",
        raw_address(
            "sunny2109/SAFMN",
            "68c2182e4f8829a979886b0a1cab8f269f91b321",
            "NTIRE2023_ESR/model_zoo/team15_SAFMN.pth",
        ),
        971_051,
        "93fe3d7175ef1446cfcb3a884ddf8bbb4391f31190e9d1bf6c6c1cb768f8b565",
    ),
    licence="MIT",
    source="Sun et al., Spatially-adaptive feature modulation for efficient image super-resolution, ICCV 2023",
    training_data=_UNSTATED,
    scores=expected_scores(4, Set5=(32.165, 0.8943), Set14=(28.632, 0.7815), BSD100=(27.587, 0.7361)),
    note="the network of the NTIRE 2023 challenge, which differs from that of the paper: no norms and biases in the "
    "blocks, a global response norm, the enlarged input added to the output",
)

MODERN_WEIGHTS: tuple[WeightsEntry, ...] = (*_RLFN, _EFDN, _SPAN, _SAFMN)
"""The entries of the four networks, in the order of the listing."""
