"""Read Parquet files of the Hugging Face hub like folders of images: columns `hr`, `lr` or `image`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from srbench.errors import DatasetError
from srbench.images import size_of

if TYPE_CHECKING:
    import pyarrow.parquet as pq

_HR = re.compile(r"(?:hr|gt|image|img|target|label|high_res.*|ground_truth|original|hr_.*|.*_hr)", re.IGNORECASE)
_LR = re.compile(r"(?:lr|lq|input|low_res.*|lr_.*|.*_lr(?:_?x\d)?|lrx\d)", re.IGNORECASE)
_SCALE = re.compile(r"x(\d)", re.IGNORECASE)
_NAMES = ("name", "file_name", "filename", "image_name", "image_id", "id", "key", "__key__")
_SHARD = re.compile(r"(?P<split>.*?)-?(?P<shard>\d{5})-of-\d{5}")
_ODD = re.compile(r"[^\w. +()-]")


@dataclass
class _Table:
    """One Parquet file, read by row group. The last group of each column is cached, because rows are read in order."""

    path: Path
    file: pq.ParquetFile
    kept: dict[str, tuple[int, list[object]]]

    def cell(self, column: str, group: int, row: int) -> object:
        """Return the value of a column in one row of a row group."""
        if self.kept.get(column, (-1, []))[0] != group:
            self.kept[column] = (group, self.file.read_row_group(group, columns=[column])[column].to_pylist())
        return self.kept[column][1][row]

    def image(self, column: str, group: int, row: int) -> bytes:
        """Return the encoded image in a cell. Raises DatasetError if the cell has only a path, or nothing."""
        cell = self.cell(column, group, row)
        data = cell.get("bytes") if isinstance(cell, dict) else cell
        if not isinstance(data, bytes):
            raise DatasetError(
                f"{self.path}: expected images in the column {column}, got {'a path' if cell else 'nothing'} in row "
                f"{row + 1} of group {group + 1}; download the set with its images, and import their folder"
            )
        return data


def parquet_images(path: Path) -> Iterator[tuple[PurePosixPath, Callable[[], bytes]]]:
    """Yield the images of a Parquet file: a path as in a folder, such as `HR/baby.png`, and a reader.

    A row is named by a name column, else by the path that is stored with the image, else by its number. The scale of an
    LR column is in its name, or follows from the sizes. Raises DatasetError for a file that is damaged or without
    images.
    """
    # Inside the function: pyarrow is slow to import, and other layouts do not need it.
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = _Table(path, pq.ParquetFile(path), {})
        hr, lr = _columns(table)
        for group in range(table.file.num_row_groups):
            for row in range(table.file.metadata.row_group(group).num_rows):
                yield from _row(table, hr, lr, group, row)
    except (pa.ArrowException, OSError) as error:
        raise DatasetError(
            f"{path}: expected a Parquet file with images, got one that cannot be read ({error}); download it again"
        ) from error


def _columns(table: _Table) -> tuple[str, list[str]]:
    """Return the name of the HR column and the names of the LR columns."""
    fields = [field for field in table.file.schema_arrow if _holds_images(str(field.type))]
    names = [field.name for field in fields]
    lr = [name for name in names if _LR.fullmatch(name)]
    hr = [name for name in names if name not in lr and _HR.fullmatch(name)] or [
        name for name in names if name not in lr
    ]
    if len(hr) != 1:
        raise DatasetError(
            f"{table.path}: expected one column of HR images (hr or image) and columns of LR (lr, lr_x4), got "
            f"{', '.join(table.file.schema_arrow.names)}; rename them, or save the images into a folder"
        )
    return hr[0], lr


def _holds_images(kind: str) -> bool:
    return kind in {"binary", "large_binary"} or (kind.startswith("struct<") and "bytes:" in kind)


def _row(
    table: _Table, hr: str, lr: list[str], group: int, row: int
) -> Iterator[tuple[PurePosixPath, Callable[[], bytes]]]:
    match = _SHARD.fullmatch(table.path.stem)
    place = PurePosixPath(f"{match['split'] if match else table.path.stem}.parquet")
    name = _name(table, hr, group, row) or f"{match['shard'] if match else '00000'}-{group:03}-{row:04}"
    high = partial(table.image, hr, group, row)
    yield place / "HR" / f"{name}.png", high
    for column in lr:
        if table.cell(column, group, row) is None:
            continue
        low = partial(table.image, column, group, row)
        yield place / "LR_bicubic" / f"X{_scale(column, high, low)}" / f"{name}.png", low


def _name(table: _Table, hr: str, group: int, row: int) -> str | None:
    cell = table.cell(hr, group, row)
    texts = [table.cell(column, group, row) for column in _NAMES if column in table.file.schema_arrow.names]
    texts.append(cell.get("path") if isinstance(cell, dict) else None)
    for text in texts:
        if text is not None and (name := PurePosixPath(str(text).replace("\\", "/")).name):
            stem = name.rpartition(".")[0] if re.search(r"\.[A-Za-z]{3,4}$", name) else name
            return _ODD.sub("_", stem)
    return None


def _scale(column: str, high: Callable[[], bytes], low: Callable[[], bytes]) -> int:
    if match := _SCALE.search(column):
        return int(match[1])
    return round(size_of(high(), name="HR")[0] / max(1, size_of(low(), name="LR")[0]))
