"""Read files from untrusted authors: check size and shape first, then parse; follow no link, unpack no archive."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import JsonValue

from srbench.errors import SubmissionError
from srbench.records.messages import shown
from srbench.scores import SCHEMA, SCHEMA_VERSION, columns_of, with_all_columns
from srbench.submissions.parquet_pages import check_footer, check_pages

MAX_JSON_BYTES = 512 << 10
MAX_TABLE_BYTES = 4 << 20
MAX_ROWS = 50_000

_MAX_UNPACKED = 64 << 20
_MAX_STRING = 200
_UTF8_BYTES = 4
_MAX_ROW_GROUPS = 100
# Snappy expands at most about twentyfold and these encodings not at all; `srbench submit` writes nothing else.
_CODECS = {"SNAPPY", "UNCOMPRESSED"}
_ENCODINGS = {"PLAIN", "RLE", "BIT_PACKED", "PLAIN_DICTIONARY", "RLE_DICTIONARY"}
# The layouts of score tables of all versions of `srbench submit`. Older entries keep their bytes.
_LAYOUTS = {version: columns_of(version) for version in (3, SCHEMA_VERSION)}
_TEXT_COLUMNS = [field.name for field in SCHEMA if pa.types.is_string(field.type)]


def read_bytes(path: Path, *, limit: int) -> bytes:
    """Return the bytes of a plain file of at most `limit` bytes.

    Raises:
        SubmissionError: a missing file, a link, a folder, a pipe or a device, or a file over the limit.
    """
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        found = "a link" if error.errno == errno.ELOOP else error.strerror
        raise SubmissionError(f"{path.name}: expected a plain file, got {found}") from error
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode):
        os.close(handle)
        raise SubmissionError(f"{path.name}: expected a plain file, got something else")
    with os.fdopen(handle, "rb") as file:
        if status.st_size > limit:
            raise SubmissionError(f"{path.name}: expected at most {limit:,} bytes, got {status.st_size:,}")
        return file.read(limit)


def printable_name(name: str) -> str:
    """Return the name of an untrusted file or folder as short printable ASCII, for messages."""
    return re.sub(r"[^A-Za-z0-9._-]", "?", name)[:64]


def parse_json(data: bytes, name: str) -> JsonValue:
    """Parse JSON without NaN, infinity, repeated names, lone surrogates, or nesting that is too deep for Python.

    Raises:
        SubmissionError: anything else; the message starts with `name`.
    """
    try:
        document: JsonValue = json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
        if b"\\u" in data:  # an escape may name half of a surrogate pair, which no file can hold in UTF-8
            json.dumps(document, ensure_ascii=False).encode("utf-8")
        return document
    except (ValueError, RecursionError) as error:
        raise SubmissionError(
            f"{name}: expected a JSON document in UTF-8, got one that does not parse ({shown(str(error))})"
        ) from error


_CHECKED: set[bytes] = set()
"""SHA-256 of tables whose footer and pages passed: a site reads each table several times."""


def read_table(data: bytes, *, rows: int, metrics: Sequence[str] = ()) -> pa.Table:
    """Return the score table of exactly `rows` rows from a Parquet file's bytes.

    It has the columns of `srbench.scores.SCHEMA` and one for each of `metrics`. A column that a table of an older
    layout lacks is null.

    Raises:
        SubmissionError: a damaged file, other columns, types, codecs or row counts, or texts that are too long.
    """
    try:
        digest = hashlib.sha256(data).digest()
        if digest not in _CHECKED:
            check_footer(data)
        metadata = pq.read_metadata(pa.BufferReader(data))
        version = _layout_of(metadata, rows, metrics)
        if digest not in _CHECKED:
            check_pages(data, metadata, limit=_MAX_UNPACKED)
            _CHECKED.add(digest)
        texts = [name for name in _TEXT_COLUMNS if name in _LAYOUTS[version]]
        file = pq.ParquetFile(pa.BufferReader(data), metadata=metadata, read_dictionary=texts, pre_buffer=False)
        table = file.read(use_threads=False)
        for name in texts:
            _require_short(table[name], name)
        return with_all_columns(table, version=version, metrics=metrics)
    except (pa.ArrowException, OSError, ValueError, KeyError, MemoryError, RuntimeError) as error:
        raise SubmissionError(
            f"scores.parquet: expected a complete score table, got one that cannot be read ({shown(str(error))})"
        ) from error


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    document = dict(pairs)
    if len(document) < len(pairs):
        raise ValueError("a name is given twice")
    return document


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


def _layout_of(metadata: pq.FileMetaData, rows: int, metrics: Sequence[str]) -> int:
    """Check that shape and encoding of a table are safe to read; return the schema version of its columns."""
    if metadata.num_rows != rows:
        raise SubmissionError(
            f"scores.parquet: expected {rows} rows (images × protocols of the runs), got {metadata.num_rows}"
        )
    fitting = [version for version, names in _LAYOUTS.items() if metadata.schema.names == [*names, *metrics]]
    if not fitting:
        found = ", ".join(shown(name) for name in metadata.schema.names[:30])
        raise SubmissionError(
            f"scores.parquet: expected the columns {', '.join([*SCHEMA.names, *metrics])}, got {found}; "
            "make it with srbench submit"
        )
    if metadata.num_row_groups > _MAX_ROW_GROUPS:
        raise SubmissionError(f"scores.parquet: expected few row groups, got {metadata.num_row_groups}")
    chunks = [
        metadata.row_group(group).column(column)
        for group in range(metadata.num_row_groups)
        for column in range(metadata.num_columns)
    ]
    strange = {chunk.compression for chunk in chunks} - _CODECS
    strange |= {encoding for chunk in chunks for encoding in chunk.encodings} - _ENCODINGS
    if strange:
        raise SubmissionError(
            f"scores.parquet: expected Snappy compression and plain or dictionary encoding, got "
            f"{', '.join(sorted(strange))}; make it with srbench submit"
        )
    if sum(chunk.total_uncompressed_size for chunk in chunks) > _MAX_UNPACKED:
        raise SubmissionError(f"scores.parquet: expected at most {_MAX_UNPACKED:,} bytes when unpacked, got more")
    return fitting[-1]


def _require_short(column: pa.ChunkedArray, name: str) -> None:
    for chunk in column.chunks:
        texts = chunk.dictionary if pa.types.is_dictionary(chunk.type) else chunk
        if not pa.types.is_string(texts.type):
            raise SubmissionError(f"scores.parquet, {name}: expected text, got {texts.type}")
        texts.validate(full=True)  # invalid UTF-8 is an error here, not later on a page
        longest = pc.max(pc.binary_length(texts)).as_py() or 0
        if longest > _MAX_STRING * _UTF8_BYTES:
            raise SubmissionError(f"scores.parquet, {name}: expected texts of at most {_MAX_STRING} characters")
