"""What a check says about an entry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "review", "note"]
"""An error keeps an entry out; a review asks for a person's look; a note says what could not be checked, or why."""


@dataclass(frozen=True)
class Finding:
    """One thing that a check found: the entry's id, how grave it is, and what to do."""

    id: str
    severity: Severity
    message: str
