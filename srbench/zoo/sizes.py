"""What published weights cost: their hyper-parameters may make another network of that name than the paper's."""

from __future__ import annotations

from srbench.zoo.costs import COSTS, COSTS_OF_WEIGHTS, Cost
from srbench.zoo.weights_catalogue import WeightsEntry


def cost_of(entry: WeightsEntry, scale: int) -> Cost | None:
    """What the network of these weights costs at a scale; None where that is not on record."""
    # The value range is two factors at the door; everything else may be another network.
    if any(key != "value_range" for key, _ in entry.options):
        return COSTS_OF_WEIGHTS.get((entry.spec, scale))
    return COSTS.get((entry.network, scale))


def has_own_size(entry: WeightsEntry) -> bool:
    """Whether the number of parameters is not that of the network of this name in the papers."""
    ours, papers = cost_of(entry, entry.scales[0]), COSTS.get((entry.name, entry.scales[0]))
    return ours is None or papers is None or ours.parameters != papers.parameters
