"""The hash of the code of a `python:` model, so that a run with edited code has another key."""

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
    """Return the hash of the files of these modules and of everything they import, directly or not; None without files.

    Imports of srbench and of installed packages are not followed. Imports are read from the source text, so the result
    does not depend on what this process has imported already.
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
    """Return the file that a module would be loaded from, without loading its parent packages."""
    places, spec = None, None
    for part in accumulate(name.split("."), "{}.{}".format):
        spec = next(filter(None, (finder.find_spec(part, places) for finder in sys.meta_path)), None)
        if spec is None:
            return None
        places = spec.submodule_search_locations or []
    return spec.origin if spec else None


def is_installed(file: Path) -> bool:
    """Return whether a file is part of Python, of an installed package, or of srbench itself."""
    return (
        not _PACKAGE_FOLDERS.isdisjoint(file.parts)
        or file.is_relative_to(Path(__file__).resolve().parents[1])
        or any(file.is_relative_to(folder) for folder in _STANDARD)
    )


def _imported(name: str, file: Path) -> Iterator[str]:
    """Yield the modules that a file's import statements may name, and their parent packages."""
    try:
        statements = ast.walk(ast.parse(file.read_bytes()))
    except (SyntaxError, ValueError):  # not text, or written for another version of Python
        return
    package = name if file.stem == "__init__" else name.rpartition(".")[0]
    for statement in statements:
        if isinstance(statement, ast.Import):
            found = [alias.name for alias in statement.names]
        elif isinstance(statement, ast.ImportFrom):
            base = "." * statement.level + (statement.module or "")
            base = importlib.util.resolve_name(base, package) if statement.level else base
            # A name that is imported from a package may be one of its modules.
            found = [base, *(f"{base}.{alias.name}" for alias in statement.names)]
        else:
            continue
        for module in found:
            yield from accumulate(module.split("."), "{}.{}".format)
