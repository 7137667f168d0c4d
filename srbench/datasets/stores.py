"""Storage of the images of a set, as a folder of files or one Parquet file; both return the bytes of an image by its
name.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Protocol

from srbench.errors import DatasetError
from srbench.images import IMAGE_SUFFIXES

LR_SCALES = (2, 3, 4, 8)
"""The scales at which LR files are searched."""


class Store(Protocol):
    """Encoded images by name. `names` is in string order; `stamp` changes whenever the file of an image changes."""

    names: list[str]
    location: Path

    def hr(self, name: str) -> bytes:
        """The encoded HR image."""
        ...

    def lr(self, name: str, scale: int) -> bytes | None:
        """Return the encoded LR image of the same name at a scale, or None."""
        ...

    def lr_scales(self) -> tuple[int, ...]:
        """Scales at which every image has a given LR."""
        ...

    def stamp(self, name: str) -> list[int]:
        """Return a value that changes whenever the file of the image changes."""
        ...


def images_in(folder: Path) -> dict[str, Path]:
    """The image files directly in a folder by stem, in string order.

    Raises DatasetError where a stem matches two files: baby.png and baby.jpg cannot both be baby.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in IMAGE_SUFFIXES or path.name.startswith(".") or not path.is_file():
            continue
        # macOS stores `é` as two characters. Names that look the same count as the same name.
        stem = unicodedata.normalize("NFC", path.stem)
        if stem in found:
            raise DatasetError(
                f"{folder}: expected one file of each name, got {found[stem].name} and {path.name}; remove one"
            )
        found[stem] = path
    return dict(sorted(found.items()))


def file_stamp(path: Path) -> list[int]:
    """Return size, times and inode of a file; they are equal until the file is changed."""
    stat = path.stat()
    # A copy may keep the modification time of a file, but not its change time.
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]


class FolderStore:
    """Images in a folder, given LR in `X2`, `X3` … of sibling folders, named `babyx4.png` or like the HR."""

    def __init__(self, folder: Path, *, lr_folders: Iterable[Path] = ()) -> None:
        self.location = folder
        self._hr = images_in(folder)
        self.names = list(self._hr)
        self._lr = {
            scale: images_in(root / f"X{scale}")
            for root in lr_folders
            for scale in LR_SCALES
            if (root / f"X{scale}").is_dir()
        }

    def hr(self, name: str) -> bytes:
        """The bytes of the HR file."""
        return read_file(self._hr[name])

    def lr(self, name: str, scale: int) -> bytes | None:
        """Return the bytes of the LR file; None if there is none."""
        path = self._lr_path(name, scale)
        return read_file(path) if path else None

    def lr_scales(self) -> tuple[int, ...]:
        """Scales at which every image has an LR file."""
        return tuple(scale for scale in self._lr if all(self._lr_path(name, scale) for name in self.names))

    def stamp(self, name: str) -> list[int]:
        """Stamp of the HR file."""
        return file_stamp(self._hr[name])

    def _lr_path(self, name: str, scale: int) -> Path | None:
        files = self._lr.get(scale, {})
        return files.get(f"{name}x{scale}") or files.get(name)


class FilesStore:
    """A list of HR files, without LR files."""

    def __init__(self, files: dict[str, Path], location: Path) -> None:
        self.location = location
        self._files = dict(sorted(files.items()))
        self.names = list(self._files)

    def hr(self, name: str) -> bytes:
        """The bytes of the file."""
        return read_file(self._files[name])

    def lr(self, name: str, scale: int) -> bytes | None:
        """None: no LR is given."""
        return None

    def lr_scales(self) -> tuple[int, ...]:
        """Empty: no LR is given."""
        return ()

    def stamp(self, name: str) -> list[int]:
        """Stamp of the file."""
        return file_stamp(self._files[name])


class ParquetStore:
    """An imported set: columns `name`, `hr` and `lr_x2` …, each image a struct of `bytes` and `path`."""

    def __init__(self, path: Path) -> None:
        # Inside the method: reading folders needs no pyarrow, and it is slow to import.
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.location = path
        self._damage = (pa.ArrowException, OSError, KeyError, TypeError)
        with self._whole():
            self._file = pq.ParquetFile(path, page_checksum_verification=True)
            self._columns = frozenset(self._file.schema_arrow.names)
            self._rows = self._index()
        self.names = sorted(self._rows)
        self._group: tuple[int, str, pa.ChunkedArray] | None = None
        self._lock = Lock()

    @contextmanager
    def _whole(self) -> Iterator[None]:
        try:
            yield
        except self._damage as error:
            raise DatasetError(
                f"{self.location}: expected an imported dataset, got a damaged file "
                f"({type(error).__name__}: {error}); import it again"
            ) from error

    def __reduce__(self) -> tuple[type[ParquetStore], tuple[Path]]:
        # Workers of a DataLoader open the file themselves.
        return ParquetStore, (self.location,)

    def hr(self, name: str) -> bytes:
        """Return the encoded HR image with the bytes of the imported file."""
        cell = self._cell(name, "hr")
        if cell is None:
            raise DatasetError(f"{self.location}: the row {name!r} holds no HR image; import the set again")
        return cell

    def lr(self, name: str, scale: int) -> bytes | None:
        """Return the encoded LR image; None if no LR was imported."""
        column = f"lr_x{scale}"
        return self._cell(name, column) if column in self._columns else None

    def lr_scales(self) -> tuple[int, ...]:
        """Return the scales whose column has an image in every row, according to the statistics of the file."""
        columns = (re.fullmatch(r"lr_x(\d+)", column) for column in self._file.schema_arrow.names)
        return tuple(int(match[1]) for match in columns if match and not self._nulls(f"{match[0]}.bytes"))

    def stamp(self, name: str) -> list[int]:
        """Stamp of the Parquet file."""
        return file_stamp(self.location)

    def _index(self) -> dict[str, tuple[int, int]]:
        rows: dict[str, tuple[int, int]] = {}
        for group in range(self._file.num_row_groups):
            for row, name in enumerate(self._file.read_row_group(group, columns=["name"])["name"].to_pylist()):
                if not isinstance(name, str):
                    raise TypeError("a row has no name")
                if name in rows:
                    raise DatasetError(f"{self.location}: the name {name!r} is in two rows; import the set again")
                rows[name] = (group, row)
        return rows

    def _cell(self, name: str, column: str) -> bytes | None:
        group, row = self._rows[name]
        # Evaluation reads from several threads; a Parquet reader serves one at a time.
        with self._lock, self._whole():
            # Images are read in order, so the row group in memory usually has the next image, too.
            if self._group is None or self._group[:2] != (group, column):
                self._group = (group, column, self._file.read_row_group(group, columns=[column])[column])
            cell: dict[str, bytes | None] | None = self._group[2][row].as_py()
            return cell["bytes"] if cell else None

    def _nulls(self, leaf: str) -> int:
        total = 0
        for group in range(self._file.num_row_groups):
            columns = self._file.metadata.row_group(group)
            found = [columns.column(index) for index in range(columns.num_columns)]
            statistics = next(column.statistics for column in found if column.path_in_schema == leaf)
            total += statistics.null_count if statistics else columns.num_rows
        return total


def row_count(path: Path) -> int:
    """Return the number of images in an imported set. Raises DatasetError if the file is not an imported set."""
    return len(ParquetStore(path).names)


def read_file(path: Path) -> bytes:
    """Return the bytes of an image file. Raises DatasetError if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path}: expected a readable image, got {error.strerror}; check the file") from error


def sizes_pair(hr: tuple[int, ...], lr: tuple[int, ...], *, scale: int) -> bool:
    """Return whether LR (height, width) is the HR's divided by the scale, each side rounded down or up."""
    return all(low in {high // scale, -(-high // scale)} for high, low in zip(hr, lr, strict=True))
