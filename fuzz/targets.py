"""The targets: a stranger's bytes go in, and a value or a message comes out, never another exception."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from fuzz.readers import READERS
from srbench.errors import SrbenchError
from srbench.submissions import read_submission
from srbench.submissions.untrusted_files import read_table
from srbench.zoo.reading import read_checkpoint

SEPARATOR = b"\n--- scores.parquet ---\n"
"""Between the two files of a submission in one input."""

_FOLDER = Path(tempfile.mkdtemp(prefix="srbench-fuzz-"))


def submission(data: bytes) -> None:
    """`submission.json` and `scores.parquet` of an entry, joined by `SEPARATOR`."""
    document, _, table = data.partition(SEPARATOR)
    folder = _FOLDER / "net-00000"
    folder.mkdir(exist_ok=True)
    (folder / "submission.json").write_bytes(document)
    (folder / "scores.parquet").write_bytes(table)
    try:
        entry = read_submission(folder)
    except SrbenchError as error:
        _require_plain(str(error))
    else:
        len(entry.scores)
    try:
        read_table(table, rows=10)  # past the hash, which stops whatever does not know it
    except SrbenchError as error:
        _require_plain(str(error))


def checkpoint(data: bytes) -> None:
    """A checkpoint file of any kind."""
    path = _FOLDER / "checkpoint"
    path.write_bytes(data)
    try:
        read_checkpoint(path)
    except SrbenchError as error:
        _require_plain(str(error))


def _require_plain(message: str) -> None:
    """A message goes to terminals and pages: hostile bytes must not reach them raw, nor at any length."""
    if len(message) > 4000 or any(ord(letter) < 32 and letter not in "\n\t" for letter in message):
        raise AssertionError(f"a message that is too long or holds control characters: {message[:200]!r}")


def _of_kind(kind: str) -> Callable[[bytes], None]:
    """Return the target of a reader in `READERS`."""

    def target(data: bytes) -> None:
        try:
            READERS[kind](data, _FOLDER)
        except SrbenchError as error:
            _require_plain(str(error))

    return target


TARGETS: dict[str, Callable[[bytes], None]] = {
    "submission": submission,
    "checkpoint": checkpoint,
    **{kind: _of_kind(kind) for kind in ("table", "picture", "sample", "run", "entry", "study", "unpacking")},
}
"""By the name of the corpus folder."""
