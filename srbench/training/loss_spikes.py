"""Detect trainings whose loss rose to many times its lowest value but stayed finite: no error reports them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from srbench.training.curves import Line

_SPIKE = 5
"""A loss of this many times the lowest earlier one is a spike. Stable trainings stay below 1.5 times."""


def loss_spike_warning(loss: Sequence[Line]) -> str | None:
    """Return a warning for a loss curve with a spike; None for any other curve.

    If the learning rate is too high, a network may forget all that it has learned and start again. Its score then says
    more about the rate than about the network, and a comparison with another network is misleading.
    """
    lowest, before, highest = math.inf, math.inf, None
    for line in loss:
        if line["loss"] > _SPIKE * lowest and (highest is None or line["loss"] > highest["loss"]):
            before, highest = lowest, line
        lowest = min(lowest, line["loss"])
    if highest is None:
        return None
    return (
        f"the loss rose from {before:.2g} to {highest['loss']:.2g} by step {highest['step']}, and the training began "
        "anew; use a lower learning rate"
    )
