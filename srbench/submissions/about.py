"""What an author says of an entry, in TOML, JSON or on the command line, as `submission.json` holds it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from srbench.errors import SubmissionError
from srbench.submissions.kinds import Day, Fields, Kind, Maybe, Several, require_come, shown
from srbench.submissions.schema import ABOUT


def complete_about(given: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The fields of `ABOUT` that are given, completed and checked; `where` is the file they come from.

    TOML knows no null: a field of an object may be left out where it may be null. A date of TOML becomes text.

    Raises:
        SubmissionError: a field that no author writes, or a value that the schema refuses.
    """
    if strange := sorted(given.keys() - ABOUT.fields.keys()):
        raise SubmissionError(f"{where}: expected the fields {', '.join(ABOUT.fields)}, got {shown(strange[0])}")
    return {name: complete_field(name, value, f"{where}, {name}") for name, value in given.items()}


def complete_field(name: str, value: Any, where: str) -> Any:
    """The same for one field of `ABOUT`; `where` is what a message calls it.

    Raises:
        SubmissionError: a value that the schema refuses.
    """
    kind = ABOUT.fields[name]
    complete = _complete(kind, value)
    kind.check(complete, where)
    if isinstance(kind, Day):
        require_come(complete, where)
    return complete


def _complete(kind: Kind, value: Any) -> Any:
    """The value with what may be null and is left out; whatever is not of the kind stays for the check."""
    if isinstance(kind, Maybe):
        return None if value is None else _complete(kind.kind, value)
    if isinstance(kind, Several) and isinstance(value, list):
        return [_complete(kind.kind, entry) for entry in value]
    if isinstance(kind, Fields) and isinstance(value, dict):
        known = {
            name: _complete(inner, value.get(name))
            for name, inner in kind.fields.items()
            if name in value or isinstance(inner, Maybe)
        }
        return known | {name: entry for name, entry in value.items() if name not in known}
    if isinstance(kind, Day) and type(value) is date:
        return value.isoformat()
    return value
