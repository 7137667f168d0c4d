"""The score table and the run record: their schema, Parquet and JSON, and the folder of a run.

One row is image × dataset × scale × protocol × model. A run writes a journal, one synced line per image and protocol;
a finished run is `scores.parquet` and `run.json`, which contains the hash of the table and a checksum of its own
fields.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from srbench.errors import ResultsError
from srbench.files import explain, require_empty, sha256_of, write_atomic
from srbench.journal import Journal, checksum, journals_in, require_key
from srbench.journal import Key as Key
from srbench.journal import Row as Row
from srbench.records.record_model import validate
from srbench.records.run import RUN_VERSION, RunRecord

SCHEMA_VERSION = RUN_VERSION
"""Version of the layout of `scores.parquet` and `run.json`."""

# For each readable version the columns that later versions added. They are read as null.
_ADDED: dict[int, tuple[str, ...]] = {
    1: ("psnr_y_aliased", "lr_origin"),
    2: ("lr_origin",),
    3: ("lr_origin",),
    SCHEMA_VERSION: (),
}

# Versions whose unfinished runs can be resumed. Journals before version 3 have no checksums.
_RESUMABLE = (3, SCHEMA_VERSION)

# The first version whose records have a checksum.
_CHECKED_SINCE = 3

SCORES_NAME, RECORD_NAME = "scores.parquet", "run.json"

SCHEMA = pa.schema(
    [
        ("model", pa.string()),
        ("dataset", pa.string()),
        ("scale", pa.int32()),
        ("protocol", pa.string()),
        ("protocol_version", pa.int32()),
        ("image", pa.string()),
        ("psnr_y", pa.float64()),
        ("ssim_y", pa.float64()),
        ("psnr_rgb", pa.float64()),
        ("ssim_rgb", pa.float64()),
        ("psnr_y_aliased", pa.float64()),
        ("psnr_lr", pa.float64()),
        ("seconds", pa.float64()),
        ("lr_source", pa.string()),
        ("hr_sha256", pa.string()),
        ("lr_sha256", pa.string()),
        ("lr_origin", pa.string()),
    ]
)
"""Columns of the score table. PSNR in dB; `psnr_y`/`ssim_y` are null under RGB protocols and the other way round,
`psnr_y_aliased` under all but the Y protocols that start with `matlab-`, and in runs of schema version 1. `seconds` is
the upscaler's time, on the CPU on this image's share of the cores; `hr_sha256` is of the dataset's decoded HR,
`lr_sha256` of the LR that was used; `lr_origin` names how that LR was made and is null where that is unknown, and in
runs of schema versions 1 to 3."""

RowId = tuple[str, str, str]
"""Dataset, protocol and image, which together identify a row of one run."""

Record = dict[str, Any]
"""What a run was: model, weights, datasets, protocols, options, environment, time. JSON-ready."""


@dataclass(frozen=True, repr=False)
class Run:
    """A finished run: its table and its record as plain values. `facts` is the record as typed data."""

    scores: pd.DataFrame
    record: Record
    path: Path

    @cached_property
    def facts(self) -> RunRecord:
        """The record as typed data. Raises ResultsError for one that breaks the rules of `RunRecord`."""
        return validate(RunRecord, self.record, str(self.path / RECORD_NAME), error=ResultsError)

    def __repr__(self) -> str:
        datasets, protocols = (", ".join(self.record.get(name, {})) for name in ("datasets", "protocols"))
        model, scale = self.record.get("model", {}).get("spec"), self.record.get("scale")
        return f"Run of {model} ×{scale} on {datasets} under {protocols}: {len(self.scores)} scores in {self.path}"


def to_frame(rows: list[Row]) -> pd.DataFrame:
    """Return the score table of rows: every column of `SCHEMA` in order, then one per further metric in the rows."""
    frame: pd.DataFrame = _to_table(rows).to_pandas()
    return frame


def row_id(row: Mapping[str, object]) -> RowId:
    """The `RowId` of a row."""
    return str(row["dataset"]), str(row["protocol"]), str(row["image"])


def json_number(value: float | None) -> float | str | None:
    """Return a number for JSON: the text "inf" for infinity, None for a missing value."""
    if value is None or math.isnan(value):
        return None
    return "inf" if math.isinf(value) else value


class RunFolder:
    """The output folder of a run: it has a journal until the run is finished, then the table and the record.

    Opening it continues an unfinished or finished run of the same key; `rows` holds what is already computed, `record`
    is None until it is finished. `facts` are kept in the head of a new journal.

    Raises:
        ResultsError: the folder belongs to a run of another key or holds files that are no run's, its files are
            damaged, or it cannot be written.
    """

    def __init__(self, path: Path, key: Key, *, writer: int = 0, facts: Mapping[str, object] | None = None) -> None:
        self.path, self.key = path, key
        self.rows: list[Row] = []
        self.record: Record | None = None
        with _writing(path):
            if not (path / SCORES_NAME).exists() and not self._finished() and not journals_in(path):
                require_empty(path, else_expected="one of this run", error=ResultsError)
            path.mkdir(parents=True, exist_ok=True)
        columns = [*SCHEMA.names, *cast(Mapping[str, object], key.get("metrics", {}))]
        self._journal = Journal(path, key, versions=_RESUMABLE, columns=columns, writer=writer, facts=facts)
        self.reload()

    def reload(self) -> None:
        """Read the folder again: the rows of all processes, and the record if the run is finished."""
        if self._finished():
            run = read_run(self.path)
            require_key(run.record.get("key"), self.key, self.path)
            self.rows, self.record = _to_rows(run.scores), run.record
        elif (self.path / SCORES_NAME).exists() and not journals_in(self.path) and not self._finished():
            raise ResultsError(
                f"{self.path}: expected {RECORD_NAME} next to {SCORES_NAME}, got the table alone, which "
                "does not say what run it is of; move it away or choose another --output folder"
            )
        else:
            self.rows = self._journal.read()

    @property
    def sources(self) -> list[Record]:
        """The stored facts about the model: the record, or else the heads of the journals."""
        return [self.record] if self.record else self._journal.heads()

    def _finished(self) -> bool:
        return (self.path / RECORD_NAME).exists()

    def append(self, rows: list[Row]) -> None:
        """Write rows to the disk before returning."""
        self._journal.append(rows)
        self.rows.extend(rows)

    def finish(self, record: Record) -> None:
        """Write table and record, each completely or not at all, then delete the journals."""
        with _writing(self.path, "; what is already computed is kept"):
            digest = write_scores(self.path / SCORES_NAME, to_frame(self.rows))
            document = {**record, "key": self.key, "scores_sha256": digest}
            document["crc32"] = checksum(document)
            text = json.dumps(document, indent=1, allow_nan=False) + "\n"
            write_atomic(self.path / RECORD_NAME, text, error=ResultsError)
            self._journal.remove()
        self.record = document


def read_run(path: Path | str) -> Run:
    """Return a finished run, from its folder or from the `scores.parquet` in it.

    Raises:
        ResultsError: no finished run there, or files that are damaged or do not belong together.
    """
    path = Path(path)
    folder = path.parent if path.name == SCORES_NAME else path
    scores, record = folder / SCORES_NAME, folder / RECORD_NAME
    if not scores.exists() or not record.exists():
        state = "an unfinished run (finish it by repeating its command)" if journals_in(folder) else "none"
        raise ResultsError(f"{folder}: expected a finished run ({SCORES_NAME} and {RECORD_NAME}), got {state}")
    try:
        document = json.loads(record.read_text())
        if not isinstance(document, dict):
            raise ValueError("not a JSON object")
        metrics = tuple(document.get("metrics") or ())
        if not all(isinstance(name, str) for name in metrics):
            raise ValueError("metrics are not named by texts")
        frame = read_table(scores, version=document.get("schema_version"), metrics=metrics)
        _require_checksum(document)
    except (OSError, ValueError, KeyError, TypeError, RecursionError, pa.ArrowException) as error:
        raise ResultsError(f"{folder}: expected a complete run, got damaged files ({error}); run it again") from error
    if document.get("scores_sha256") != sha256_of(scores):
        raise ResultsError(f"{folder}: {SCORES_NAME} is not the table that {RECORD_NAME} was written for; run it again")
    run = Run(frame, document, folder)
    _ = run.facts  # refuses a record that breaks the rules
    return run


def write_scores(path: Path, scores: pd.DataFrame) -> str:
    """Write a score table as Parquet, completely or not at all; return its SHA-256. Raises ResultsError."""
    buffer = BytesIO()
    pq.write_table(table_of(scores), buffer)
    write_atomic(path, buffer.getvalue(), error=ResultsError)
    return sha256_of(path)


def read_table(path: Path, *, version: object = SCHEMA_VERSION, metrics: tuple[str, ...] = ()) -> pd.DataFrame:
    """Return the score table in a Parquet file of a schema version; columns added since are null.

    Args:
        metrics: the names of the table's further columns, one per metric that no protocol computes.

    Raises:
        ResultsError: a version that this srbench does not read.
        OSError, ValueError, KeyError, pyarrow.ArrowException: not a score table.
    """
    if not isinstance(version, int) or version not in _ADDED:
        raise ResultsError(
            f"{path}: expected a schema version out of {', '.join(map(str, _ADDED))}, got {version!r}; "
            "read it with the srbench that wrote it"
        )
    table = pq.read_table(path)
    frame: pd.DataFrame = with_all_columns(table, version=version, metrics=metrics).to_pandas()
    return frame


def columns_of(version: int) -> list[str]:
    """Return the names of the columns that a score table of this schema version has, in order."""
    return [name for name in SCHEMA.names if name not in _ADDED[version]]


def with_all_columns(table: pa.Table, *, version: int, metrics: Iterable[str] = ()) -> pa.Table:
    """Return a score table of this schema version with the columns of `schema_with(metrics)`; new ones are null.

    Raises:
        KeyError, pyarrow.ArrowException: a column is missing or has another type.
    """
    for name in _ADDED[version]:
        table = table.append_column(name, pa.nulls(len(table), SCHEMA.field(name).type))
    schema = schema_with(metrics)
    return table.select(schema.names).cast(schema)


def mean(values: pd.Series[float]) -> float | None:
    """Return the mean of a column of scores; None if one is missing, +inf if one is infinite."""
    if values.isna().any() or values.empty:
        return None
    return float(values.mean())


def table_of(scores: pd.DataFrame) -> pa.Table:
    """Return a score table as Arrow data. Columns that `SCHEMA` lacks are scores of further metrics."""
    return pa.Table.from_pandas(scores, schema=schema_with(scores.columns), preserve_index=False)


def schema_with(names: Iterable[str]) -> pa.Schema:
    """Return `SCHEMA` with one more float64 column for each other name: metrics that no protocol computes."""
    further = dict.fromkeys(name for name in names if name not in SCHEMA.names)
    return pa.schema([*SCHEMA, *((name, pa.float64()) for name in further)])


def _to_table(rows: list[Row]) -> pa.Table:
    schema = schema_with(name for row in rows for name in row)
    return pa.Table.from_pylist([{name: row.get(name) for name in schema.names} for row in rows], schema=schema)


def _to_rows(frame: pd.DataFrame) -> list[Row]:
    rows: list[Row] = table_of(frame).to_pylist()
    return rows


def _require_checksum(document: Record) -> None:
    """Raise ValueError if the record was changed after it was written."""
    rest = {name: value for name, value in document.items() if name != "crc32"}
    if document.get("schema_version", 0) in range(_CHECKED_SINCE) and rest == document:
        return
    if document.get("crc32") != checksum(rest):
        raise ValueError(f"the checksum of {RECORD_NAME} does not match")


@contextmanager
def _writing(path: Path, kept: str = "") -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ResultsError(f"{explain(error, path)}{kept}") from error
