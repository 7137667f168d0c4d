"""The base of all records: strict, frozen models that refuse unknown fields, with errors in the words of srbench."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Annotated, TypeVar, cast, get_args

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from srbench.errors import SrbenchError, counted
from srbench.records.messages import harmless, shown

PlainRecord = dict[str, JsonValue]
"""A record as plain values that `json.dumps` writes."""

Value = TypeVar("Value")
Model = TypeVar("Model", bound="RecordModel")
Item = TypeVar("Item")

Items = Annotated[tuple[Item, ...], Field(strict=False)]
"""An immutable list. Only the container is not strict: JSON and TOML give lists where Python has tuples."""

_MAX_REPORTED = 3
_MAX_MESSAGE = 400

# The error types of pydantic that a record can cause, in words. Rules of fields have their own messages.
_EXPECTED = {
    "bool_type": "true or false",
    "dict_type": "an object",
    "finite_number": "a finite number",
    "float_type": "a number",
    "greater_than": "a number above {gt}",
    "greater_than_equal": "a number of at least {ge}",
    "int_type": "an integer",
    "less_than": "a number below {lt}",
    "less_than_equal": "a number of at most {le}",
    "list_type": "a list",
    "literal_error": "one of {expected}",
    "model_type": "an object",
    "string_type": "text",
    "tuple_type": "a list",
}


class RecordModel(BaseModel):
    """A part of a record.

    Values are taken only in their exact type (no "3" for 3), unknown fields are refused, and a record cannot be
    changed.
    """

    model_config = ConfigDict(
        strict=True,
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        hide_input_in_errors=True,
        protected_namespaces=(),
    )

    def plain(self) -> PlainRecord:
        """Return the record as plain values ready for JSON, without optional fields that are not set."""
        values: PlainRecord = self.model_dump(mode="json", exclude_unset=True)
        return values


def validate(model: type[Model], value: object, where: str, *, error: type[SrbenchError]) -> Model:
    """Return plain values as a record.

    Args:
        where: the name of the file or object, with which each message starts.
        error: the exception to raise.

    Raises:
        SrbenchError: of the class `error`, naming each wrong field: what was expected, what was found.
    """
    try:
        return model.model_validate(value)
    except ValidationError as refused:
        raise error(_message(refused, where, model)) from None


def validate_field(annotation: object, value: object, where: str, *, error: type[SrbenchError]) -> object:
    """Return one value as the type that an annotation describes. Arguments and errors as for `validate`."""
    try:
        return _adapter(annotation).validate_python(value)
    except ValidationError as refused:
        raise error(_message(refused, where, annotation)) from None


def _adapter(annotation: object) -> TypeAdapter[object]:
    # A model brings its own configuration, and pydantic refuses another one.
    return TypeAdapter(
        cast(type[object], annotation), config=None if _is_model(annotation) else RecordModel.model_config
    )


def _message(refused: ValidationError, where: str, annotation: object) -> str:
    """Return the first few errors as one text of bounded length."""
    # A misspelt field is also a missing one: the unknown name comes first, since it explains the other error.
    found = sorted(_distinct(refused), key=lambda detail: detail["type"] != "extra_forbidden")
    texts: list[str] = []
    for detail in found[:_MAX_REPORTED]:
        text = f"{where}{_path(detail['loc'])}: {_reason(detail, annotation)}"
        if texts and len("; ".join([*texts, text])) > _MAX_MESSAGE:
            break
        texts.append(text)
    more = len(found) - len(texts)
    return "; ".join(texts) + (f"; and {more} more" if more else "")


def _distinct(refused: ValidationError) -> list[ErrorDetails]:
    """Return the errors without follow-up errors, which occur because pydantic does not count refused entries of a
    list."""
    found = refused.errors(include_url=False)
    places = [detail["loc"] for detail in found]
    return [
        detail
        for detail in found
        if detail["type"] != "too_short"
        or not any(len(place) > len(detail["loc"]) and place[: len(detail["loc"])] == detail["loc"] for place in places)
    ]


def _path(steps: Sequence[int | str]) -> str:
    """Return where in a record an error is: `.runs[0].scale`."""
    path = ""
    for number, step in enumerate(steps):
        if step == "[key]":
            return path.removesuffix(_step(steps[number - 1])) + ", a name in it"
        path += _step(step)
    return path


def _step(step: int | str) -> str:
    return f"[{step}]" if isinstance(step, int) else f".{harmless(step)}"


def _reason(detail: ErrorDetails, annotation: object) -> str:
    kind, got, context = detail["type"], shown(detail["input"]), detail.get("ctx", {})
    name = detail["loc"][-1] if detail["loc"] else ""
    if kind == "extra_forbidden":
        return f"unknown field {shown(name)}{_hint(str(name), _fields_at(annotation, detail['loc'][:-1]))}"
    if kind == "missing":
        return "expected this field, got none"
    if kind in ("too_short", "too_long"):
        few = kind == "too_short"
        bound = f"at least {counted(context['min_length'], 'entry', 'entries')}" if few else ""
        bound = bound or f"at most {counted(context['max_length'], 'entry', 'entries')}"
        return f"expected {bound}, got {context['actual_length'] or 'none'}"
    if kind in _EXPECTED:
        return f"expected {_EXPECTED[kind].format(**context)}, got {got}"
    return detail["msg"]


def _hint(name: str, known: Sequence[str]) -> str:
    if close := difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.6):
        return f" (did you mean {close[0]}?)"
    return ""


def _fields_at(annotation: object, steps: Sequence[int | str]) -> list[str]:
    """Return the names of the fields of the model that a path leads to."""
    models = _models_in(annotation)
    for step in steps:
        fields = [model.model_fields[step] for model in models if step in model.model_fields]
        models = _models_in(fields[0].annotation) if fields else models
    return [name for model in models for name in model.model_fields]


def _models_in(annotation: object) -> list[type[RecordModel]]:
    if _is_model(annotation):
        return [annotation]  # type: ignore[list-item]  # _is_model says so
    return [model for part in get_args(annotation) for model in _models_in(part)]


def _is_model(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, RecordModel)
