"""Recompute what a model spec determines: name, network, attention, tag, parameters and MACs."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import JsonValue

from srbench.submissions.catalogue_checks import LR_SIZE, named_facts, served_weights
from srbench.zoo import build
from srbench.zoo.counting import count_macs, count_parameters
from srbench.zoo.weights_catalogue import WeightsEntry


def model_facts(spec: str, scales: Iterable[int]) -> dict[str, JsonValue]:
    """Return the fields of a submission's `model` that follow from its spec.

    Parameters and MACs are by scale. They are counted only where the catalogue or the paper fixes the network's size,
    so not for `zoo:NAME@FILE`.

    Raises:
        UnknownNameError: a zoo spec without a known network.
    """
    facts: dict[str, JsonValue] = {**named_facts(spec)}
    if facts.get("tag") is None:
        return facts
    served = served_weights(spec)
    name = spec.removeprefix("zoo:").partition("@")[0]
    counted = {str(scale): _costs(name, scale, served.get(scale)) for scale in scales}
    return facts | {
        "parameters": {scale: parameters for scale, (parameters, _) in counted.items()},
        "macs": {scale: macs for scale, (_, macs) in counted.items()},
    }


def _costs(name: str, scale: int, entry: WeightsEntry | None) -> tuple[int, int]:
    network, options = (entry.network, dict(entry.options)) if entry else (name, {})
    module = build(network, scale=scale, device="meta", form="authors", **options)
    return count_parameters(module), count_macs(module, height=LR_SIZE[0], width=LR_SIZE[1])
