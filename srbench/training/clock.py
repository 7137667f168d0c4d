"""The clock of trainings, in one place, so that a test can slow it down."""

from __future__ import annotations

import time


def now() -> float:
    """Return the seconds since a fixed moment, which is equal in all processes of this machine."""
    return time.monotonic()
