"""Build the site: every page in a new folder, which then takes the place of the old site."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from leaderboard import (
    assets,
    bam_page,
    comparison,
    data_files,
    dataset_pages,
    feed,
    gallery,
    home,
    main_tables,
    models,
    plots,
    protocol_pages,
    reported_pages,
    search,
    social_card,
    study_pages,
    table_files,
)
from leaderboard.collection import Collection, collect
from leaderboard.pages import Page
from leaderboard.rendering import SITE, SiteLinks
from leaderboard.writing import write_pages
from srbench.errors import ResultsError
from srbench.files import explain
from srbench.submissions import Problem
from srbench.submissions.read import require_folder

BUILDERS: tuple[Callable[[Collection], Iterable[Page]], ...] = (
    assets.pages,
    home.pages,
    bam_page.pages,
    gallery.pages,
    models.pages,
    comparison.pages,
    reported_pages.pages,
    search.pages,
    social_card.pages,
    study_pages.pages,
    plots.pages,
    main_tables.pages,
    table_files.pages,
    dataset_pages.pages,
    protocol_pages.pages,
    data_files.pages,
    feed.pages,
)
"""The builders of all pages. No two pages may have the same path."""

MARKER_NAME = ".srbench-site"
"""A file in each built site. A folder without it is never replaced."""


@dataclass(frozen=True)
class Report:
    """The result of a build: numbers of entries and files, and the entries and studies that were left out."""

    entries: int
    files: int
    problems: tuple[Problem, ...]


def build(submissions: Path, output: Path, links: SiteLinks | None = None) -> Report:
    """Build the site of a folder of submissions into `output`; `links` are addresses outside it.

    The site is built in a new folder next to `output` and replaces the old site when it is complete; if that fails, the
    old site stays. Dot files and `CNAME` of the old site are kept. A second build at the same time waits for the first.

    Raises:
        SubmissionError: there is no folder `submissions`.
        ResultsError: `output` holds anything but a built site, or cannot be written.
    """
    require_folder(submissions)
    output = output.absolute()
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(output.with_name(f".{output.name}.lock")):
            _require_site(output)
            return _replace(submissions, output, links or SiteLinks())
    except OSError as error:
        raise ResultsError(explain(error, output)) from error


def _require_site(output: Path) -> None:
    if output.exists() and any(output.iterdir()) and not (output / MARKER_NAME).exists():
        raise ResultsError(
            f"{output}: expected an empty folder or a site built before (with {MARKER_NAME}), got other files; choose "
            "another --output folder"
        )


def _replace(submissions: Path, output: Path, links: SiteLinks) -> Report:
    new, old = (output.with_name(f".{output.name}.{name}") for name in ("new", "old"))
    _restore(output, old)
    shutil.rmtree(new, ignore_errors=True)
    try:
        report = _write(submissions, new, links)
        _keep_foreign(output, new)
        if output.exists():
            output.rename(old)
        new.rename(output)
    finally:
        _restore(output, old)
        shutil.rmtree(new, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)
    return report


def _restore(output: Path, old: Path) -> None:
    """Put the old site back if a build stopped between the two renames."""
    if old.exists() and not output.exists():
        old.rename(output)


def _keep_foreign(output: Path, new: Path) -> None:
    """Copy what a host keeps in a published folder: dot files such as .git and .nojekyll, and CNAME."""
    for path in output.iterdir() if output.exists() else ():
        if (path.name.startswith(".") and path.name != MARKER_NAME) or path.name == "CNAME":
            copy = shutil.copytree if path.is_dir() else shutil.copy2
            copy(path, new / path.name)


def _write(submissions: Path, target: Path, links: SiteLinks) -> Report:
    collection = collect(submissions)
    SITE.date = max((entry.date for entry in collection), default="")
    SITE.links = links
    pages = [page for builder in BUILDERS for page in builder(collection)]
    paths: set[str] = set()
    for page in pages:
        if page.path in paths or not _is_local(page.path):
            raise ResultsError(f"expected one page per path inside the site, got {page.path!r} again or outside it")
        paths.add(page.path)
    write_pages(pages, target)
    (target / MARKER_NAME).write_text("A site built by srbench leaderboard build.\n", encoding="utf-8")
    _, studies = study_pages.read_studies(collection.root)
    return Report(len(collection), len(paths), (*collection.problems, *studies))


def _is_local(path: str) -> bool:
    return "\\" not in path and not {"", ".", ".."} & set(path.split("/"))
