"""Unpack untrusted archives: all members are checked first, then all of them are written or none."""

from __future__ import annotations

import lzma
import os
import secrets
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from srbench.errors import FetchError
from srbench.fetch import is_page, require_space
from srbench.files import explain

MAX_FILES = 200_000
"""More members than any dataset here has."""
MAX_DEPTH = 16
"""More nested folders than any dataset here has."""
MAX_NESTED = 200
"""More archives inside one than any dataset here has."""
ARCHIVE_SUFFIXES = (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz")
"""File name endings (lower case) of archives inside archives and folders."""
MAX_BYTES = 64 << 30
"""More unpacked bytes than any dataset here has; an archive may be given less."""
MAX_RATIO = 200
"""Images hardly compress: an archive that grows more than this while unpacking is a bomb."""
_RATIO_FREE_BYTES = 64 << 20
_CHUNK_BYTES = 1 << 20
_BAD = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    ValueError,
    NotImplementedError,
    RuntimeError,
)


@dataclass(frozen=True)
class _Member:
    """A regular file in an archive: its target path, its size according to the header, and a function that opens it."""

    path: PurePosixPath
    size: int
    handle: tarfile.TarInfo | zipfile.ZipInfo


def is_archive(path: Path) -> bool:
    """Whether the file is a zip or tar archive, by its content."""
    return path.is_file() and (zipfile.is_zipfile(path) or tarfile.is_tarfile(path))


def what_instead(path: Path) -> str:
    """Return what a file that is not a readable archive seems to be, and what to do."""
    with path.open("rb") as stream:
        head = stream.read(512)
    size = path.stat().st_size
    if not size:
        return "an empty file; download it again"
    if is_page(head):
        return (
            "an HTML page, which a server sends in place of a file; open the address in a browser, and download again"
        )
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return f"a zip that ends early, after {size} bytes: the download is not complete; download it again"
    if head.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ")):
        return f"a compressed file that holds no tar, or ends early, after {size} bytes; download it again"
    for start, kind in ((b"7z\xbc\xaf\x27\x1c", "a 7z archive"), (b"Rar!", "a RAR archive")):
        if head.startswith(start):
            return f"{kind}; unpack it yourself and import the folder"
    return "another kind of file; give the folder or archive that holds the images"


def unpack_nested(archive: Path, target: Path) -> None:
    """Unpack an archive and the archives in it, each into a folder of its name. The limits apply to the total.

    Raises FetchError as `unpack`, and for more than `MAX_NESTED` archives.
    """
    budget = min(MAX_BYTES, max(_RATIO_FREE_BYTES, MAX_RATIO * archive.stat().st_size))
    waiting, taken = unpack(archive, target, max_bytes=budget), 0
    budget -= sum(path.stat().st_size for path in waiting)
    while waiting:
        inner = waiting.pop()
        if inner.suffix.lower() not in ARCHIVE_SUFFIXES or not is_archive(inner):
            continue
        taken += 1
        if taken > MAX_NESTED:
            raise FetchError(f"{archive}: refused, since it holds more than {MAX_NESTED} archives; unpack it yourself")
        folder = _free_folder(inner)
        found = unpack(inner, folder, max_bytes=budget)
        budget -= sum(path.stat().st_size for path in found)
        inner.unlink()
        waiting += found


def _free_folder(inner: Path) -> Path:
    """Return a free path for the folder that an archive is unpacked to: next to the archive, under its name, if
    possible without its ending.
    """
    name = inner.name
    for suffix in (".gz", ".bz2", ".xz", ".tgz", ".tar", ".zip"):
        name = name[: -len(suffix)] if name.lower().endswith(suffix) else name
    plain = inner.with_name(name or "archive")
    return inner.with_name(f"{inner.name}.unpacked") if plain.exists() else plain


def unpack(archive: Path, target: Path, *, max_bytes: int = MAX_BYTES) -> list[Path]:
    """Unpack a zip or tar archive into the new folder `target`. Return the paths of the files in the archive's order.

    All members are checked before anything is written. Refused are absolute paths, `..`, links, devices, repeated
    names, sizes beyond `max_bytes`, growth beyond `MAX_RATIO` and depth beyond `MAX_DEPTH`. Files are written to a
    folder next to `target`, which is renamed once it is complete. Raises FetchError for a refused or damaged archive;
    then nothing is left on the disk.
    """
    if target.exists():
        raise FetchError(f"{target}: expected a folder that is not there yet, to unpack {archive.name} into; remove it")
    partial = target.with_name(f".{target.name}.{os.getpid()}-{secrets.token_hex(4)}.partial")
    try:
        with _opened(archive) as source:
            members = _checked_members(source, archive, max_bytes)
            target.parent.mkdir(parents=True, exist_ok=True)
            require_space(target.parent, sum(member.size for member in members), f"{archive.name} unpacked")
            for member in members:
                _write(source, member, partial / member.path, archive)
        partial.mkdir(parents=True, exist_ok=True)
        partial.rename(target)
    except _BAD as error:
        raise FetchError(f"{archive}: expected a complete zip or tar archive, got a damaged one ({error})") from error
    except OSError as error:
        raise FetchError(explain(error, target)) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return [target / member.path for member in members]


@contextmanager
def _opened(archive: Path) -> Iterator[tarfile.TarFile | zipfile.ZipFile]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as packed:
            yield packed
    elif tarfile.is_tarfile(archive):
        with tarfile.open(archive) as packed_tar:
            yield packed_tar
    else:
        raise FetchError(f"{archive}: expected a zip or tar archive, got {what_instead(archive)}")


def _checked_members(source: tarfile.TarFile | zipfile.ZipFile, archive: Path, max_bytes: int) -> list[_Member]:
    """Return the regular files of an archive. Raises FetchError for a member that is not safe."""
    limit = min(max_bytes, max(_RATIO_FREE_BYTES, MAX_RATIO * archive.stat().st_size))
    members: dict[str, _Member] = {}
    total = 0
    for count, (name, size, problem, handle) in enumerate(_members_of(source), start=1):
        path = _safe_path(name)
        total += size
        problem = problem or ("a path that leaves the folder" if path is None else None)
        if path and len(path.parts) > MAX_DEPTH:
            problem = f"more than {MAX_DEPTH} nested folders"
        if count > MAX_FILES:
            problem = f"more than {MAX_FILES} members"
        if total > limit:
            problem = f"more than {limit} bytes when unpacked"
        # On many disks two names that differ only in case are one file.
        if path and handle is not None and str(path).lower() in members:
            problem = "a name that comes twice"
        if problem or path is None:
            raise FetchError(f"{archive}: refused, since {name[:80]!r} is {problem}; nothing was unpacked")
        if handle is not None:
            members[str(path).lower()] = _Member(path, size, handle)
    return list(members.values())


def _members_of(
    source: tarfile.TarFile | zipfile.ZipFile,
) -> Iterator[tuple[str, int, str | None, tarfile.TarInfo | zipfile.ZipInfo | None]]:
    """Yield the name, the size, what is wrong with the kind, and a handle (None for folders) of each member."""
    if isinstance(source, tarfile.TarFile):
        for entry in source:
            wrong = None if entry.isdir() or entry.isreg() else _tar_kind(entry)
            yield entry.name, entry.size, wrong, None if entry.isdir() else entry
        return
    for item in source.infolist():
        mode = item.external_attr >> 16
        kind = stat.S_IFMT(mode)
        wrong = "a link or device" if kind not in {0, stat.S_IFREG, stat.S_IFDIR} else None
        if item.flag_bits & 0x1:
            wrong = "encrypted"
        # Windows programs write `HR\\baby.png` although the format forbids it; the backslash is read as a folder.
        name = item.filename.replace("\\", "/")
        yield name, item.file_size, wrong, None if name.endswith("/") else item


def _tar_kind(entry: tarfile.TarInfo) -> str:
    if entry.issym():
        return "a symbolic link"
    return "a hard link" if entry.islnk() else "a device or another special file"


def _safe_path(name: str) -> PurePosixPath | None:
    """Return the member's path inside the target; None if it would be outside of the target."""
    path = PurePosixPath(name)
    parts = [part for part in path.parts if part != "."]
    if path.is_absolute() or ".." in parts or "\\" in name or ":" in name or "\0" in name:
        return None
    return PurePosixPath(*parts)


def _write(source: tarfile.TarFile | zipfile.ZipFile, member: _Member, path: Path, archive: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with _stream(source, member) as stream, path.open("xb") as out:
        left = member.size
        # A member may have more bytes than its header says; the additional bytes are not written.
        while chunk := stream.read(min(_CHUNK_BYTES, left + 1)):
            left -= len(chunk)
            if left < 0:
                raise FetchError(f"{archive}: refused, since {member.path} holds more bytes than it announces")
            out.write(chunk)
        if left:
            raise FetchError(f"{archive}: damaged, since {member.path} ends {left} bytes early; fetch it again")


def _stream(source: tarfile.TarFile | zipfile.ZipFile, member: _Member) -> IO[bytes]:
    if isinstance(source, tarfile.TarFile) and isinstance(member.handle, tarfile.TarInfo):
        stream = source.extractfile(member.handle)
    elif isinstance(source, zipfile.ZipFile) and isinstance(member.handle, zipfile.ZipInfo):
        stream = source.open(member.handle)
    else:
        stream = None
    if stream is None:
        raise FetchError(f"{member.path} cannot be read from its archive; fetch it again")
    return stream
