"""Submissions as they lie in a folder, read as what they are: documents of strangers."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Container, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from srbench.errors import SubmissionError
from srbench.scores import SCORES_NAME, Row
from srbench.submissions.ids import skeleton
from srbench.submissions.kinds import require_come, shown
from srbench.submissions.reading import MAX_JSON_BYTES, MAX_TABLE_BYTES, parse_json, read_bytes, read_table
from srbench.submissions.rows import check_rows, expected_cells
from srbench.submissions.samples import SAMPLES_NAME, SCALE, check_sample, read_samples, samples_hash
from srbench.submissions.schema import ID, LEVELS, SUBMISSION, VERIFICATION, VERIFIED

DOCUMENT_NAME, VERIFICATION_NAME, VERIFIED_NAME = "submission.json", "verification.json", "verified.json"

Verified = dict[str, dict[str, str]]
"""By id: the level and the hash of the `verification.json` that the maintainers wrote."""


@dataclass(frozen=True)
class Submission:
    """One entry, checked: `document` keeps to the schema and the table to the document.

    `level` is "claimed" unless `verification` is one that the maintainers' list names and that was made of these
    bytes. `checked_sha256` is the hash of `submission.json` and `scores.parquet`; `digest` of everything that a page
    can show of the entry: level and samples too. `samples_sha256` is the hash of the samples, where there are any.
    """

    id: str
    title: str
    document: dict[str, Any]
    folder: Path
    level: str
    verification: dict[str, Any] | None
    checked_sha256: str
    digest: str
    samples: tuple[str, ...] = ()
    samples_sha256: str | None = None

    @property
    def samples_verified(self) -> bool:
        """Whether the verification made these very samples again."""
        return bool(self.samples and self.verification and self.verification["samples_sha256"] == self.samples_sha256)

    @property
    def scores(self) -> pd.DataFrame:
        """The score table, read anew each time, with the columns of `srbench.scores.SCHEMA`.

        Raises:
            SubmissionError: the file is no longer the one that the document was read with.
        """
        frame: pd.DataFrame = self._table().to_pandas()
        return frame

    def rows(self) -> list[Row]:
        """The same as `scores`, row by row: for small tables ten times as fast."""
        rows: list[Row] = self._table().to_pylist()
        return rows

    def _table(self) -> pa.Table:
        data = read_bytes(self.folder / SCORES_NAME, limit=MAX_TABLE_BYTES)
        _require_hash(data, self.document)
        return read_table(data, rows=_row_count(self.document))


@dataclass(frozen=True)
class Problem:
    """An entry that was left out: its folder's name as short printable ASCII, and why."""

    id: str
    message: str


@dataclass(frozen=True)
class Collection:
    """The entries of a submissions folder by id, and what could not be read."""

    entries: list[Submission]
    problems: list[Problem]


def read_submission(folder: Path, *, verified: Verified | None = None, trusted: Container[str] = ()) -> Submission:
    """One entry from its folder.

    Args:
        verified: the maintainers' list; read from `verified.json` beside the folder where it is not given.
        trusted: digests of entries that were read before: their tables are not looked into again.

    Raises:
        SubmissionError: anything that is not as `srbench submit` writes it.
    """
    try:
        return _read(folder, read_verified(folder.parent) if verified is None else verified, trusted)
    except OSError as error:
        raise SubmissionError(f"expected a readable entry, got {error.strerror or error}") from error


def read_submissions(root: Path, *, trusted: Container[str] = ()) -> Collection:
    """Every entry of a submissions folder, in the order of ids; broken ones and look-alikes become problems.

    Raises:
        SubmissionError: no such folder.
    """
    require_folder(root)
    problems: list[Problem] = []
    try:
        verified = read_verified(root)
    except SubmissionError as error:
        verified = {}
        problems.append(Problem(VERIFIED_NAME, f"{error}; every entry shows as claimed"))
    entries: list[Submission] = []
    for folder in _folders(root):
        try:
            entries.append(read_submission(folder, verified=verified, trusted=trusted))
        except SubmissionError as error:
            problems.append(Problem(harmless(folder.name), str(error)))
    kept, look_alikes = _without_look_alikes(entries)
    return Collection(kept, problems + look_alikes)


def require_folder(root: Path) -> None:
    """Raises SubmissionError unless there is a folder of submissions at `root`."""
    if not root.is_dir():
        raise SubmissionError(f"{root}: expected a folder of submissions, got none; check --submissions")


def read_verified(root: Path) -> Verified:
    """The maintainers' list of verifications beside the entries; empty where there is none.

    Raises:
        SubmissionError: a list that is damaged.
    """
    path = root / VERIFIED_NAME
    if not os.path.lexists(path):
        return {}
    document = parse_json(read_bytes(path, limit=64 << 20), VERIFIED_NAME)
    VERIFIED.check(document, VERIFIED_NAME)
    entries: Verified = document["entries"]
    return entries


def checked_hash(document: bytes, table: bytes) -> str:
    """The hash of what a verification is made of: `submission.json` and `scores.parquet`."""
    return hashlib.sha256(hashlib.sha256(document).digest() + hashlib.sha256(table).digest()).hexdigest()


@dataclass(frozen=True)
class _Files:
    """The bytes of an entry."""

    document: bytes
    table: bytes
    verification: bytes | None
    samples: dict[str, bytes]

    @cached_property
    def checked_sha256(self) -> str:
        return checked_hash(self.document, self.table)

    @cached_property
    def samples_sha256(self) -> str | None:
        return samples_hash(self.samples) if self.samples else None

    def digest(self, level: str) -> str:
        digest = hashlib.sha256(f"{self.checked_sha256} {level}\n".encode())
        digest.update(self.verification if self.verification and level != LEVELS[0] else b"")
        digest.update(f"\n{self.samples_sha256}".encode())
        return digest.hexdigest()


def _read(folder: Path, verified: Verified, trusted: Container[str]) -> Submission:
    ID.check(folder.name, "the folder's name")
    if folder.is_symlink() or not folder.is_dir():
        raise SubmissionError("expected a folder, got a link or a file")
    files = _read_files(folder)
    document = parse_json(files.document, DOCUMENT_NAME)
    verification = _trusted_verification(folder.name, files, verified)
    level = verification["level"] if verification else LEVELS[0]
    digest = files.digest(level)
    if digest not in trusted:
        _check(document, files, folder.name)
        if level == LEVELS[0]:  # the days of a verified one had come: no clock that is behind hides what was published
            require_come(document["date"], f"{DOCUMENT_NAME}.date")
            for index, run in enumerate(document["runs"]):
                require_come(run["started"], f"{DOCUMENT_NAME}.runs[{index}].started")
    return Submission(
        document["id"],
        document["title"],
        document,
        folder,
        level,
        verification,
        files.checked_sha256,
        digest,
        tuple(files.samples),
        files.samples_sha256,
    )


def _check(document: Any, files: _Files, name: str) -> None:
    SUBMISSION.check(document, DOCUMENT_NAME)
    if document["id"] != name:
        raise SubmissionError(f"{DOCUMENT_NAME}: expected the folder's name as id, got {shown(document['id'])}")
    _require_hash(files.table, document)
    check_rows(read_table(files.table, rows=_row_count(document)), document)
    if files.samples and all(run["scale"] != SCALE for run in document["runs"]):
        raise SubmissionError(
            f"{SAMPLES_NAME}: expected scores at ×{SCALE} beside crops of that scale, got none; "
            "leave the crops out, or submit such a run too"
        )
    for sample, data in files.samples.items():
        check_sample(data, sample)


def _read_files(folder: Path) -> _Files:
    require_known_files(folder)
    brought = os.path.lexists(folder / VERIFICATION_NAME)
    return _Files(
        document=read_bytes(folder / DOCUMENT_NAME, limit=MAX_JSON_BYTES),
        table=read_bytes(folder / SCORES_NAME, limit=MAX_TABLE_BYTES),
        verification=read_bytes(folder / VERIFICATION_NAME, limit=MAX_JSON_BYTES) if brought else None,
        samples=read_samples(folder / SAMPLES_NAME),
    )


def require_known_files(folder: Path) -> None:
    """Raises SubmissionError where an entry's folder holds anything but the files of an entry."""
    known = {DOCUMENT_NAME, SCORES_NAME, VERIFICATION_NAME, SAMPLES_NAME}
    if strange := sorted(entry.name for entry in os.scandir(folder) if entry.name not in known):
        raise SubmissionError(
            f"expected only {', '.join(sorted(known))}, got {shown(strange[0])}; archives and other files are not taken"
        )


def _trusted_verification(name: str, files: _Files, verified: Verified) -> dict[str, Any] | None:
    """The entry's verification if the maintainers wrote it and it is of these bytes; anybody can write another."""
    listed = verified.get(name)
    if files.verification is None or listed is None:
        return None
    if hashlib.sha256(files.verification).hexdigest() != listed["sha256"]:
        return None
    document: dict[str, Any] = parse_json(files.verification, VERIFICATION_NAME)
    if isinstance(document, dict) and document.get("schema_version") == 1:
        document = {**document, "samples_sha256": None}
    VERIFICATION.check(document, VERIFICATION_NAME)
    fits = (document["id"], document["level"], document["checked_sha256"]) == (
        name,
        listed["level"],
        files.checked_sha256,
    )
    return document if fits else None


def _require_hash(table: bytes, document: dict[str, Any]) -> None:
    if hashlib.sha256(table).hexdigest() != document["scores_sha256"]:
        raise SubmissionError(
            f"{SCORES_NAME}: expected the table whose hash {DOCUMENT_NAME} gives, got another; "
            "make the entry again with srbench submit"
        )


def _row_count(document: dict[str, Any]) -> int:
    return sum(count for count, _, _ in expected_cells(document).values())


def _folders(root: Path) -> Iterator[Path]:
    for entry in sorted(os.scandir(root), key=lambda entry: entry.name):
        if not entry.name.startswith(".") and (entry.is_dir(follow_symlinks=False) or entry.is_symlink()):
            yield root / entry.name


def harmless(name: str) -> str:
    """The name of a stranger's file or folder as a message may show it: short printable ASCII."""
    return re.sub(r"[^A-Za-z0-9._-]", "?", name)[:64]


def _without_look_alikes(entries: list[Submission]) -> tuple[list[Submission], list[Problem]]:
    """Of entries that look alike the one that is verified highest stays, then the older; of claimed ones none.

    Whoever writes a claimed entry writes its date too, so that nothing tells the first from one that imitates it.
    """
    groups: dict[str, list[Submission]] = {}
    for entry in sorted(entries, key=lambda entry: (-LEVELS.index(entry.level), entry.document["date"], entry.id)):
        groups.setdefault(skeleton(entry.id), []).append(entry)
    kept: list[Submission] = []
    problems: list[Problem] = []
    for first, *others in groups.values():
        if not others or first.level != LEVELS[0]:
            kept.append(first)
            problems += [_look_alike(other, first) for other in others]
        else:
            problems += [_look_alike(first, others[0]), *(_look_alike(other, first) for other in others)]
    return sorted(kept, key=lambda entry: entry.id), sorted(problems, key=lambda problem: problem.id)


def _look_alike(entry: Submission, other: Submission) -> Problem:
    message = f"expected an id unlike the others, got one that looks like {other.id!r}"
    if entry.level == other.level == LEVELS[0]:
        return Problem(entry.id, f"{message}; neither is verified, so both are left out: one has to choose another")
    return Problem(entry.id, f"{message}; choose another")
