"""Costs of published weights, whose hyper-parameters may differ from those of the paper's network of that name."""

from __future__ import annotations

import importlib
import warnings
from functools import cache

from srbench.plugins import PluginWarning
from srbench.zoo.costs import COSTS, COSTS_OF_WEIGHTS, Cost
from srbench.zoo.networks import is_of_plugin
from srbench.zoo.weights_catalogue import WeightsEntry


def cost_of(entry: WeightsEntry, scale: int) -> Cost | None:
    """Return the cost of the network of these weights at a scale; None if it is not on record."""
    # The value range does not change the cost; any other option may change it.
    if any(key != "value_range" for key, _ in entry.options):
        return COSTS_OF_WEIGHTS.get((entry.spec, scale))
    return COSTS.get((entry.network, scale))


@cache
def cost_of_network(name: str, scale: int) -> Cost | None:
    """Return the cost of a network by its name; those of plugins are counted, with torch.

    None if the cost is not stored, or if a plugin's network cannot be built and run, which gives a warning.
    """
    if (name, scale) in COSTS or not is_of_plugin(name):
        return COSTS.get((name, scale))
    # Inside the function: without plugins, lists of networks must not wait for torch.
    counting, building = (importlib.import_module(f"srbench.zoo.{module}") for module in ("counting", "building"))
    try:
        network = building.build(name, scale=scale, device="meta")
        return Cost(counting.count_parameters(network), counting.macs_for_output(network, scale=scale))
    except Exception as error:  # noqa: BLE001  # whatever the code of a plugin raises must not stop the list
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        warnings.warn(f"the network {name} of a plugin cannot be counted: {reason}", PluginWarning, stacklevel=2)
        return None


def has_own_size(entry: WeightsEntry) -> bool:
    """Return whether the weights have a different number of parameters than the paper's network of the same name."""
    ours, papers = cost_of(entry, entry.scales[0]), COSTS.get((entry.name, entry.scales[0]))
    return ours is None or papers is None or ours.parameters != papers.parameters
