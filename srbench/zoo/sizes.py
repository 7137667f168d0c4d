"""Costs of published weights, whose hyper-parameters may differ from those of the paper's network of that name."""

from __future__ import annotations

from srbench.zoo.costs import COSTS, COSTS_OF_WEIGHTS, Cost
from srbench.zoo.weights_catalogue import WeightsEntry


def cost_of(entry: WeightsEntry, scale: int) -> Cost | None:
    """Return the cost of the network of these weights at a scale; None if it is not on record."""
    # The value range costs nothing; any other option may change the cost.
    if any(key != "value_range" for key, _ in entry.options):
        return COSTS_OF_WEIGHTS.get((entry.spec, scale))
    return COSTS.get((entry.network, scale))


def has_own_size(entry: WeightsEntry) -> bool:
    """Return whether the weights have a different number of parameters than the paper's network of the same name."""
    ours, papers = cost_of(entry, entry.scales[0]), COSTS.get((entry.name, entry.scales[0]))
    return ours is None or papers is None or ours.parameters != papers.parameters
