"""Read submissions from their folders; every byte of them comes from an untrusted author."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import cast

import pandas as pd
import pyarrow as pa

from srbench.errors import SubmissionError
from srbench.records.fields import EntryId
from srbench.records.messages import shown
from srbench.records.record_model import PlainRecord, validate, validate_field
from srbench.records.submission import SubmissionRecord
from srbench.records.verification import LEVELS, VERIFIED_VERSION, VerificationRecord, VerifiedList
from srbench.scores import SCORES_NAME, Row
from srbench.submissions.confusables import skeleton
from srbench.submissions.crops import SAMPLES_NAME, check_sample, read_samples, sample_scales, samples_hash
from srbench.submissions.dates import require_past
from srbench.submissions.score_rows import check_rows, count_rows, metric_names
from srbench.submissions.untrusted_files import (
    MAX_JSON_BYTES,
    MAX_TABLE_BYTES,
    parse_json,
    printable_name,
    read_bytes,
    read_table,
)

DOCUMENT_NAME, VERIFICATION_NAME, VERIFIED_NAME = "submission.json", "verification.json", "verified.json"

_MAX_LIST_BYTES = 64 << 20


@dataclass(frozen=True)
class Submission:
    """One checked entry.

    Attributes:
        record: `submission.json` as typed data.
        document: the same as plain values, as they are in the file.
        level: "claimed", unless `verification` is listed by the maintainers and was made from these bytes.
        checked_sha256: hash of `submission.json` and `scores.parquet`.
        digest: hash of everything that a page can show of the entry, level and samples included.
        samples: file names of the sample crops; `samples_sha256` is their hash, None without any.
    """

    record: SubmissionRecord
    document: PlainRecord
    folder: Path
    level: str
    verification: VerificationRecord | None
    checked_sha256: str
    digest: str
    samples: tuple[str, ...] = ()
    samples_sha256: str | None = None

    @property
    def id(self) -> str:
        """The entry's id, which is also the name of its folder."""
        return self.record.id

    @property
    def title(self) -> str:
        """The entry's name on pages."""
        return self.record.title

    @property
    def samples_verified(self) -> bool:
        """Whether the verification reproduced exactly these samples."""
        return bool(self.samples and self.verification and self.verification.samples_sha256 == self.samples_sha256)

    @property
    def scores(self) -> pd.DataFrame:
        """The score table with the columns of `srbench.scores.SCHEMA` and of further metrics.

        It is read from the file on each access.

        Raises:
            SubmissionError: the file has changed since the entry was read.
        """
        frame: pd.DataFrame = self._table().to_pandas()
        return frame

    def rows(self) -> list[Row]:
        """Return the score table row by row, which is ten times as fast as `scores` for small tables."""
        rows: list[Row] = self._table().to_pylist()
        return rows

    def _table(self) -> pa.Table:
        data = read_bytes(self.folder / SCORES_NAME, limit=MAX_TABLE_BYTES)
        _require_hash(data, self.record)
        return read_table(data, rows=count_rows(self.record), metrics=metric_names(self.record))


@dataclass(frozen=True)
class Problem:
    """An entry that was left out: its folder's name as short printable ASCII, and the reason."""

    id: str
    message: str


@dataclass(frozen=True)
class FoundSubmissions:
    """The entries of a submissions folder in the order of their ids, and the problems of those that were left out."""

    entries: list[Submission]
    problems: list[Problem]


def read_submission(folder: Path, *, verified: VerifiedList | None = None, trusted: Container[str] = ()) -> Submission:
    """Read one entry from its folder.

    Args:
        verified: the maintainers' list; without it, `verified.json` next to the folder is read.
        trusted: digests of entries that were checked before; their tables are not checked again.

    Raises:
        SubmissionError: anything that `srbench submit` would not have written.
    """
    try:
        return _read(folder, read_verified(folder.parent) if verified is None else verified, trusted)
    except OSError as error:
        raise SubmissionError(f"expected a readable entry, got {error.strerror or error}") from error


def require_readable(folder: Path) -> None:
    """Raise SubmissionError unless everything in an entry's folder can be read."""
    entry = _read(folder, NOTHING_VERIFIED, ())
    len(entry.scores)
    read_samples(folder / SAMPLES_NAME)


def read_submissions(
    root: Path, *, trusted: Container[str] = (), vet: Callable[[Path], None] | None = None
) -> FoundSubmissions:
    """Read every entry of a submissions folder; broken entries and look-alikes become problems.

    Args:
        trusted: digests of entries that were checked before; their tables are not checked again.
        vet: called with each entry's folder before it is read here; raises SubmissionError for one to leave out.

    Raises:
        SubmissionError: there is no such folder.
    """
    require_folder(root)
    problems: list[Problem] = []
    try:
        verified = read_verified(root)
    except SubmissionError as error:
        verified = NOTHING_VERIFIED
        problems.append(Problem(VERIFIED_NAME, f"{error}; every entry shows as claimed"))
    entries: list[Submission] = []
    for folder in _folders(root):
        try:
            if vet is not None:
                vet(folder)
            entries.append(read_submission(folder, verified=verified, trusted=trusted))
        except SubmissionError as error:
            problems.append(Problem(printable_name(folder.name), str(error)))
        except Exception as error:  # noqa: BLE001 (whatever one entry raises, the others must be read)
            problems.append(Problem(printable_name(folder.name), unexpected(error)))
    kept, look_alikes = _without_look_alikes(entries)
    return FoundSubmissions(kept, problems + look_alikes)


def unexpected(error: Exception) -> str:
    """Return one line about an unexpected error, as short printable text."""
    return f"expected a readable entry, got {type(error).__name__} ({shown(str(error))}); make it with srbench submit"


def require_folder(root: Path) -> None:
    """Raise SubmissionError unless `root` is a folder."""
    if not root.is_dir():
        raise SubmissionError(f"{root}: expected a folder of submissions, got none; check --submissions")


NOTHING_VERIFIED = VerifiedList(schema_version=VERIFIED_VERSION, entries={})
"""The maintainers' list of a folder without any."""


def read_verified(root: Path) -> VerifiedList:
    """Read the maintainers' list of verifications next to the entries; it is empty where there is no file.

    Raises:
        SubmissionError: the list is damaged.
    """
    path = root / VERIFIED_NAME
    if not os.path.lexists(path):
        return NOTHING_VERIFIED
    document = parse_json(read_bytes(path, limit=_MAX_LIST_BYTES), VERIFIED_NAME)
    return validate(VerifiedList, document, VERIFIED_NAME, error=SubmissionError)


def checked_hash(document: bytes, table: bytes) -> str:
    """Return the hash of the files that a verification is about: `submission.json` and `scores.parquet`."""
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


def _read(folder: Path, verified: VerifiedList, trusted: Container[str]) -> Submission:
    validate_field(EntryId, folder.name, "the folder's name", error=SubmissionError)
    if folder.is_symlink() or not folder.is_dir():
        raise SubmissionError("expected a folder, got a link or a file")
    files = _read_files(folder)
    document = parse_json(files.document, DOCUMENT_NAME)
    record = validate(SubmissionRecord, document, DOCUMENT_NAME, error=SubmissionError)
    verification = _trusted_verification(folder.name, files, verified)
    level = verification.level if verification else LEVELS[0]
    digest = files.digest(level)
    if digest not in trusted:
        _check(record, files, folder.name)
        if level == LEVELS[0]:  # The date of a verified entry was checked before; a slow clock must not hide the entry.
            _require_past_dates(record)
    return Submission(
        record,
        cast(PlainRecord, document),
        folder,
        level,
        verification,
        files.checked_sha256,
        digest,
        tuple(files.samples),
        files.samples_sha256,
    )


def _check(record: SubmissionRecord, files: _Files, name: str) -> None:
    if record.id != name:
        raise SubmissionError(f"{DOCUMENT_NAME}: expected the folder's name as id, got {shown(record.id)}")
    _require_hash(files.table, record)
    check_rows(read_table(files.table, rows=count_rows(record), metrics=metric_names(record)), record)
    scales = {run.scale for run in record.runs}
    for scale in sample_scales(files.samples):
        if scale not in scales:
            raise SubmissionError(
                f"{SAMPLES_NAME}: expected scores at ×{scale} for crops of that scale, got none; "
                "leave the crops out, or submit such a run too"
            )
    for sample, data in files.samples.items():
        check_sample(data, sample)


def _require_past_dates(record: SubmissionRecord) -> None:
    require_past(record.date, f"{DOCUMENT_NAME}.date")
    for index, run in enumerate(record.runs):
        require_past(run.started, f"{DOCUMENT_NAME}.runs[{index}].started")


def _read_files(folder: Path) -> _Files:
    require_known_files(folder)
    has_verification = os.path.lexists(folder / VERIFICATION_NAME)
    return _Files(
        document=read_bytes(folder / DOCUMENT_NAME, limit=MAX_JSON_BYTES),
        table=read_bytes(folder / SCORES_NAME, limit=MAX_TABLE_BYTES),
        verification=read_bytes(folder / VERIFICATION_NAME, limit=MAX_JSON_BYTES) if has_verification else None,
        samples=read_samples(folder / SAMPLES_NAME),
    )


def require_known_files(folder: Path) -> None:
    """Raise SubmissionError where an entry's folder holds anything other than the files of an entry."""
    known = {DOCUMENT_NAME, SCORES_NAME, VERIFICATION_NAME, SAMPLES_NAME}
    if unknown := sorted(entry.name for entry in os.scandir(folder) if entry.name not in known):
        raise SubmissionError(
            f"expected only {', '.join(sorted(known))}, got {shown(unknown[0])}; archives and other files are not taken"
        )


def _trusted_verification(name: str, files: _Files, verified: VerifiedList) -> VerificationRecord | None:
    """Return the entry's verification if the maintainers list it with a hash of exactly these bytes."""
    listed = verified.entries.get(name)
    if files.verification is None or listed is None:
        return None
    if hashlib.sha256(files.verification).hexdigest() != listed.sha256:
        return None
    document = parse_json(files.verification, VERIFICATION_NAME)
    if isinstance(document, dict) and document.get("schema_version") == 1:
        document = {**document, "samples_sha256": None}
    record = validate(VerificationRecord, document, VERIFICATION_NAME, error=SubmissionError)
    covers = (record.id, record.level, record.checked_sha256) == (name, listed.level, files.checked_sha256)
    return record if covers else None


def _require_hash(table: bytes, record: SubmissionRecord) -> None:
    if hashlib.sha256(table).hexdigest() != record.scores_sha256:
        raise SubmissionError(
            f"{SCORES_NAME}: expected the table whose hash {DOCUMENT_NAME} gives, got another; "
            "make the entry again with srbench submit"
        )


def _folders(root: Path) -> Iterator[Path]:
    for entry in sorted(os.scandir(root), key=lambda entry: entry.name):
        if not entry.name.startswith(".") and (entry.is_dir(follow_symlinks=False) or entry.is_symlink()):
            yield root / entry.name


def _without_look_alikes(entries: list[Submission]) -> tuple[list[Submission], list[Problem]]:
    """Keep only one of several entries whose ids look alike: the one with the highest verification, then the oldest.

    Of claimed entries none is kept: their authors also write the dates, so nothing shows which one is the original.
    """
    groups: dict[str, list[Submission]] = {}
    for entry in sorted(entries, key=lambda entry: (-LEVELS.index(entry.level), entry.record.date, entry.id)):
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
    message = f"expected an id that looks different from the others, got one that looks like {other.id!r}"
    if entry.level == other.level == LEVELS[0]:
        return Problem(entry.id, f"{message}; neither is verified, so both are left out: one has to choose another")
    return Problem(entry.id, f"{message}; choose another")
