"""Finished trainings as pieces of a limited size, for machines that return only a few small files.

Each training becomes one archive, split into pieces `NAME.001.part`, `NAME.002.part` and so on. `pack.json` lists the
archives, the pieces and their hashes. It is written again after each training, so a process that is killed loses only
the trainings that were running.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated

from srbench.errors import TrainingError
from srbench.files import sha256_of, write_atomic
from srbench.records.fields import AtLeast, OneOf
from srbench.records.record_model import Items, RecordModel, validate
from srbench.training.folder import CHECKPOINT, CURVES
from srbench.training.job import Job
from srbench.training.own_networks import build_network
from srbench.training.records import LOG, RECORD, WEIGHTS, with_checksum
from srbench.zoo.checkpoints import halved, with_record
from srbench.zoo.reading import RECORD_KEY, read_checkpoint

MANIFEST = "pack.json"
"""The list of archives and pieces in the folder of a pack."""

VERSION = 1
"""Version of the layout of `pack.json`."""

PIECE_SIZE = 16 * 2**20
"""The largest size of a piece in bytes, unless another one is given."""

_UNITS = {"": 1, "B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_SMALLEST_PIECE = 1024
# Record, log and headers of one archive, at most about this many bytes.
_RECORD_BYTES = 100_000
_ESSENTIAL = (RECORD, WEIGHTS, LOG)


class Piece(RecordModel):
    """One file of a pack."""

    name: str
    size: Annotated[int, AtLeast(0)]
    sha256: str


class PackedTraining(RecordModel):
    """One training in a pack: its folder's name (`.` for a single training), and the pieces of its archive in order."""

    name: str
    sha256: str
    pieces: Items[Piece]


class PackManifest(RecordModel):
    """`pack.json`."""

    schema_version: Annotated[int, OneOf((VERSION,))]
    trainings: Items[PackedTraining]


@dataclass(frozen=True)
class Packer:
    """Packs finished trainings into a folder.

    `piece_size` is the largest size of a file in bytes. With `total`, the largest size of all files together, weights
    are stored in float16, with record and log alone.
    """

    folder: Path
    piece_size: int = PIECE_SIZE
    total: int | None = None

    def __post_init__(self) -> None:
        if self.piece_size < _SMALLEST_PIECE:
            raise TrainingError(f"--pack-size: expected at least {_SMALLEST_PIECE} bytes, got {self.piece_size}")

    def require_space(self, jobs: Sequence[Job]) -> None:
        """Raise TrainingError, before anything is trained, if the weights of all trainings exceed `total`."""
        if self.total is None:
            return
        needed = sum(2 * _values(job) + _RECORD_BYTES for job in jobs)
        if needed > self.total:
            raise TrainingError(
                f"--pack-total: expected {needed:,} bytes or more for {len(jobs)} trainings in float16, got "
                f"{self.total:,}; give a larger one, or train fewer networks"
            )

    def add(self, training: Path, name: str) -> None:
        """Add the folder of a finished training under a name, or replace it.

        Raises TrainingError for a full disk, or where `total` is exceeded; what was packed before stays complete.
        """
        data = _archive(_small_files(training) if self.total else _all_files(training))
        others = [one for one in self._manifest().trainings if one.name != name]
        used = sum(piece.size for one in others for piece in one.pieces)
        if self.total is not None and used + len(data) > self.total:
            raise TrainingError(
                f"--pack-total: expected at least {len(data):,} free bytes for {training.name}, got "
                f"{self.total - used:,}; it is not packed, and stays in {training}"
            )
        pieces = tuple(self._write(data, name))
        packed = PackedTraining(name=name, sha256=hashlib.sha256(data).hexdigest(), pieces=pieces)
        manifest = PackManifest(schema_version=VERSION, trainings=(*others, packed))
        write_atomic(self.folder / MANIFEST, manifest.model_dump_json(indent=1) + "\n", error=TrainingError)

    def _write(self, data: bytes, name: str) -> Iterator[Piece]:
        stem = "training" if name == "." else name
        for number, start in enumerate(range(0, len(data), self.piece_size), start=1):
            part = data[start : start + self.piece_size]
            path = self.folder / f"{stem}.{number:03}.part"
            write_atomic(path, part, error=TrainingError)
            yield Piece(name=path.name, size=len(part), sha256=hashlib.sha256(part).hexdigest())

    def _manifest(self) -> PackManifest:
        if not (self.folder / MANIFEST).exists():
            return PackManifest(schema_version=VERSION, trainings=())
        return _read_manifest(self.folder)


def parse_size(text: str, option: str) -> int:
    """Return the bytes of a size such as `16MiB`, `60MB` or a plain number. Raises TrainingError for other text.

    Examples:
        >>> parse_size("16MiB", "--pack-size")
        16777216
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)", text.strip())
    if match is None or match[2] not in _UNITS or not float(match[1]):
        raise TrainingError(f"{option}: expected a size such as 16MiB or 60MB, got {text!r}")
    return int(float(match[1]) * _UNITS[match[2]])


def unpack(folder: Path, output: Path) -> list[Path]:
    """Join the pieces of a pack into the folders of its trainings; return these folders.

    All pieces are checked before anything is written. Files with equal content may be there already.

    Raises TrainingError for a missing or damaged piece, which is named, and for a file with other content.
    """
    manifest = _read_manifest(folder)
    if missing := [
        piece.name for one in manifest.trainings for piece in one.pieces if not (folder / piece.name).is_file()
    ]:
        raise TrainingError(f"{folder}: expected every piece of the pack, missing {', '.join(missing)}; copy them here")
    joined = {one.name: _joined(folder, one) for one in manifest.trainings}
    folders = []
    for name, data in joined.items():
        target = output / _safe(name, folder)
        for path, content in _members(data, folder):
            _place(target / path, content)
        folders.append(target)
    return folders


def _read_manifest(folder: Path) -> PackManifest:
    path = folder / MANIFEST
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        found = "no file" if isinstance(error, FileNotFoundError) else str(error)
        raise TrainingError(f"{path}: expected the list of a pack, got {found}; copy the complete folder") from error
    manifest = validate(PackManifest, content, str(path), error=TrainingError)
    for one in manifest.trainings:
        for piece in one.pieces:
            if PurePosixPath(piece.name).name != piece.name or "\\" in piece.name:
                raise TrainingError(f"{path}: expected names of files in its folder, got {piece.name!r}")
    return manifest


def _joined(folder: Path, packed: PackedTraining) -> bytes:
    parts = []
    for piece in packed.pieces:
        part = (folder / piece.name).read_bytes()
        if hashlib.sha256(part).hexdigest() != piece.sha256:
            raise TrainingError(
                f"{folder / piece.name}: expected the piece in pack.json, got different bytes; copy it again"
            )
        parts.append(part)
    data = b"".join(parts)
    if hashlib.sha256(data).hexdigest() != packed.sha256:
        raise TrainingError(
            f"{folder}: expected the archive of {packed.name}, got different bytes; copy the folder again"
        )
    return data


def _members(data: bytes, folder: Path) -> Iterator[tuple[str, bytes]]:
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
            for member in archive:
                stream = archive.extractfile(member) if member.isfile() else None
                if stream is None:
                    raise TrainingError(f"{folder}: expected only files in a pack, got {member.name!r}")
                yield _safe(member.name, folder), stream.read()
    except (tarfile.TarError, OSError, EOFError) as error:
        raise TrainingError(f"{folder}: expected archives of trainings, got {error}; copy the folder again") from error


def _safe(name: str, folder: Path) -> str:
    parts = PurePosixPath(name).parts
    if PurePosixPath(name).is_absolute() or ".." in parts or "\\" in name or ":" in name or len(parts) > 1:
        raise TrainingError(f"{folder}: expected plain names in a pack, got {name!r}")
    return name


def _place(path: Path, content: bytes) -> None:
    if path.exists() and sha256_of(path) != hashlib.sha256(content).hexdigest():
        raise TrainingError(f"{path}: expected no file or an equal one, got different content; choose another --output")
    write_atomic(path, content, error=TrainingError)


def _archive(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def _all_files(training: Path) -> dict[str, bytes]:
    """Return every file of a training except its checkpoint."""
    paths = sorted(path for path in training.iterdir() if path.is_file() and not path.name.startswith("."))
    return {path.name: path.read_bytes() for path in paths if path.name not in (CHECKPOINT, CURVES)}


def _small_files(training: Path) -> dict[str, bytes]:
    """Return record, log and weights in float16; the record names the hash of the float32 weights."""
    files = {name: (training / name).read_bytes() for name in _ESSENTIAL}
    checkpoint = read_checkpoint(training / WEIGHTS)
    record = json.loads(files[RECORD])
    if "float32_sha256" in record:
        return files
    facts = json.loads(checkpoint.metadata.get(RECORD_KEY, "{}"))
    files[WEIGHTS] = with_record(halved(checkpoint.state), facts)
    record |= {"float32_sha256": sha256_of(training / WEIGHTS)}
    record["weights_sha256"] = hashlib.sha256(files[WEIGHTS]).hexdigest()
    files[RECORD] = (json.dumps(with_checksum(record), indent=1, ensure_ascii=False) + "\n").encode()
    return files


def _values(job: Job) -> int:
    network = build_network(job, form=job.form or "unit", device="meta")
    return sum(value.numel() for value in network.state_dict().values())
