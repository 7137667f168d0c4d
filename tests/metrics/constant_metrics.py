"""Metrics of constant value, for tests of what happens around them."""

from __future__ import annotations

import torch

from srbench.metrics.computed import Compute


def one(_: torch.device) -> Compute:
    """Return a metric that is always 1."""
    return lambda sr, hr: 1.0
