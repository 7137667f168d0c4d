"""The clock of trainings, in one place, so that a test can slow it down."""

from __future__ import annotations

import time


def now() -> float:
    """Seconds since some fixed moment, the same in all processes of this machine."""
    return time.monotonic()
