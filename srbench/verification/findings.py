"""The findings of a check of entries."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "review", "note"]
"""An error keeps an entry out; a review asks a person to look at it; a note says what could not be checked, or why."""

EntryFindings = Iterator[tuple[Severity, str]]
"""The findings about one entry, without its id."""


@dataclass(frozen=True)
class CheckFinding:
    """One finding of a check.

    Attributes:
        id: the entry's name.
        severity: see `Severity`.
        message: what was found and what to do.
        needs_verification: whether all that is left to do is to verify the entry again.
    """

    id: str
    severity: Severity
    message: str
    needs_verification: bool = False
