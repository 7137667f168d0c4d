"""Complete and check the fields of `submission.json` that an author writes, in TOML, JSON or on the command line."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import cast, get_args

from pydantic import JsonValue

from srbench.errors import SubmissionError
from srbench.records.messages import shown
from srbench.records.record_model import PlainRecord, RecordModel, validate_field
from srbench.records.submission import (
    AUTHOR_FIELDS,
    ClaimedMean,
    PaperFacts,
    RuntimeFacts,
    SubmissionRecord,
    SubmittedTraining,
)
from srbench.submissions.dates import require_past

_PARTS: Mapping[str, type[RecordModel]] = {
    "paper": PaperFacts,
    "training": SubmittedTraining,
    "runtime": RuntimeFacts,
    "claims": ClaimedMean,
}


def complete_metadata(given: Mapping[str, object], where: str) -> PlainRecord:
    """Return the fields written by the author, completed and checked; `where` is their file.

    TOML has no null: fields of an object that may be null may be left out. A date of TOML becomes text.

    Raises:
        SubmissionError: a field that no author writes, or a value that the record refuses.
    """
    if unknown := sorted(given.keys() - set(AUTHOR_FIELDS)):
        raise SubmissionError(f"{where}: expected the fields {', '.join(AUTHOR_FIELDS)}, got {shown(unknown[0])}")
    return {name: complete_field(name, value, f"{where}, {name}") for name, value in given.items()}


def complete_field(name: str, value: object, where: str) -> JsonValue:
    """Return one field written by the author, completed and checked; messages name it `where`.

    Raises:
        SubmissionError: a value that the record refuses.
    """
    complete = _complete(name, value)
    validate_field(SubmissionRecord.model_fields[name].rebuild_annotation(), complete, where, error=SubmissionError)
    if name == "date":
        require_past(str(complete), where)
    return cast(JsonValue, complete)  # the model of the record accepts only JSON values


def _complete(name: str, value: object) -> object:
    """Return the value with null for each missing field that may be null; other problems are found by the check."""
    if name == "date" and type(value) is date:
        return value.isoformat()
    if name not in _PARTS:
        return value
    if isinstance(value, list):
        return [_with_nulls(_PARTS[name], part) for part in value]
    return _with_nulls(_PARTS[name], value)


def _with_nulls(part: type[RecordModel], value: object) -> object:
    if not isinstance(value, dict):
        return value
    known = {
        name: value.get(name)
        for name, field in part.model_fields.items()
        if name in value or (field.is_required() and type(None) in get_args(field.annotation))
    }
    return known | {name: entry for name, entry in value.items() if name not in known}
