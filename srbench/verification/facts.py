"""What a model spec says about its model, recomputed: name, network, attention, tag, parameters and MACs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from srbench.submissions.packing import public_spec
from srbench.zoo import build
from srbench.zoo.catalogue import DEFAULT_TAG, TAGS, WeightsEntry, entries_of
from srbench.zoo.counting import count_macs, count_parameters
from srbench.zoo.networks import find_variant

LR_SIZE = (240, 360)
"""Height and width of the LR that MACs are given for, as in the paper's Table 2."""

_BASELINES = {"bicubic": "Bicubic (MATLAB)", "bicubic:pillow": "Bicubic (Pillow)"}


def model_facts(spec: str, scales: Iterable[int]) -> dict[str, Any]:
    """Fields of a submission's `model`, as far as the spec tells them.

    Parameters and MACs are by scale, and counted only where the catalogue or the paper fixes the network's size: not
    for `zoo:NAME@FILE`.

    Raises:
        UnknownNameError: a zoo spec of no network.
    """
    kind, _, rest = spec.partition(":")
    name, _, tag = rest.partition("@")
    if spec in _BASELINES:
        return {"name": _BASELINES[spec]}
    if kind != "zoo":
        return {"name": public_spec(spec).partition(":")[2] or spec}
    tag = tag or DEFAULT_TAG
    served = {scale: entry for entry in entries_of(name) for scale in entry.scales if entry.tag == tag}
    entry = next(iter(served.values()), None)
    variant = find_variant(entry.network if entry else name)
    facts = {"name": variant.title, "network": variant.network.name, "attention": variant.attention,
             "tag": tag if tag in TAGS else None}  # fmt: skip
    if tag not in TAGS:
        return facts
    counted = {str(scale): _costs(variant.name, scale, served.get(scale)) for scale in scales}
    return facts | {"parameters": {scale: parameters for scale, (parameters, _) in counted.items()},
                    "macs": {scale: macs for scale, (_, macs) in counted.items()}}  # fmt: skip


def _costs(name: str, scale: int, entry: WeightsEntry | None) -> tuple[int, int]:
    options = dict(entry.options) if entry else {}
    module = build(name, scale=scale, device="meta", form="authors", **options)
    return count_parameters(module), count_macs(module, height=LR_SIZE[0], width=LR_SIZE[1])
