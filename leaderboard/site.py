"""Building the site: which pages there are, which of them have to be made again, and which are stale."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from leaderboard import assets, comparison, data, feed, front, literature, models, plots, rules, sets, study, tables
from leaderboard.collection import Collection, collect
from leaderboard.memory import MEMORY_NAME, Memory, digest_of
from leaderboard.pages import Page
from srbench.errors import ResultsError
from srbench.files import explain
from srbench.submissions import Problem
from srbench.submissions.entry import require_folder

BUILDERS: tuple[Callable[[Collection], Iterable[Page]], ...] = (
    assets.pages,
    front.pages,
    models.pages,
    comparison.pages,
    literature.pages,
    study.pages,
    plots.pages,
    tables.pages,
    sets.pages,
    rules.pages,
    data.pages,
    feed.pages,
)
"""Every kind of page: what makes them from the entries. Two of them may not claim one path."""


@dataclass(frozen=True)
class Report:
    """What a build did: entries shown, files written, left as they were and removed; entries and studies left out."""

    entries: int
    written: int
    unchanged: int
    removed: int
    problems: tuple[Problem, ...]


def build(submissions: Path, output: Path) -> Report:
    """Build the site of a folder of submissions into `output`, writing only the files whose inputs changed.

    Raises SubmissionError where there is no folder `submissions`, ResultsError where `output` holds something else than
    a built site or cannot be written.
    """
    require_folder(submissions)
    _require_site(output)
    memory = Memory(output, code_version())
    try:
        collection = collect(submissions, memory)
        return _write(collection, memory, output)
    except OSError as error:
        raise ResultsError(explain(error, output)) from error
    finally:
        memory.close()


@cache
def code_version() -> str:
    """The digest of all code, templates and static files that pages are made with."""
    roots = Path(__file__).parent, Path(str(resources.files("srbench")))
    files = [path for root in roots for path in root.rglob("*")]
    kept = sorted(path for path in files if path.suffix in _CODE and "__pycache__" not in path.parts)
    return digest_of(*(f"{path}\n{path.read_text(encoding='utf-8')}" for path in kept))


_CODE = {".py", ".j2", ".json", ".css", ".js"}


def _require_site(output: Path) -> None:
    try:
        output.mkdir(parents=True, exist_ok=True)
        if not (output / MEMORY_NAME).exists() and any(output.iterdir()):
            raise ResultsError(
                f"{output}: expected an empty folder or a site built before ({MEMORY_NAME} in it), got "
                "other files; choose another --output folder"
            )
    except OSError as error:
        raise ResultsError(explain(error, output)) from error


def _write(collection: Collection, memory: Memory, output: Path) -> Report:
    present = _files(output)
    keys: dict[str, str] = {}
    changed: list[Page] = []
    for page in _all_pages(collection):
        if page.path in keys or not _is_local(page.path):
            raise ResultsError(f"expected a path of its own inside the site for each page, got {page.path!r} once more")
        keys[page.path] = digest_of(code_version(), *page.inputs)
        if page.path not in present or memory.pages.get(page.path) != keys[page.path]:
            changed.append(page)
    stale = sorted(memory.pages.keys() - keys.keys())
    memory.begin_pages([*stale, *(page.path for page in changed)])
    for page in changed:
        _put(output / page.path, page.content())
    for path in stale:
        _remove(output, path)
    memory.finish({page.path: keys[page.path] for page in changed})
    unchanged = len(keys) - len(changed)
    _, studies = study.read_studies(collection.root)
    return Report(len(collection), len(changed), unchanged, len(stale), (*collection.problems, *studies))


def _all_pages(collection: Collection) -> Iterator[Page]:
    for builder in BUILDERS:
        yield from builder(collection)


def _files(output: Path) -> set[str]:
    start = len(str(output)) + 1
    found = (f"{folder}{os.sep}{name}"[start:] for folder, _, names in os.walk(output) for name in names)
    return {path.replace(os.sep, "/") for path in found}


def _is_local(path: str) -> bool:
    return "\\" not in path and not {"", ".", ".."} & set(path.split("/"))


def _put(target: Path, content: str | bytes) -> None:
    # Whole or not at all, but not synced to the disk one by one: a lost page is only built again.
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.new")
    temporary.write_bytes(content.encode() if isinstance(content, str) else content)
    temporary.replace(target)


def _remove(output: Path, path: str) -> None:
    (output / path).unlink(missing_ok=True)
    folder = (output / path).parent
    while folder != output and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
