"""What a model spec says about its model, recomputed: name, network, attention, tag, parameters and MACs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from srbench.submissions.packing import public_spec
from srbench.zoo import build
from srbench.zoo.catalogue import DEFAULT_TAG, entries_of
from srbench.zoo.counting import count_macs, count_parameters
from srbench.zoo.networks import find_variant

LR_SIZE = (240, 360)
"""Height and width of the LR that MACs are given for, as in the paper's Table 2."""

_BASELINES = {"bicubic": "Bicubic (MATLAB)", "bicubic:pillow": "Bicubic (Pillow)"}


def model_facts(spec: str, scales: Sequence[int]) -> dict[str, Any]:
    """Fields of a submission's `model`, as far as the spec tells them; empty for a model from outside the zoo.

    Raises:
        UnknownNameError: a zoo spec of no network.
    """
    if spec in _BASELINES:
        return {"name": _BASELINES[spec]}
    kind, _, rest = spec.partition(":")
    if kind != "zoo":
        return {"name": public_spec(spec).partition(":")[2] or spec}
    name, _, tag = rest.partition("@")
    tag = tag or DEFAULT_TAG
    entry = next((entry for entry in entries_of(name) if entry.tag == tag), None)
    variant = find_variant(entry.network if entry else name)
    costs = {str(scale): _costs(variant.name, scale, dict(entry.options) if entry else {}) for scale in scales}
    return {"name": variant.title, "network": variant.network.name, "attention": variant.attention, "tag": tag,
            "parameters": {scale: parameters for scale, (parameters, _) in costs.items()},
            "macs": {scale: macs for scale, (_, macs) in costs.items()}}  # fmt: skip


def _costs(name: str, scale: int, options: dict[str, Any]) -> tuple[int, int]:
    module = build(name, scale=scale, device="meta", **options)
    return count_parameters(module), count_macs(module, height=LR_SIZE[0], width=LR_SIZE[1])
