"""Write a set as one Parquet file with `Image` columns, one row group at a time, so that memory use stays constant."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

GROUP_BYTES = 8 << 20
"""A row group is closed once its images take this many bytes."""
GROUP_ROWS = 256
"""A row group is closed at this many rows."""


class ImageWriter:
    """Appends rows `name`, `hr`, `lr_x2` … to a Parquet file; image bytes are stored as they are given.

    The file carries the feature description that `datasets.load_dataset("parquet", …)` reads, so that the columns
    come back as images. `scales` are the LR columns; a row may leave any of them empty.
    """

    def __init__(self, path: Path, *, scales: Iterable[int] = ()) -> None:
        # Inside the method: pyarrow is slow to import, and only importing needs it.
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._columns = ["hr", *(f"lr_x{scale}" for scale in scales)]
        image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        fields = [pa.field("name", pa.string()), *(pa.field(column, image) for column in self._columns)]
        self._schema = pa.schema(fields, metadata={"huggingface": json.dumps({"info": {"features": self._features()}})})
        # Encoded images cannot be compressed further.
        self._file = pq.ParquetWriter(
            path, self._schema, compression="none", use_dictionary=False, write_page_checksum=True
        )
        self._rows: list[dict[str, object]] = []
        self._bytes = 0

    def add(self, name: str, hr: bytes, lr: Mapping[int, bytes]) -> None:
        """Append an image: its encoded HR, and encoded LR by scale."""
        row: dict[str, object] = {"name": name, "hr": {"bytes": hr, "path": None}}
        row |= {f"lr_x{scale}": {"bytes": data, "path": None} for scale, data in lr.items()}
        self._rows.append(row)
        self._bytes += len(hr) + sum(map(len, lr.values()))
        if self._bytes >= GROUP_BYTES or len(self._rows) >= GROUP_ROWS:
            self._flush()

    def record(self, facts: Mapping[str, object]) -> None:
        """Store facts about the set in the metadata of the file, as JSON under the key `srbench`."""
        self._file.add_key_value_metadata({"srbench": json.dumps(facts)})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._flush()
        self._file.close()

    def _flush(self) -> None:
        # Inside the method, as above.
        import pyarrow as pa

        if self._rows:
            self._file.write_table(pa.Table.from_pylist(self._rows, schema=self._schema))
        self._rows, self._bytes = [], 0

    def _features(self) -> dict[str, dict[str, str]]:
        images = {column: {"_type": "Image"} for column in self._columns}
        return {"name": {"dtype": "string", "_type": "Value"}, **images}
