"""Write files completely or not at all, hash them, and find the folders of the user."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import platformdirs

from srbench.errors import SrbenchError, listed

SHA256 = re.compile("[0-9a-f]{64}")
"""What a SHA-256 looks like here."""

_HINTS = {
    errno.ENOSPC: "the disk is full; free some space and run the same command again",
    errno.EDQUOT: "the disk quota is used up; free some space and run the same command again",
    errno.EROFS: "the file system is read-only; choose a writable folder",
    errno.EACCES: "this folder may not be written; choose a writable folder",
    errno.EPERM: "this folder may not be written; choose a writable folder",
    errno.ENOTDIR: "there is a file where a folder is needed; choose another folder",
    errno.EEXIST: "there is a file where a folder is needed; choose another folder",
    errno.ENOENT: "the folder is gone or takes no new files; choose another folder",
    errno.ENAMETOOLONG: "the name is longer than this file system takes; choose a shorter one",
}
DISK_ERRORS = frozenset(_HINTS)
"""The errors of the system for a file that cannot be written."""
LEFT_OVER_SECONDS = 3600.0
"""The age from which a temporary file counts as left over by a process that was killed."""
_swept: set[Path] = set()
# A temporary name repeats only this many characters of the file's name, which may have the greatest length allowed.
_REPEATED_BYTES = 64
_TEMPORARY = re.compile(r"\..*\.[0-9]+-[0-9a-f]{8}\.tmp", re.DOTALL)


def cache_dir() -> Path:
    """Return the cache folder: `$SRBENCH_CACHE`, else the user's cache folder. It may not exist yet."""
    return user_dir("SRBENCH_CACHE", "cache")


def user_dir(variable: str, kind: str) -> Path:
    """Return the folder in an environment variable, else the user's folder of this kind (`cache` or `data`)."""
    named = os.environ.get(variable)
    if named:
        return Path(named).expanduser()
    return Path(platformdirs.user_cache_dir("srbench") if kind == "cache" else platformdirs.user_data_dir("srbench"))


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in lower-case hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def explain(error: OSError, path: Path) -> str:
    """Return one sentence about a failed write to `path`: the system's message, and what to do."""
    hint = _HINTS.get(error.errno or 0, "see that the folder exists and may be written")
    named = error.filename if isinstance(error.filename, str | os.PathLike) else path
    other = "" if Path(named).parent == path.parent else f": {named}"
    return f"cannot write {path}: {error.strerror or error}{other}; {hint}"


@contextmanager
def atomic_path(path: Path, *, error: type[SrbenchError] = SrbenchError) -> Iterator[Path]:
    """Yield a temporary sibling of `path` that is synced and renamed into place on success, removed on failure.

    Creates the parent folder. Raises `error`, whose message says what to do, if the system refuses (read-only, full
    disk), or if `path` is a device, a pipe or a folder, which a rename would replace.
    """
    try:
        if path.exists() and not path.is_file():
            raise error(
                f"cannot write {path}: expected a file or nothing there, got something else; choose another name"
            )
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as failure:
        raise error(explain(failure, path)) from failure
    _sweep(path.parent)
    temporary = _temporary(path)
    try:
        temporary.touch()
        mode = temporary.stat().st_mode
        yield temporary
        temporary.chmod(mode)  # some libraries create files that other users cannot read
        sync(temporary)
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as failure:
        if failure.errno is None:
            raise  # not an error of the system: Pillow raises OSError for files that are not images
        raise error(explain(failure, path)) from failure
    finally:
        # If this fails, too, the first error is the more useful one.
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _sweep(folder: Path) -> None:
    """Remove temporary files that killed processes left in a folder, once per process and folder."""
    if folder in _swept:
        return
    _swept.add(folder)
    for left in folder.glob(".*.tmp"):
        # Another process may remove the same temporary files at this moment.
        with suppress(OSError):
            if _TEMPORARY.fullmatch(left.name) and time.time() - left.stat().st_mtime > LEFT_OVER_SECONDS:
                left.unlink()


def _temporary(path: Path) -> Path:
    """Return a temporary name next to `path` that no other process uses and that is not too long."""
    start = path.name.encode(errors="ignore")[:_REPEATED_BYTES].decode(errors="ignore")
    return path.with_name(f".{start}.{os.getpid()}-{secrets.token_hex(4)}.tmp")


def write_atomic(path: Path, data: bytes | str, *, error: type[SrbenchError] = SrbenchError) -> None:
    """Write bytes, or text as UTF-8, to `path` so that a reader sees the old content or the new, never a part."""
    with atomic_path(path, error=error) as temporary:
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)


def require_empty(folder: Path, *, else_expected: str, error: type[SrbenchError] = SrbenchError) -> None:
    """Raise `error` where a folder has visible files or folders; a missing folder is empty.

    `else_expected` names the kind of folder that the caller would accept too, for the message.
    """
    entries = folder.iterdir() if folder.is_dir() else ()
    names = sorted(entry.name for entry in entries if not entry.name.startswith("."))
    if names:
        raise error(
            f"{folder}: expected an empty folder or {else_expected}, got other files ({listed(names)}); choose another "
            "--output folder"
        )


def sync(path: Path) -> None:
    """Make the system write a file to the disk."""
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())


def sync_folder(folder: Path) -> None:
    """Make the system write the entries of a folder to the disk, so that a rename survives a power failure."""
    # Some systems cannot sync folders; the file is already complete and in place.
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
