"""Which code a `python:` model is made of, so that a run with edited code is another run."""

from __future__ import annotations

import ast
import importlib.util
import sys
import sysconfig
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

from srbench.files import sha256_of
from srbench.images import fingerprint

_PACKAGE_FOLDERS = {"site-packages", "dist-packages"}
_STANDARD = tuple(Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib"))


def source_sha256(*names: str) -> str | None:
    """The hash of the files of these modules and of all that those import, however far; None without a file.

    The imports of srbench and of what is installed are not followed. They are read from the text: which of them this
    process has carried out decides nothing.
    """
    files: set[Path] = set()
    seen: set[str] = set()
    pending = list(names)
    while pending:
        name = pending.pop()
        file = None if name in seen else _file_of(name)
        seen.add(name)
        if file and not is_installed(file):
            files.add(file)
            pending.extend(_imported(name, file))
        elif file and name in names:
            files.add(file)
    hashes = [sha256_of(file) for file in files]
    return fingerprint(hashes) if len(hashes) > 1 else next(iter(hashes), None)


def _file_of(name: str) -> Path | None:
    loaded = sys.modules.get(name)
    file = getattr(loaded, "__file__", None) if loaded is not None else _origin(name)
    return Path(file).resolve() if file and Path(file).is_file() else None


def _origin(name: str) -> str | None:
    """Where a module would be loaded from, found without loading the packages it lies in."""
    places, spec = None, None
    for part in accumulate(name.split("."), "{}.{}".format):
        spec = next(filter(None, (finder.find_spec(part, places) for finder in sys.meta_path)), None)
        if spec is None:
            return None
        places = spec.submodule_search_locations or []
    return spec.origin if spec else None


def is_installed(file: Path) -> bool:
    """Whether a file is part of Python, of an installed package, or of srbench itself."""
    return (
        not _PACKAGE_FOLDERS.isdisjoint(file.parts)
        or file.is_relative_to(Path(__file__).resolve().parents[1])
        or any(file.is_relative_to(folder) for folder in _STANDARD)
    )


def _imported(name: str, file: Path) -> Iterator[str]:
    """The modules that a file's import statements may name, and the packages that those lie in."""
    try:
        statements = ast.walk(ast.parse(file.read_bytes()))
    except (SyntaxError, ValueError):  # no text, or that of another Python
        return
    package = name if file.stem == "__init__" else name.rpartition(".")[0]
    for statement in statements:
        if isinstance(statement, ast.Import):
            found = [alias.name for alias in statement.names]
        elif isinstance(statement, ast.ImportFrom):
            base = "." * statement.level + (statement.module or "")
            base = importlib.util.resolve_name(base, package) if statement.level else base
            # What is taken from a package may be one of its modules.
            found = [base, *(f"{base}.{alias.name}" for alias in statement.names)]
        else:
            continue
        for module in found:
            yield from accumulate(module.split("."), "{}.{}".format)
