"""Check the pages of a Parquet file of unknown origin against its footer, before anything is decoded.

The footer announces rows, encodings and sizes; each page has a header of its own that may say something else. The
headers are Thrift structures in compact form (parquet.thrift: PageHeader).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow.parquet as pq

MAX_PAGES = 20_000
"""More pages than a score table has."""
_DATA, _DICTIONARY, _DATA_V2 = 0, 2, 3
_PLAIN_ENCODINGS = frozenset({0, 2, 3, 4, 8})
_MOST_FIELDS, _DEEPEST = 64, 10
_LARGEST_FOOTER = 1 << 20
_LARGEST_FIELD = (1 << 15) - 1
_OPTIONAL = 1
_KNOWN_CODECS, _KNOWN_ENCODINGS, _KNOWN_TYPES = range(8), range(10), range(8)
_TRUE, _FALSE, _BYTE, _INTEGERS, _DOUBLE, _BINARY, _LISTS, _STRUCT = 1, 2, 3, {4, 5, 6}, 7, 8, {9, 10}, 12

_INT32 = 5

Struct = dict[int, object]


class _OtherWidth(int):
    """A number of 16 or 64 bits. Thrift skips it where a field has 32 bits, and then treats the field as missing."""


@dataclass
class _Reader:
    """A position in the bytes of a file."""

    data: bytes
    at: int

    def take(self, count: int) -> bytes:
        if not 0 <= count <= len(self.data) - self.at:
            raise ValueError("a page header ends early")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self) -> int:
        value = 0
        for shift in range(0, 70, 7):
            (byte,) = self.take(1)
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise ValueError("a number in a page header does not end")

    def signed(self) -> int:
        value = self.number()
        return (value >> 1) ^ -(value & 1)


def check_footer(data: bytes) -> None:
    """Raise ValueError for a footer with codecs, encodings or types that do not exist.

    pyarrow ends the process on these, instead of raising.
    """
    length = int.from_bytes(data[-8:-4], "little")
    if data[-4:] != b"PAR1" or length > len(data) - 8:
        return  # pyarrow reports this error itself
    if length > _LARGEST_FOOTER:
        raise ValueError("a footer of more than a megabyte")
    footer = _struct(_Reader(data[: len(data) - 8], len(data) - 8 - length), 0)
    if any(_number(element, 3) != _OPTIONAL for element in _structs(footer, 2)[1:]):
        raise ValueError("a column that is not optional")
    for group in _structs(footer, 4):
        for column in _structs(group, 1):
            facts = column.get(3)
            if not isinstance(facts, dict):
                raise ValueError("a column without a description")
            encodings = facts.get(2)
            known = (
                _number(facts, 1) in _KNOWN_TYPES
                and _number(facts, 4) in _KNOWN_CODECS
                and isinstance(encodings, list)
                and all(encoding in _KNOWN_ENCODINGS for encoding in encodings)
            )
            sizes = facts.get(16, {})
            levels = [sizes.get(field, []) for field in (2, 3)] if isinstance(sizes, dict) else [None, None]
            known = known and all(
                isinstance(one, list) and len(one) in (0, most) for one, most in zip(levels, (1, 2), strict=True)
            )
            if not known:
                raise ValueError("a column of an unknown type, codec or encoding")


def _structs(struct: Struct, field: int) -> list[Struct]:
    items = struct.get(field, [])
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise ValueError(f"a footer without a list in field {field}")
    return items


def check_pages(data: bytes, metadata: pq.FileMetaData, *, limit: int) -> None:
    """Raise ValueError unless all pages agree with the footer in their rows, are encoded plainly and have at most
    `limit` bytes.
    """
    rows = pages = unpacked = packed = 0
    for group in range(metadata.num_row_groups):
        row_group = metadata.row_group(group)
        rows += row_group.num_rows
        for column in range(metadata.num_columns):
            chunk = row_group.column(column)
            packed += chunk.total_compressed_size
            found = 0
            for page in _pages(data, chunk):
                pages += 1
                unpacked += page.unpacked
                found += page.values
                if pages > MAX_PAGES or unpacked > limit:
                    raise ValueError(f"more than {MAX_PAGES:,} pages or {limit:,} bytes when unpacked")
            if not found == chunk.num_values == row_group.num_rows:
                raise ValueError(
                    f"{found} values in the pages of column {column}, {chunk.num_values} in the footer, "
                    f"{row_group.num_rows} rows"
                )
    if rows != metadata.num_rows:
        raise ValueError(f"{rows} rows in its row groups and {metadata.num_rows} in the footer")
    if packed > len(data):
        raise ValueError("columns that share their bytes")


@dataclass(frozen=True)
class _Page:
    unpacked: int
    values: int
    """The values of a data page; 0 for a dictionary."""


def _pages(data: bytes, chunk: pq.ColumnChunkMetaData) -> Iterator[_Page]:
    start = chunk.data_page_offset
    if chunk.has_dictionary_page and chunk.dictionary_page_offset:
        start = min(start, chunk.dictionary_page_offset)
    end = start + chunk.total_compressed_size
    if not 4 <= start <= end <= len(data):
        raise ValueError("a column outside the file")
    reader = _Reader(data[:end], start)
    while reader.at < end:
        header = _struct(reader, 0)
        yield _page(header)
        reader.take(_count(header, 3))


def _page(header: Struct) -> _Page:
    kind, unpacked = _count(header, 1), _count(header, 2)
    field, encoding = {_DATA: (5, 2), _DICTIONARY: (7, 2), _DATA_V2: (8, 4)}.get(kind, (0, 0))
    inner = header.get(field)
    if not isinstance(inner, dict):
        raise ValueError(f"a page of kind {kind}")
    if _count(inner, encoding) not in _PLAIN_ENCODINGS:
        raise ValueError(f"a page of encoding {_count(inner, encoding)}")
    return _Page(unpacked, 0 if kind == _DICTIONARY else _count(inner, 1))


def _count(struct: Struct, field: int) -> int:
    value = struct.get(field)
    if not isinstance(value, int) or value < 0:
        raise ValueError(f"a page header without a count in field {field}")
    return value


def _number(struct: Struct, field: int) -> int | None:
    """Return a field of 32 bits as Thrift reads it; None if it is absent or has another width."""
    value = struct.get(field)
    return value if isinstance(value, int) and not isinstance(value, bool | _OtherWidth) else None


def _struct(reader: _Reader, depth: int) -> Struct:
    found: Struct = {}
    field = 0
    for _ in range(_MOST_FIELDS):
        (byte,) = reader.take(1)
        if byte == 0:
            return found
        kind = byte & 0x0F
        field = field + (byte >> 4) if byte >> 4 else reader.signed()
        if not 0 < field <= _LARGEST_FIELD:
            raise ValueError("a field number out of range")
        found[field] = _value(reader, kind, depth)
    raise ValueError("a page header of too many fields")


def _item(reader: _Reader, kind: int, depth: int) -> object:
    # In a list a boolean takes one byte; in a structure the type code is the value.
    return reader.take(1) if kind in (_TRUE, _FALSE) else _value(reader, kind, depth)


def _value(reader: _Reader, kind: int, depth: int) -> object:
    if kind in (_TRUE, _FALSE):
        return kind == _TRUE
    if kind == _BYTE:
        return reader.take(1)
    if kind in _INTEGERS:
        return reader.signed() if kind == _INT32 else _OtherWidth(reader.signed())
    if kind == _DOUBLE:
        return reader.take(8)
    if kind == _BINARY:
        return reader.take(reader.number())
    if kind in _LISTS and depth < _DEEPEST:
        (byte,) = reader.take(1)
        count = byte >> 4 if byte >> 4 < 15 else reader.number()
        if count > len(reader.data) - reader.at:
            raise ValueError("a list longer than the file")
        return [_item(reader, byte & 0x0F, depth + 1) for _ in range(count)]
    if kind == _STRUCT and depth < _DEEPEST:
        return _struct(reader, depth + 1)
    raise ValueError(f"a page header with a field of kind {kind}")
