"""Download of a dataset: its sources are tried in order, and what one gives is imported."""

from __future__ import annotations

from pathlib import Path

from srbench.datasets.catalogue import Entry, Source, find_entry
from srbench.datasets.importing import ImportReport, import_dataset
from srbench.errors import DatasetError, FetchError
from srbench.files import cache_dir, fetch


def download_dataset(
    name: str, *, data_root: Path | None = None, allow_unpinned: bool = False, replace: bool = False
) -> list[ImportReport]:
    """Fetch a dataset from the first source that has it, and import it under the data root.

    Archives stay in the cache folder (several datasets share one). Sources without a published hash are used only
    with `allow_unpinned`; `replace` is that of `import_dataset`. Raises DatasetError, with how else to get it, when
    there is no source or all of them fail.
    """
    entry = find_entry(name)
    if not entry.sources:
        raise DatasetError(f"{entry.name} cannot be downloaded: {entry.access}")
    failures = []
    for source in entry.sources:
        try:
            paths = _fetched(entry, source, allow_unpinned)
            return import_dataset(entry.name, paths, data_root=data_root, replace=replace)
        except (FetchError, DatasetError) as error:
            failures.append(f"{source.title}: {error}")
    raise DatasetError(
        f"{entry.name}: no source gave it.\n  " + "\n  ".join(failures) + f"\n  {entry.access}; "
        f"`srbench data import {entry.name} PATH` takes a copy that you have"
    )


def _fetched(entry: Entry, source: Source, allow_unpinned: bool) -> list[Path]:
    """The source's archives, or the folder that holds its single images."""
    single = len({Path(file.name).suffix for file in source.files} - {".jpg", ".png"}) == 0
    folder = cache_dir() / "datasets" / (entry.name if single else "")
    paths = [fetch(file, folder=folder, allow_unpinned=allow_unpinned) for file in source.files]
    return [folder] if single else paths
