"""Score tables that attack the Parquet reader: footers that lie, texts that unfold, encodings that grow."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from srbench.scores import SCHEMA

ROWS = 10
"""The rows that the reader is asked for."""
Files = Iterator[tuple[str, bytes]]


@cache
def good_table() -> pa.Table:
    """Return a table of `ROWS` rows that the reader accepts."""
    columns = {}
    for field in SCHEMA:
        value = "a" if pa.types.is_string(field.type) else 1
        columns[field.name] = pa.array([value] * ROWS, field.type)
    return pa.table(columns, schema=SCHEMA)


def packed(table: pa.Table, **options: Any) -> bytes:
    """Return a Parquet file of a table."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer, **{"compression": "snappy", **options})
    return buffer.getvalue()


def repeated(rows: int) -> pa.Table:
    """Return the good table's first row, `rows` times."""
    return good_table().take(pa.array(np.zeros(rows, np.int64)))


def varint(value: int, length: int = 0) -> bytes:
    """Return a zigzag number of Thrift, padded to `length` bytes."""
    value, out = value << 1, bytearray()
    while value >= 0x80 or len(out) + 1 < length:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def tables() -> Files:
    """Yield tables that are not what their footers say, or grow when they are read."""
    big = packed(repeated(300_000))
    true = varint(300_000)
    places = [at for at in range(len(big)) if big.startswith(true, at)]
    footer = [at for at in places if at > len(big) - 8 - struct.unpack("<I", big[-8:-4])[0]]
    # The first number is that of a column, or of the file; each of them lies alone, then all of them together.
    for lies in (*([at] for at in footer[:6]), footer, footer[:-1], footer[1:]):
        data = bytearray(big)
        for at in lies:
            data[at : at + len(true)] = varint(ROWS, len(true))
        yield f"a footer that denies rows in {len(lies)} places at {lies[0]}", bytes(data)
    plain = packed(good_table(), compression="none", use_dictionary=False)
    yield "texts that are no UTF-8", plain.replace(b"\x01\0\0\0a", b"\x01\0\0\0\xff")
    yield "one text that is no UTF-8", plain.replace(b"\x01\0\0\0a", b"\x01\0\0\0\xff", 1)
    for column in ("model", "image", "lr_source"):
        texts = ["x" * 2_000_000, *(f"t{n}" for n in range(ROWS - 1))]
        at = SCHEMA.names.index(column)
        yield f"a text of 2 MB in {column}", packed(good_table().set_column(at, SCHEMA.field(at), pa.array(texts)))
    for codec in ("gzip", "zstd", "brotli", "lz4"):
        yield f"the codec {codec}", packed(good_table(), compression=codec)
    for encoding in ("DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY"):
        yield (
            f"the encoding {encoding}",
            packed(good_table(), use_dictionary=False, column_encoding={"model": encoding, "image": encoding}),
        )
    yield "too many rows", packed(repeated(ROWS + 1))
    yield "no rows", packed(good_table().slice(0, 0))
    yield "a column less", packed(good_table().drop_columns(["image"]))
    yield "a column twice", packed(pa.table([*good_table().columns, good_table()["image"]], names=[*SCHEMA.names, "x"]))
    nested = pa.array([[["a"]]] * ROWS)
    yield "a column of lists", packed(good_table().set_column(0, "model", nested))
    for kind in (pa.binary(), pa.int64(), pa.decimal128(38), pa.timestamp("ns"), pa.large_string()):
        column = pa.nulls(ROWS, kind)
        yield f"a column of {kind}", packed(good_table().set_column(0, "model", column))
    yield "many row groups", packed(good_table(), row_group_size=1).replace(b"PAR1", b"PAR1", 1)
    good = packed(good_table())
    yield "a footer longer than the file", good[:-8] + struct.pack("<I", 1 << 31) + b"PAR1"
    yield "an encrypted footer", good[:-4] + b"PARE"
    for at in range(len(good) - 600, len(good) - 8, 12):
        yield f"a footer with a wrong byte {at}", good[:at] + b"\x7f" + good[at + 1 :]
    yield "a text instead", b"PAR1 PAR1"
    yield "an empty file", b""
    yield "a file cut in half", good[: len(good) // 2]
    for at in (4, 6, 8, 10, 12, 14, 16):
        yield f"a page header with a wrong byte {at}", good[:at] + b"\xff" + good[at + 1 :]
    for value in (0, 1 << 20, (1 << 31) - 1):
        size = varint(value, 5)
        yield f"a page that announces {value} bytes", good[:4] + b"\x15\x04\x15" + size + good[12:]
