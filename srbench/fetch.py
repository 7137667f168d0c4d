"""Fetch files of known hash: from a mirror folder or the network, with resume, a lock and checked bytes.

Why no library does this: pooch checks hashes, but it does not resume an interrupted download, try the next address, or
keep two processes from fetching the same file; tenacity only repeats calls. With both, the checks of each answer of a
server (status, range, encoding, size and speed) would still be needed here. requests and filelock do the rest.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from srbench.errors import FetchError
from srbench.files import SHA256, atomic_path, cache_dir, explain, sha256_of, sync, sync_folder, write_atomic
from srbench.http_answers import (
    CHUNK_BYTES,
    LONGEST_SECONDS,
    InterruptedTransferError,
    SourceError,
    answer_to,
    chunks_of,
)

if TYPE_CHECKING:
    import requests
    from filelock import BaseFileLock

RETRY_SECONDS = 0.5
ATTEMPTS = 3
UNPINNED_BYTES = 4 << 30
"""The largest file of unknown size that is accepted."""
WAIT_SECONDS = 2.0
"""How long a process waits for another one before it reports that it waits."""
_PAGE_STARTS = (b"<!doctype", b"<html", b"<head", b"<?xml")


@dataclass(frozen=True)
class RemoteFile:
    """A file that is identified by its bytes: `size`, hashes in lower-case hex, and `urls` in the order to try.

    Without `sha256` and `md5` it is unpinned: `fetch` accepts it only if `allow_unpinned` is set, and stores its hash.
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
        """Whether the hash of this file is known."""
        return bool(self.sha256 or self.md5)


def fetch(file: RemoteFile, *, folder: Path | None = None, allow_unpinned: bool = False) -> Path:
    """Return the path of `file` in `folder` (default: `cache_dir()`) after checking its bytes; download it if needed.

    `$SRBENCH_MIRROR` is searched by file name before the network; `$SRBENCH_OFFLINE=1` forbids the network. Downloads
    resume from a `.part` file and are renamed into place only when size and hashes are right; a lock makes several
    processes fetch a file only once. Raises FetchError when no source has the right bytes, or for an unpinned file that
    is not allowed.
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
    # Inside the function: only downloads need the lock, and listings must stay fast.
    from filelock import FileLock

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _waiting(FileLock(folder / f"{file.name}.lock"), file.name):
            file = _with_kept_hash(file, folder)
            if not _is_right(target, file):
                _obtain(file, target)
    except OSError as error:
        raise FetchError(explain(error, target)) from error
    return target


@contextmanager
def _waiting(lock: BaseFileLock, name: str) -> Iterator[None]:
    """Hold a lock; if another process has it, report on stderr what this one waits for."""
    from filelock import Timeout

    try:
        lock.acquire(timeout=WAIT_SECONDS)
    except Timeout:
        sys.stderr.write(f"waiting for another process that fetches {name} (lock: {lock.lock_file})\n")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _kept_hash_path(target: Path) -> Path:
    return target.with_name(f"{target.name}.sha256")


def _with_kept_hash(file: RemoteFile, folder: Path) -> RemoteFile:
    """Return the file; pin an unpinned one to the hash that an earlier download stored."""
    record = _kept_hash_path(folder / file.name)
    if file.pinned or not record.is_file():
        return file
    kept = record.read_text(encoding="utf-8", errors="replace").partition(" ")[0].strip()
    if not SHA256.fullmatch(kept):
        raise FetchError(f"{record}: expected the SHA-256 of {file.name}, got another text; delete this file")
    return replace(file, sha256=kept)


def _is_right(path: Path, file: RemoteFile) -> bool:
    return file.pinned and path.is_file() and _problem(path, file) is None


def _problem(path: Path, file: RemoteFile) -> str | None:
    """Return what is wrong with the bytes at `path`; None if they are the expected ones."""
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
    """Return whether a file with this start is a web page, which servers send instead of a missing file."""
    return head.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_PAGE_STARTS)


def _obtain(file: RemoteFile, target: Path) -> None:
    """Write the expected bytes to `target` from the first source that has them; the caller holds the lock."""
    failures = [f"{target}: {_problem(target, file)}"] if target.is_file() and file.pinned else []
    sources: list[Path | str] = [*mirrored(file.name), *([] if is_offline() else file.urls)]
    for source in sources:
        try:
            if isinstance(source, Path):
                _copy(source, file, target)
            else:
                _download(file, source, target)
        except SourceError as error:
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
    """Return the files of this name in the mirror folder, those in the fewest subfolders first."""
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
        # The copy is hashed and not the source, so that the hash is of the file that is renamed into place.
        if problem := _problem(temporary, file):
            raise SourceError(problem)


def _download(file: RemoteFile, url: str, target: Path) -> None:
    """Fetch one address into `target`; after an interruption, try again and resume a pinned file from its `.part`."""
    part = target.with_name(f"{target.name}.part")
    left, reached, reason = ATTEMPTS, 0, ""
    end = time.monotonic() + LONGEST_SECONDS
    while left and time.monotonic() < end:
        left -= 1
        # Unpinned files start over, because without a hash a mixture of two versions would not be detected.
        start = part.stat().st_size if file.pinned and part.is_file() else 0
        try:
            if not (start and start == file.size):
                _stream(file, url, part, start)
        except InterruptedTransferError as error:
            reason = str(error)
            grown = part.stat().st_size if part.is_file() else 0
            # Less than one chunk counts as no progress, since a server could send single bytes for ever.
            if grown >= reached + CHUNK_BYTES or grown == file.size:
                left, reached = ATTEMPTS, grown
            time.sleep(RETRY_SECONDS)
            continue
        except SourceError:
            _drop_useless(file, part)
            raise
        problem = _problem(part, file)
        if problem is None:
            _publish(part, target)
            return
        part.unlink()
        if not start:
            raise SourceError(problem)
        reason = problem
    if not file.pinned:
        part.unlink(missing_ok=True)
    raise SourceError(reason)


def _drop_useless(file: RemoteFile, part: Path) -> None:
    """Remove a part file from which no download can resume."""
    size = part.stat().st_size if part.is_file() else 0
    if not file.pinned or not size or (file.size is not None and size > file.size):
        part.unlink(missing_ok=True)


def _publish(part: Path, target: Path) -> None:
    sync(part)
    part.replace(target)
    sync_folder(target.parent)


def _stream(file: RemoteFile, url: str, part: Path, start: int) -> None:
    """Append what the address sends to `part` from byte `start` on, or rewrite it where the server cannot resume."""
    headers = {"Accept-Encoding": "identity", "User-Agent": "srbench"}
    if start:
        headers["Range"] = f"bytes={start}-"
    with answer_to(url, headers) as response:
        if not (start and response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE):
            _receive(response, file, part, start)


def _receive(response: requests.Response, file: RemoteFile, part: Path, start: int) -> None:
    start = _accept(response, file, start)
    length = response.headers.get("Content-Length", "")
    total = start + int(length) if length.isascii() and length.isdigit() else file.size
    if file.size is not None and total != file.size:
        raise SourceError(f"expected {file.size} bytes, the server announces {total}")
    most = total if total is not None else UNPINNED_BYTES
    if most > UNPINNED_BYTES and file.size is None:
        raise SourceError(f"the server announces {total} bytes; a file of unknown size may have {UNPINNED_BYTES}")
    if total is not None:
        require_space(part.parent, total - start, file.name)
    # Inside the function: only downloads need a progress bar.
    from tqdm import tqdm

    with (
        part.open("ab" if start else "wb") as out,
        tqdm(desc=file.name, total=total, initial=start, unit="B", unit_scale=True, disable=None) as bar,
    ):
        for chunk in chunks_of(response):
            out.write(chunk)
            bar.update(len(chunk))
            if out.tell() > most:
                raise SourceError(f"more than the expected {most} bytes came")
        if total is not None and out.tell() < total:
            raise InterruptedTransferError(f"the connection closed after {out.tell()} of {total} bytes")


def _accept(response: requests.Response, file: RemoteFile, start: int) -> int:
    """Check status and content type of an answer, and return the offset of its bytes in the file."""
    if response.status_code >= 500 or response.status_code == 429:
        raise InterruptedTransferError(f"the server answered {response.status_code}")
    if response.status_code not in (200, 206):
        raise SourceError(f"the server answered {response.status_code} {response.reason}")
    kind = response.headers.get("Content-Type", "").split(";")[0].strip().lower()
    if kind == "text/html" and not file.name.endswith((".html", ".htm")):
        raise SourceError("an HTML page came in place of the file")
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise SourceError(f"the server sent the encoding {encoding[:40]!r}, which was not asked for")
    if response.status_code == 200:
        return 0
    if not start:
        raise SourceError("the server sent a part of the file, which was not asked for")
    if not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
        raise SourceError(f"asked for bytes from {start}, the server sent {response.headers.get('Content-Range')!r}")
    return start


def require_space(folder: Path, size: int, what: str) -> None:
    """Raise FetchError if the disk of a folder has less than `size` bytes left for `what`."""
    free = shutil.disk_usage(folder).free
    if free < size:
        raise FetchError(f"{what} needs {size} bytes, {folder} has {free} free; free some or choose another folder")
