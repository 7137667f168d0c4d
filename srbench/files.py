"""Files as pinned bytes: fetched (mirror, range resume, lock, hash check), and written whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from srbench.errors import FetchError, SrbenchError

if TYPE_CHECKING:
    import requests

SHA256 = re.compile("[0-9a-f]{64}")
"""What a SHA-256 looks like here."""

CONNECT_SECONDS = 15.0
STALL_SECONDS = 30.0
RETRY_SECONDS = 0.5
ATTEMPTS = 3
# A read that breaks off loses at most one chunk, so that a short one keeps what a bad line delivered.
CHUNK_BYTES = 1 << 16
_PAGE_STARTS = (b"<!doctype", b"<html", b"<head", b"<?xml")
_HINTS = {
    errno.ENOSPC: "the disk is full; free some space and run the same command again",
    errno.EDQUOT: "the disk quota is used up; free some space and run the same command again",
    errno.EROFS: "the file system is read-only; choose a writable folder",
    errno.EACCES: "this folder may not be written; choose a writable folder",
    errno.EPERM: "this folder may not be written; choose a writable folder",
    errno.ENOTDIR: "a file stands where a folder is needed; choose another folder",
    errno.EEXIST: "a file stands where a folder is needed; choose another folder",
    errno.ENOENT: "the folder is gone or takes no new files; choose another folder",
    errno.ENAMETOOLONG: "the name is longer than this file system takes; choose a shorter one",
}
# Of a name that may fill what the file system takes, the temporary one beside it repeats this much.
_REPEATED_BYTES = 64


@dataclass(frozen=True)
class RemoteFile:
    """A file known by its bytes: `size` in bytes, hashes in lower-case hex, `urls` in the order of trying.

    Without `sha256` and `md5` it is unpinned: `fetch` takes it only when asked to, and keeps the hash it found.
    """

    name: str
    urls: tuple[str, ...]
    size: int | None
    sha256: str | None
    md5: str | None = None

    def __post_init__(self) -> None:
        if not self.name or self.name in {".", ".."} or set(self.name) & set("/\\\0"):
            raise FetchError(f"expected a plain file name, got {self.name!r}")

    @property
    def pinned(self) -> bool:
        """Whether a hash says which bytes this file must have."""
        return bool(self.sha256 or self.md5)


def cache_dir() -> Path:
    """The folder for fetched files and indexes: `$SRBENCH_CACHE`, else the user's cache folder; may not exist yet."""
    return user_dir("SRBENCH_CACHE", "cache")


def user_dir(variable: str, kind: str) -> Path:
    """The folder that the environment variable names, else the user's own folder of this kind (`cache` or `data`)."""
    named = os.environ.get(variable)
    if named:
        return Path(named).expanduser()
    try:
        # Inside the function: evaluation must run where platformdirs is missing.
        import platformdirs
    except ModuleNotFoundError:
        return Path.home() / (".cache" if kind == "cache" else ".local/share") / "srbench"
    return Path(platformdirs.user_cache_dir("srbench") if kind == "cache" else platformdirs.user_data_dir("srbench"))


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in lower-case hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def explain(error: OSError, path: Path) -> str:
    """One sentence for a failed write to `path`: what the system said, and what to do about it."""
    hint = _HINTS.get(error.errno or 0, "see that the folder exists and may be written")
    named = error.filename if isinstance(error.filename, str | os.PathLike) else path
    other = "" if Path(named).parent == path.parent else f": {named}"
    return f"cannot write {path}: {error.strerror or error}{other}; {hint}"


@contextmanager
def atomic_path(path: Path, *, error: type[SrbenchError] = SrbenchError) -> Iterator[Path]:
    """Yield a temporary sibling of `path` that is synced and renamed into place on success, removed on failure.

    Makes the parent folder. Where the system refuses (read-only, full disk), or `path` is a device, a pipe or a
    folder, which a rename would replace, raises `error` saying what to do.
    """
    try:
        if path.exists() and not path.is_file():
            raise error(
                f"cannot write {path}: expected a file or nothing there, got something else; choose another name"
            )
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as failure:
        raise error(explain(failure, path)) from failure
    temporary = _temporary(path)
    try:
        temporary.touch()
        mode = temporary.stat().st_mode
        yield temporary
        temporary.chmod(mode)  # some writers make their files unreadable for all others
        _sync(temporary)
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as failure:
        if failure.errno is None:
            raise  # no refusal of the system: Pillow, for one, calls what is no image an OSError
        raise error(explain(failure, path)) from failure
    finally:
        # Where not even this is allowed, the failure that is under way says more than this one.
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _temporary(path: Path) -> Path:
    """A name beside `path` that no other process takes, and that is not too long where `path` is not."""
    start = path.name.encode(errors="ignore")[:_REPEATED_BYTES].decode(errors="ignore")
    return path.with_name(f".{start}.{os.getpid()}-{secrets.token_hex(4)}.tmp")


def write_atomic(path: Path, data: bytes | str, *, error: type[SrbenchError] = SrbenchError) -> None:
    """Write bytes, or text as UTF-8, to `path` so that a reader sees the old content or the new, never a part."""
    with atomic_path(path, error=error) as temporary:
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)


def fetch(file: RemoteFile, *, folder: Path | None = None, allow_unpinned: bool = False) -> Path:
    """The path of `file` in `folder` (default: `cache_dir()`), its bytes checked; fetched first where it is missing.

    `$SRBENCH_MIRROR` is searched by file name before the network; `$SRBENCH_OFFLINE=1` forbids the network. Downloads
    resume from a `.part` file and are renamed into place only when size and hashes are right; a lock lets several
    processes fetch once. Raises FetchError when no source has the right bytes, or for an unpinned file not allowed.
    """
    folder = cache_dir() if folder is None else folder
    file = _with_kept_hash(file, folder)
    if not file.pinned and not allow_unpinned:
        raise FetchError(
            f"{file.name} is unpinned: no hash of it is known, so it is only fetched when unpinned files are allowed"
        )
    target = folder / file.name
    if _is_right(target, file):
        return target
    # Inside the function: the lock is needed for fetching alone, and listing must stay cheap.
    from filelock import FileLock

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f"{file.name}.lock"):
            file = _with_kept_hash(file, folder)
            if not _is_right(target, file):
                _obtain(file, target)
    except OSError as error:
        raise FetchError(explain(error, target)) from error
    return target


class _SourceError(Exception):
    """One source failed; the text says how."""


class _InterruptedError(Exception):
    """A transfer broke off; what has come so far can be kept."""


def _kept_hash_path(target: Path) -> Path:
    return target.with_name(f"{target.name}.sha256")


def _with_kept_hash(file: RemoteFile, folder: Path) -> RemoteFile:
    """The file itself; an unpinned one pinned to the hash that an earlier fetch has kept."""
    record = _kept_hash_path(folder / file.name)
    if file.pinned or not record.is_file():
        return file
    return replace(file, sha256=record.read_text().split()[0])


def _is_right(path: Path, file: RemoteFile) -> bool:
    return file.pinned and path.is_file() and _problem(path, file) is None


def _problem(path: Path, file: RemoteFile) -> str | None:
    """What is wrong with the bytes at `path`; None if they are the expected ones."""
    with path.open("rb") as stream:
        if is_page(stream.read(512)) and not file.name.endswith((".html", ".htm")):
            return "an HTML page came in place of the file"
        stream.seek(0)
        size = path.stat().st_size
        if file.size is not None and size != file.size:
            return f"expected {file.size} bytes, got {size}"
        for kind, expected in (("sha256", file.sha256), ("md5", file.md5)):
            stream.seek(0)
            if expected and (found := hashlib.file_digest(stream, kind).hexdigest()) != expected:
                return f"expected {kind} {expected}, got {found}"
    return None if size else "the file is empty"


def is_page(head: bytes) -> bool:
    """Whether a file that starts so is a web page, which servers send in place of what they do not have."""
    return head.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_PAGE_STARTS)


def _obtain(file: RemoteFile, target: Path) -> None:
    """Put the right bytes at `target` from the first source that has them; the caller holds the lock."""
    failures = [f"{target}: {_problem(target, file)}"] if target.is_file() and file.pinned else []
    sources: list[Path | str] = [*mirrored(file.name), *([] if is_offline() else file.urls)]
    for source in sources:
        try:
            if isinstance(source, Path):
                _copy(source, file, target)
            else:
                _download(file, source, target)
        except _SourceError as error:
            failures.append(f"{source}: {error}")
            continue
        if not file.pinned:
            write_atomic(_kept_hash_path(target), f"{sha256_of(target)}  {file.name}\n")
        return
    raise FetchError(_no_source(file, failures))


def _no_source(file: RemoteFile, failures: list[str]) -> str:
    pin = f" (sha256 {file.sha256})" if file.sha256 else f" (md5 {file.md5})" if file.md5 else ""
    tried = "; ".join(failures) or "there was no source to try"
    offline = "the network is off ($SRBENCH_OFFLINE); " if is_offline() else ""
    advice = "get the file yourself and put it into a folder named by $SRBENCH_MIRROR"
    return f"could not fetch {file.name}{pin}: {tried}; {offline}{advice}"


def is_offline() -> bool:
    """Whether `$SRBENCH_OFFLINE` forbids the network."""
    return os.environ.get("SRBENCH_OFFLINE", "") not in {"", "0"}


def mirrored(name: str) -> list[Path]:
    """The files of this name in the mirror folder, those nearest to its top first."""
    mirror = os.environ.get("SRBENCH_MIRROR")
    if not mirror:
        return []
    root = Path(mirror).expanduser()
    direct = root / name
    if direct.is_file():
        return [direct]
    return sorted((path for path in root.rglob(name) if path.is_file()), key=lambda path: (len(path.parts), path))


def _copy(source: Path, file: RemoteFile, target: Path) -> None:
    with atomic_path(target, error=FetchError) as temporary:
        require_space(target.parent, source.stat().st_size, file.name)
        shutil.copyfile(source, temporary)
        # The copy is checked, not the source: what is renamed into place is what was hashed.
        if problem := _problem(temporary, file):
            raise _SourceError(problem)


def _download(file: RemoteFile, url: str, target: Path) -> None:
    """Fetch one address into `target`; goes on from its `.part` as long as bytes keep coming."""
    part = target.with_name(f"{target.name}.part")
    left, reached, reason = ATTEMPTS, 0, ""
    while left:
        left -= 1
        # Without a hash a splice of two versions would go unnoticed, so unpinned files start over.
        start = part.stat().st_size if file.pinned and part.is_file() else 0
        try:
            if not (start and start == file.size):
                _stream(file, url, part, start)
        except _InterruptedError as error:
            reason = str(error)
            grown = part.stat().st_size if part.is_file() else 0
            if grown > reached:
                left, reached = ATTEMPTS, grown
            time.sleep(RETRY_SECONDS)
            continue
        problem = _problem(part, file)
        if problem is None:
            _publish(part, target)
            return
        part.unlink()
        if not start:
            raise _SourceError(problem)
        reason = problem
    raise _SourceError(reason)


def _publish(part: Path, target: Path) -> None:
    _sync(part)
    part.replace(target)
    _sync_folder(target.parent)


def _stream(file: RemoteFile, url: str, part: Path, start: int) -> None:
    """Append what the address sends to `part` from byte `start` on, or rewrite it where the server cannot resume."""
    try:
        # Inside the function: evaluation must run where requests is missing.
        import requests
    except ModuleNotFoundError as error:
        raise _SourceError("the package requests is needed for downloads; pip install requests") from error
    headers = {"Accept-Encoding": "identity", "User-Agent": "srbench"}
    if start:
        headers["Range"] = f"bytes={start}-"
    try:
        with requests.get(url, headers=headers, stream=True, timeout=(CONNECT_SECONDS, STALL_SECONDS)) as response:
            if response.status_code != requests.codes.requested_range_not_satisfiable:
                _receive(response, file, part, start)
    except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
        raise _InterruptedError(f"the connection broke off or stalled ({type(error).__name__})") from error
    except requests.RequestException as error:
        raise _SourceError(str(error)) from error


def _receive(response: requests.Response, file: RemoteFile, part: Path, start: int) -> None:
    start = _accept(response, file, start)
    length = response.headers.get("Content-Length", "")
    total = start + int(length) if length.isdigit() else file.size
    if file.size is not None and total != file.size:
        raise _SourceError(f"expected {file.size} bytes, the server announces {total}")
    if total is not None:
        require_space(part.parent, total - start, file.name)
    # Inside the function: a progress bar is needed for downloads alone.
    from tqdm import tqdm

    with (
        part.open("ab" if start else "wb") as out,
        tqdm(desc=file.name, total=total, initial=start, unit="B", unit_scale=True, disable=None) as bar,
    ):
        for chunk in response.iter_content(CHUNK_BYTES):
            out.write(chunk)
            bar.update(len(chunk))
            if total is not None and out.tell() > total:
                raise _SourceError(f"more than the expected {total} bytes came")
        if total is not None and out.tell() < total:
            raise _InterruptedError(f"the connection closed after {out.tell()} of {total} bytes")


def _accept(response: requests.Response, file: RemoteFile, start: int) -> int:
    """The offset at which this answer's bytes belong, after its status and content type have been looked at."""
    if response.status_code >= 500 or response.status_code == 429:
        raise _InterruptedError(f"the server answered {response.status_code}")
    if response.status_code not in (200, 206):
        raise _SourceError(f"the server answered {response.status_code} {response.reason}")
    kind = response.headers.get("Content-Type", "").split(";")[0].strip().lower()
    if kind == "text/html" and not file.name.endswith((".html", ".htm")):
        raise _SourceError("an HTML page came in place of the file")
    if response.status_code == 200:
        return 0
    if not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
        raise _SourceError(f"asked for bytes from {start}, the server sent {response.headers.get('Content-Range')!r}")
    return start


def require_space(folder: Path, size: int, what: str) -> None:
    """Raises FetchError where the disk of a folder has less than `size` bytes left for `what`."""
    free = shutil.disk_usage(folder).free
    if free < size:
        raise FetchError(f"{what} needs {size} bytes, {folder} has {free} free; free some or choose another folder")


def _sync(path: Path) -> None:
    """Have the system write a file to the disk."""
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())


def _sync_folder(folder: Path) -> None:
    """Have the system write a folder's entries to the disk, so that a rename survives a power cut."""
    # Some systems and file systems cannot sync folders; the file is whole and in place by now.
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
