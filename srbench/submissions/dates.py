"""Check the dates of submissions against the clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from srbench.errors import SubmissionError
from srbench.records.messages import shown


def require_past(day: str, where: str) -> None:
    """Raise SubmissionError for a date that is still in the future everywhere on Earth.

    Args:
        day: a date YYYY-MM-DD, or a time that starts with one.
        where: what the message calls the date.
    """
    latest = (datetime.now(UTC).date() + timedelta(days=1)).isoformat()
    if day[:10] > latest:
        raise SubmissionError(f"{where}: expected a date that is not in the future, up to {latest}, got {shown(day)}")
