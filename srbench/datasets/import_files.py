"""Read the files to import: folders, archives (unpacked first), Parquet files of the hub, LMDB."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath

from srbench.archives import ARCHIVE_SUFFIXES, is_archive, unpack_nested, what_instead
from srbench.datasets.hub import parquet_images
from srbench.datasets.stores import read_file
from srbench.errors import DatasetError
from srbench.images import IMAGE_SUFFIXES, OWN_SUFFIXES, lossless_as_png

UNPACKED = ".unpacked-"
"""Prefix of the temporary folders into which archives are unpacked."""
_PARQUET = ".parquet"


def as_folder(path: Path, folder: Path) -> Path:
    """Return the folder or Parquet file to read for a path; an archive is unpacked into a folder."""
    if not path.exists():
        raise DatasetError(f"{path}: expected a folder or an archive, found nothing there; check the path")
    if path.is_dir():
        packed = _archives_in(path)
        if not packed:
            return path
        target = folder / f"{UNPACKED}{path.resolve().name}"
        target.mkdir()
        for archive in packed:
            unpack_nested(archive, target / archive.name)
        return target
    if path.suffix.lower() == _PARQUET:
        return path
    if not is_archive(path):
        raise DatasetError(f"{path}: expected a folder, a zip, a tar or a Parquet file, got {what_instead(path)}")
    target = folder / f"{UNPACKED}{path.name}"
    unpack_nested(path, target)
    return target


def _archives_in(folder: Path) -> list[Path]:
    """Return the archives directly in a folder; none if it also has images or Parquet files, which are used."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    if any(path.suffix.lower() in (*IMAGE_SUFFIXES, *OWN_SUFFIXES, _PARQUET, ".mdb") for path in files):
        return []
    packed = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in ARCHIVE_SUFFIXES and path.is_file()]
    for path in packed:
        if not is_archive(path):
            raise DatasetError(f"{path}: expected a zip or tar archive, got {what_instead(path)}")
    return packed


def files_in(folder: Path, own_formats: bool) -> Iterator[tuple[PurePosixPath, Callable[[], bytes]]]:
    """Yield every file in a folder and its subfolders by name: its path, starting with the folder's name, and its
    bytes.

    Paths are in composed Unicode (NFC), whatever form the disk has. WebP and TIFF files are converted when they are
    read, so their paths end in `.png`.
    """
    if folder.is_file():
        yield from parquet_images(folder)
        return
    for parent, folders, names in os.walk(folder):
        folders.sort()
        place = PurePosixPath(_composed(_shown(folder))) / _composed(Path(parent).relative_to(folder).as_posix())
        if "data.mdb" in names:
            yield from _lmdb_files(Path(parent), place)
            continue
        for name in sorted(names):
            suffix = Path(name).suffix.lower()
            if suffix == _PARQUET:
                yield from ((place / path, read) for path, read in parquet_images(Path(parent) / name))
            elif suffix in OWN_SUFFIXES and own_formats:
                yield (place / _composed(name)).with_suffix(".png"), partial(_read_own, f"{parent}/{name}")
            else:
                # Names instead of Path objects save memory: there may be a hundred thousand.
                yield place / _composed(name), partial(_read, f"{parent}/{name}")


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _read_own(path: str) -> bytes:
    return lossless_as_png(_read(path), name=path)


def _read(path: str) -> bytes:
    return read_file(Path(path))


def _lmdb_files(folder: Path, relative: PurePosixPath) -> Iterator[tuple[PurePosixPath, Callable[[], bytes]]]:
    try:
        # Inside the function: lmdb is not a dependency; only this layout needs it.
        import lmdb
    except ModuleNotFoundError as error:
        raise DatasetError(f"{folder} is an LMDB; reading it needs the package lmdb: pip install lmdb") from error
    database = lmdb.open(str(folder), readonly=True, lock=False, readahead=False)

    def reader(key: bytes) -> Callable[[], bytes]:
        def read() -> bytes:
            with database.begin() as transaction:
                value: bytes | None = transaction.get(key)
            if value is None:
                raise DatasetError(f"{folder}: the entry {key.decode()!r} is gone; is another program writing there?")
            return bytes(value)

        return read

    with database.begin() as transaction:
        keys = [bytes(key) for key in transaction.cursor().iternext(values=False)]
    for key in keys:
        yield relative / f"{key.decode()}.png", reader(key)


def _shown(folder: Path) -> str:
    """Return the name of the folder, or of the archive that was unpacked into it."""
    return folder.resolve().name.removeprefix(UNPACKED)
