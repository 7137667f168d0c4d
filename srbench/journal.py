"""Write and read the journal of an unfinished run: one line per row, synced to disk and with a checksum.

The first line of each file says which run it belongs to. Every line ends with a checksum of its content, so that
neither an incomplete line nor a changed digit is taken for a score.
"""

from __future__ import annotations

import json
import math
import os
import zlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from srbench.errors import ResultsError
from srbench.files import explain, write_atomic
from srbench.spec_paths import without_folders

JOURNAL_NAME = "journal.jsonl"
"""The journal of a process that works alone, and of the first of several."""

Row = dict[str, object]
"""One line of the score table, by column name."""

Key = dict[str, object]
"""What identifies a run: only a run with an equal key may continue a folder."""

_CHECKSUM = "crc32"


class Journal:
    """The journals in a run's folder: those of all processes are read, this process writes one of them.

    Args:
        versions: the layouts of rows that can be resumed; new journals are written in the last one.
        columns: the names that a row may have.
        writer: 0 for a process that works alone, or its number among those that share the folder.
        facts: further content of the head of a new journal; it does not decide which run the journal belongs to.

    Raises:
        ResultsError: a journal of another key, a damaged line, or a folder that cannot be written.
    """

    def __init__(
        self,
        folder: Path,
        key: Key,
        *,
        versions: Sequence[int],
        columns: Iterable[str],
        writer: int = 0,
        facts: Mapping[str, object] | None = None,
    ) -> None:
        self._folder, self._key, self._versions, self._columns = folder, key, versions, frozenset(columns)
        self._facts = facts or {}
        self._own = folder / (f"journal-{writer}.jsonl" if writer else JOURNAL_NAME)
        self._has_rows = False
        self._mend()

    def read(self) -> list[Row]:
        """Return the rows of all processes that are completely written; an incomplete last line is left out."""
        return [_from_json(row) for path in journals_in(self._folder) for row in self._documents(path)[1:]]

    def heads(self) -> list[dict[str, object]]:
        """Return the first lines of the journals of all processes."""
        return [documents[0] for path in journals_in(self._folder) if (documents := self._documents(path))]

    def append(self, rows: Iterable[Row]) -> None:
        """Write rows to the disk before returning."""
        if not self._own.exists():
            head = {**self._facts, "key": self._key, "schema_version": self._versions[-1]}
            write_atomic(self._own, _line(head), error=ResultsError)
        try:
            size = self._own.stat().st_size
            with self._own.open("ab") as file:
                file.write(b"".join(_line({**row, **_special(row)}) for row in rows))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            with suppress(OSError):
                os.truncate(self._own, size)  # an incomplete line must not be followed by other lines
            kept = "; what is already computed is kept" if self._has_rows else ""
            raise ResultsError(f"{explain(error, self._own)}{kept}") from error
        self._has_rows = True

    def remove(self) -> None:
        """Delete all journals of the folder after their rows are in the table."""
        for path in journals_in(self._folder):
            path.unlink(missing_ok=True)

    def _mend(self) -> None:
        """Remove an incomplete last line, left by a killed process; write a head without rows again."""
        try:
            data = self._own.read_bytes()
            self._has_rows = data.count(b"\n") > 1
            whole = data.rfind(b"\n") + 1
            if not self._has_rows:
                self._own.unlink()
            elif whole < len(data):
                os.truncate(self._own, whole)
        except FileNotFoundError:
            return
        except OSError as error:
            raise ResultsError(f"{explain(error, self._own)}; what is already computed is kept") from error

    def _documents(self, path: Path) -> list[dict[str, object]]:
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return []  # another process has just written the table
        except OSError as error:
            raise ResultsError(
                f"{path}: expected a readable journal, got {error.strerror}; check its permissions, or "
                "remove the folder and run again"
            ) from error
        lines = data[: data.rfind(b"\n") + 1].splitlines()
        documents = [_parse(line, number, path) for number, line in enumerate(lines, start=1)]
        if documents:
            require_key(documents[0].get("key"), self._key, self._folder)
            if documents[0].get("schema_version") not in self._versions:
                raise ResultsError(
                    f"{self._folder}: its journal was begun by another version of srbench, whose rows "
                    "lack columns; finish it with that one, or remove the folder and run again"
                )
        for number, document in enumerate(documents[1:], start=2):
            if not set(document) <= self._columns:
                raise ResultsError(f"{path}: line {number} is not a score row; remove the folder and run again")
        return documents


def journals_in(folder: Path) -> list[Path]:
    """The journal files of a run's folder."""
    return sorted(folder.glob("journal*.jsonl"))


def require_key(found: object, wanted: Key, path: Path) -> None:
    """Raise ResultsError, naming each difference, unless the key found at `path` is the wanted one."""
    if not isinstance(found, dict):
        raise ResultsError(f"{path}: expected a run's key, got none; remove the folder and run again")
    # The same model may have another path; the hashes of its files and the probe decide whether it is the same.
    there, now = ({**key, "model": without_folders(str(key.get("model")))} for key in (found, wanted))
    differences = [f"{name}: {found.get(name)!r} there, {wanted.get(name)!r} now" for name in differing(there, now)]
    if differences:
        raise ResultsError(f"{path} holds another run ({'; '.join(differences)}); choose another --output folder")


def differing(first: Mapping[str, object], second: Mapping[str, object]) -> list[str]:
    """Return the names whose values differ between two mappings; a missing name counts as None."""
    return [name for name in {**first, **second} if first.get(name) != second.get(name)]


def checksum(document: Mapping[str, object]) -> str:
    """Return CRC-32 (hex) of a JSON document; the order of its keys does not matter."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return f"{zlib.crc32(text.encode()):08x}"


def _line(document: Mapping[str, object]) -> bytes:
    return json.dumps({**document, _CHECKSUM: checksum(document)}, allow_nan=False).encode() + b"\n"


def _special(row: Row) -> Row:
    """Return a row with its infinite values as text, which JSON can hold."""
    return {name: "inf" for name, value in row.items() if isinstance(value, float) and math.isinf(value)}


def _from_json(document: Row) -> Row:
    return {name: math.inf if value == "inf" and name.startswith("psnr") else value for name, value in document.items()}


def _parse(line: bytes, number: int, path: Path) -> dict[str, object]:
    try:
        document = json.loads(line)
        if not isinstance(document, dict):
            raise ValueError("not a JSON object")
        found = document.pop(_CHECKSUM, None)
        if found is None:
            raise ValueError("it has no checksum: its end is lost, or another version of srbench wrote it")
        if found != checksum(document):
            raise ValueError("its checksum does not match")
    except (ValueError, RecursionError) as error:
        raise ResultsError(f"{path}: line {number} is damaged ({error}); remove the folder and run again") from error
    return document
