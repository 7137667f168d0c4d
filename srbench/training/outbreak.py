"""Trainings that lost what they had learnt but stayed finite, which no error tells."""

from __future__ import annotations

import math
from collections.abc import Sequence

from srbench.training.curves import Line

_TIMES = 5
"""How many times an earlier loss is an outbreak: sound trainings stay below 1.5 times, broken ones reach thousands."""


def outbreak(loss: Sequence[Line]) -> str | None:
    """What to say of a curve of the loss that rose to many times what it had been; None of any other curve.

    Under too high a learning rate a network may lose all that it has learnt, and begin anew. Its score then says more
    of that than of the network, and beside another network's it misleads.
    """
    lowest, before, highest = math.inf, math.inf, None
    for line in loss:
        if line["loss"] > _TIMES * lowest and (highest is None or line["loss"] > highest["loss"]):
            before, highest = lowest, line
        lowest = min(lowest, line["loss"])
    if highest is None:
        return None
    return (
        f"the loss broke out, from {before:.2g} to {highest['loss']:.2g} by step {highest['step']}, and the "
        "training began anew; at a lower learning rate it may not"
    )
