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
    """One finding of a check: the entry's id, the severity, and what was found and what to do."""

    id: str
    severity: Severity
    message: str
