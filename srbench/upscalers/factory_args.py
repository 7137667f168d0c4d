"""Arguments for the factories of `python:` specs: parsed from the command line, and prepared for key and record."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path

from srbench.errors import UpscalerError
from srbench.files import sha256_of
from srbench.spec_paths import recorded_path

FactoryValue = str | int | float | bool | None
"""An argument: a JSON scalar."""

FactoryArgs = tuple[tuple[str, FactoryValue], ...]
"""Arguments by name, sorted."""

Published = FactoryValue | dict[str, str]
"""An argument in records: files are replaced by their name and hash."""


def parse_factory_args(texts: Iterable[str]) -> FactoryArgs:
    """Parse `KEY=VALUE` texts: a value is a JSON scalar if it can be read as one, otherwise a string.

    Raises:
        UpscalerError: a text without a name or `=`, or a name given twice.
    """
    found: dict[str, FactoryValue] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.isidentifier():
            raise UpscalerError(f"--factory-arg: expected KEY=VALUE, got {text!r}; write for example width=64")
        if name in found:
            raise UpscalerError(f"--factory-arg: expected each name once, got {name} twice; leave one out")
        found[name] = _scalar(value)
    return sorted_args(found)


def sorted_args(arguments: Mapping[str, FactoryValue] | Iterable[tuple[str, FactoryValue]]) -> FactoryArgs:
    """Return arguments sorted by name.

    Raises:
        UpscalerError: text in place of pairs, a name that Python does not take, or a value that is no JSON scalar.
    """
    try:
        pairs = sorted(dict(arguments).items())
    except (TypeError, ValueError) as error:  # text, or a list of texts
        raise UpscalerError(
            f"factory_arg: expected a dict of names and values, got {arguments!r}; pass for example {{'width': 64}}"
        ) from error
    for name, value in pairs:
        if not str(name).isidentifier():
            raise UpscalerError(f"factory_arg: expected names of parameters, got {name!r}; use letters, digits and _")
        kind = type(value)
        if kind not in (str, int, float, bool, type(None)):
            raise UpscalerError(f"factory_arg: expected a JSON scalar for {name}, got {kind.__name__}; give its file")
    return tuple(pairs)


def published_args(arguments: FactoryArgs) -> dict[str, Published]:
    """Return arguments for a run's key and record, with files and folders as name and hash: no path is published."""
    return {name: _published(value) for name, value in arguments}


def describe_factory_args(arguments: object) -> list[str]:
    """Return the arguments of a record in words, such as `width=64`; files and folders by name."""
    if not isinstance(arguments, Mapping):
        return []
    return [f"{name}={_name(value)}" for name, value in arguments.items()]


def _name(value: object) -> str:
    if isinstance(value, Mapping):
        return str(value.get("file", value.get("folder")))
    return value if isinstance(value, str) else json.dumps(value)


def _scalar(text: str) -> FactoryValue:
    try:
        value: object = json.loads(text, parse_constant=lambda name: name)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, str | int | float | bool | None) else text


def _published(value: FactoryValue) -> Published:
    if not isinstance(value, str) or not value:
        return value
    path = Path(value)
    try:
        if path.is_file():
            return {"file": path.name, "sha256": _file_sha256(path.resolve(), path.stat().st_mtime_ns)}
        if path.name != value and path.is_dir():
            return {"folder": path.resolve().name, "sha256": _folder_sha256(path)}
    except (OSError, ValueError):  # not a path: too long for a name, or with a zero byte
        return value
    return recorded_path(value)


@lru_cache(maxsize=64)
def _file_sha256(path: Path, changed: int) -> str:
    """Return the hash of a file. It is read again only when its time of change differs."""
    return sha256_of(path)


def _folder_sha256(folder: Path) -> str:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = [
        f"{path.relative_to(folder).as_posix()} {_file_sha256(path.resolve(), path.stat().st_mtime_ns)}"
        for path in files
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
