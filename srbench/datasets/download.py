"""Download a dataset: its sources are tried in order, and the first complete one is imported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from srbench.datasets.catalogue import DatasetEntry, DatasetSource, find_entry
from srbench.datasets.importing import ImportReport, import_dataset
from srbench.datasets.listing import size_text
from srbench.errors import DatasetError, FetchError, counted
from srbench.fetch import RemoteFile, fetch, is_offline, mirrored
from srbench.files import cache_dir
from srbench.http_answers import announced_size


def download_dataset(
    name: str,
    *,
    data_root: Path | None = None,
    allow_unpinned: bool = False,
    replace: bool = False,
    announce: Callable[[str], None] = lambda text: None,
) -> list[ImportReport]:
    """Fetch a dataset, or the split `DIV2K:train`, from the first source that has it, and import it.

    Without a split, the split that is evaluated is fetched. `announce` is called with the size before each source is
    fetched. Archives stay in the cache folder, because several datasets may share one. Sources without a published hash
    are used only with `allow_unpinned`; for `replace` see `import_dataset`. Raises DatasetError if there is no source
    or all of them fail; the message says how else to get the dataset.
    """
    title, _, part = name.partition(":")
    entry = find_entry(title)
    split = entry.split(part or None)
    sources = entry.sources_of(split)
    if not sources:
        raise DatasetError(f"{entry.name} cannot be downloaded: {entry.access}")
    failures = []
    for source in sources:
        try:
            paths = _fetched(
                entry, source, allow_unpinned, lambda text: announce(f"{entry.name} ({split.name}): {text}")
            )
            return import_dataset(entry.name, paths, data_root=data_root, replace=replace, own_formats=False)
        except (FetchError, DatasetError) as error:
            failures.append(f"{source.title}: {error}")
    raise DatasetError(
        f"{entry.name}: no source gave it.\n  " + "\n  ".join(failures) + f"\n  {entry.access}; "
        f"`srbench data import {entry.name} PATH` takes a copy that you have"
    )


def _fetched(
    entry: DatasetEntry, source: DatasetSource, allow_unpinned: bool, announce: Callable[[str], None]
) -> list[Path]:
    """Fetch a source; return its archives, or the folder that contains its single images."""
    single = len({Path(file.name).suffix for file in source.files} - {".jpg", ".png"}) == 0
    folder = cache_dir() / "datasets" / (entry.name if single else "")
    # `fetch` refuses a source that needs --allow-unpinned, so there is no size to print.
    if allow_unpinned or all(file.pinned for file in source.files):
        announce(_size_of(source, folder))
    paths = [fetch(file, folder=folder, allow_unpinned=allow_unpinned) for file in source.files]
    return [folder] if single else paths


def _size_of(source: DatasetSource, folder: Path) -> str:
    """Return what to download as text: `4 files, 1.2 GB, from …`; servers are asked for unknown sizes."""
    missing = [file for file in source.files if not (folder / file.name).is_file()]
    here = f", {len(source.files) - len(missing)} of them already here" if len(missing) < len(source.files) else ""
    if not missing:
        size = "nothing to fetch"
    elif source.stated_bytes:
        size = f"about {size_text(source.stated_bytes)}"
    else:
        sizes = [_bytes_of(file) for file in missing]
        known = sum(size or 0 for size in sizes)
        size = f"{'at least ' if None in sizes else ''}{size_text(known)}" if known else "of unknown size"
    return f"{counted(len(source.files), 'file')}{here}, {size}, from {source.title}"


def _bytes_of(file: RemoteFile) -> int | None:
    """Return the size of a file according to catalogue, mirror or server; None if all three lack it."""
    if file.size is not None:
        return file.size
    if found := mirrored(file.name):
        return found[0].stat().st_size
    return None if is_offline() else announced_size(file.urls[0])
