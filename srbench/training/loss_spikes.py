"""Detect trainings whose loss rose to many times its lowest value but stayed finite: no error reports them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from srbench.records.training_documents import LossSpikeDocument
from srbench.training.curves import Line

_SPIKE = 5
"""A loss of this many times the lowest earlier one is a spike. Stable trainings stay below 1.5 times."""


def find_loss_spike(loss: Sequence[Line]) -> LossSpikeDocument | None:
    """Return the highest spike of a loss curve, with the lowest loss before it; None for a curve without one.

    If the learning rate is too high, a network may forget all that it has learned and start again. Its score then says
    more about the rate than about the network, and a comparison with another network is misleading.
    """
    lowest, found = math.inf, None
    for line in loss:
        if line["loss"] > _SPIKE * lowest and (found is None or line["loss"] > found["loss"]):
            found = LossSpikeDocument(step=int(line["step"]), loss=line["loss"], lowest=lowest)
        lowest = min(lowest, line["loss"])
    return found


def loss_spike_warning(spike: LossSpikeDocument) -> str:
    """Return a warning about a spike of the loss: what happened, and what to do."""
    return (
        f"the loss rose from {spike['lowest']:.2g} to {spike['loss']:.2g} by step {spike['step']}: the network lost "
        "what it had learned; use a lower learning rate"
    )
