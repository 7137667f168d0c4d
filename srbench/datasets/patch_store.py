"""The packed store of training pairs: every image decoded and degraded once, then memory-mapped uint8.

A store is a folder: ``hr.u8`` and ``lr.u8`` hold the images one after the other, each 3×H×W, and ``store.json`` says
where, with a hash of each. Building writes into ``NAME.partial`` next to it, with a journal: after an interruption the
same call resumes after the last image whose bytes have the right hash. The folder gets its name when it is finished.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar, cast

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from srbench.datasets.store_header import (
    FORMAT,
    HEADER,
    PackedPair,
    PackedSource,
    PairFacts,
    Stamp,
    StoreHeader,
    StoreIdentity,
    bytes_sha256,
    header_sha256,
    read_header,
)
from srbench.datasets.stores import Store
from srbench.errors import DatasetError
from srbench.files import explain, write_atomic
from srbench.images import decode

if TYPE_CHECKING:
    # Reading a store needs neither protocols nor the imports of the metrics.
    from srbench.datasets.pairs import PairMaker

try:
    import fcntl
except ImportError:  # Windows has no fcntl: there, two processes can use one folder at the same time
    fcntl = None  # type: ignore[assignment]  # a missing module has no type

_JOURNAL, _HR, _LR = "journal.jsonl", "hr.u8", "lr.u8"


Item = TypeVar("Item")
Result = TypeVar("Result")


class PatchStore:
    """A finished store, memory-mapped; images are uint8 3×H×W, RGB.

    Attributes: `folder`, `scale`, `key` (which pairs were made), `pairs`, `hr` and `lr` (all bytes, flat), `hr_starts`
    and `lr_starts` (int64: where each image begins). A pickled store contains only its path, so each worker process
    maps the files itself.
    """

    def __init__(self, folder: Path, *, check: bool = True) -> None:
        """Map the store in `folder` into memory; with `check`, compare the hash of every image first.

        Raises:
            DatasetError: the folder is not a store, has another format, is incomplete, or (with `check`) has damaged
                images.
        """
        header = read_header(folder)
        self.folder, self.scale, self.key = folder, int(header["scale"]), str(header["key"])
        self.pairs = tuple(PackedPair(**pair) for source in header["sources"] for pair in source["pairs"])
        areas = np.array([3 * pair.height * pair.width for pair in self.pairs], dtype=np.int64)
        self.lr_starts = np.concatenate([[0], np.cumsum(areas)[:-1]])
        self.hr_starts = self.lr_starts * self.scale**2
        self.lr = _map(folder / _LR, int(areas.sum()))
        self.hr = _map(folder / _HR, int(areas.sum()) * self.scale**2)
        if check and (damaged := self.damaged()):
            raise DatasetError(
                f"{folder}: expected the packed bytes as written, got others for {len(damaged)} of "
                f"{len(self)} images ({', '.join(damaged[:5])}); delete the folder and pack again"
            )

    def __len__(self) -> int:
        return len(self.pairs)

    def __reduce__(self) -> tuple[Callable[[Path], PatchStore], tuple[Path]]:
        return _reopen, (self.folder,)

    def image(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return (LR, HR) of one pair as 3×H×W views."""
        pair = self.pairs[index]
        return (
            _view(self.lr, int(self.lr_starts[index]), pair, 1),
            _view(self.hr, int(self.hr_starts[index]), pair, self.scale),
        )

    def damaged(self) -> list[str]:
        """Return the names of the images whose bytes have changed since they were written."""
        with ThreadPoolExecutor(_workers(None)) as pool:
            intact = list(pool.map(self._is_intact, range(len(self))))
        return [pair.name for pair, good in zip(self.pairs, intact, strict=True) if not good]

    def _is_intact(self, index: int) -> bool:
        lr, hr = self.image(index)
        return (
            bytes_sha256(lr.data) == self.pairs[index].lr_sha256
            and bytes_sha256(hr.data) == self.pairs[index].hr_sha256
        )


@dataclass(frozen=True)
class StoredImage:
    """An image of a dataset, by its name: where the image is stored depends on the dataset's store."""

    store: Store
    name: str


Source = Path | StoredImage
"""Where an HR image comes from."""


def build_store(
    images: Mapping[str, Source], folder: Path, *, make: PairMaker, workers: int | None = None, progress: bool = True
) -> PatchStore:
    """Return the store of `images` (name -> HR, in this order) in `folder`; build it with `make` if it is missing.

    A store of the same files (name, size, time) and the same `make.key` is checked and opened; a different store in the
    folder is replaced. `workers` threads share the work (default: the machine's cores, at most 16); the memory in use
    does not grow with the number of images. If several processes start at the same time, only one of them builds the
    store.

    Raises:
        DatasetError: no images, a folder that is not a store, damaged bytes in an old one, pairs that do not fit the
            scale, or a full disk. ImageError: an image that cannot be decoded.
    """
    if not images:
        raise DatasetError(f"{folder}: expected at least one image to pack, got none; check the training folder")
    identity: StoreIdentity = {"format": FORMAT, "scale": make.scale, "key": make.key}
    stamps = [_stamp(name, path) for name, path in images.items()]
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = folder.with_name(f".{folder.name}.lock")
        lock.touch()
        with locked(lock):
            built_before = _is_current(folder, identity, stamps)
            if not built_before:
                _build(list(images.items()), stamps, folder, identity, make, _workers(workers), progress)
    except OSError as error:
        raise DatasetError(explain(error, folder)) from error
    return PatchStore(folder, check=built_before)


def _build(
    images: list[tuple[str, Source]],
    stamps: list[Stamp],
    folder: Path,
    identity: StoreIdentity,
    make: PairMaker,
    workers: int,
    progress: bool,
) -> None:
    partial = folder.with_name(f"{folder.name}.partial")
    partial.mkdir(exist_ok=True)
    sources = _resume(partial, identity, stamps)
    todo = images[len(sources) :]
    made = _in_order(lambda item: _make(item, make), todo, workers)
    with (
        (partial / _HR).open("ab") as hr,
        (partial / _LR).open("ab") as lr,
        (partial / _JOURNAL).open("ab") as journal,
        tqdm(
            total=len(images),
            initial=len(sources),
            desc=f"packing {folder.name}",
            unit="image",
            disable=None if progress else True,
        ) as bar,
    ):
        if not sources:
            _append_line(journal, identity)
        for stamp, (pairs, blocks) in zip(stamps[len(sources) :], made, strict=True):
            _append_blocks(hr, lr, blocks)
            sources.append({"stamp": stamp, "pairs": [cast(PairFacts, asdict(pair)) for pair in pairs]})
            _append_line(journal, sources[-1])
            bar.update()
        for stream in (hr, lr):
            os.fsync(stream.fileno())
    header: StoreHeader = {**identity, "sources": sources}
    write_atomic(partial / HEADER, json.dumps({**header, "sha256": header_sha256(header)}), error=DatasetError)
    _publish(partial, folder)
    (folder / _JOURNAL).unlink()


def _append_blocks(hr: BinaryIO, lr: BinaryIO, blocks: list[tuple[bytes, bytes]]) -> None:
    """Append the pixels of pairs, and hand them to the system: the journal may only list bytes that are written."""
    for hr_block, lr_block in blocks:
        hr.write(hr_block)
        lr.write(lr_block)
    hr.flush()
    lr.flush()


def _make(item: tuple[str, Source], make: PairMaker) -> tuple[list[PackedPair], list[tuple[bytes, bytes]]]:
    name, image = item
    pairs, blocks = [], []
    source = image if isinstance(image, Path) else image.store.hr(image.name)
    label = str(image) if isinstance(image, Path) else f"{image.store.location}: {name}"
    made = make(decode(source, name=label), name)
    for number, (hr, lr) in enumerate(made):
        height, width = lr.shape[:2]
        if hr.shape[:2] != (height * make.scale, width * make.scale):
            raise DatasetError(
                f"{label}: expected HR of {make.scale} times its LR's {width}×{height} pixels, got "
                f"{hr.shape[1]}×{hr.shape[0]}; these do not pair at ×{make.scale}"
            )
        planes = tuple(pixels.transpose(2, 0, 1).tobytes() for pixels in (hr, lr))
        part = f"{name}#{number}" if len(made) > 1 else name
        pairs.append(PackedPair(part, height, width, bytes_sha256(planes[0]), bytes_sha256(planes[1])))
        blocks.append((planes[0], planes[1]))
    return pairs, blocks


def _resume(partial: Path, identity: StoreIdentity, stamps: list[Stamp]) -> list[PackedSource]:
    """Return the sources that are already packed, checked by their hashes; truncate everything after them."""
    sources: list[PackedSource] = []
    sizes = [0, 0]
    lines = _journal_lines(partial / _JOURNAL)
    paths = (partial / _HR, partial / _LR)
    for path in paths:
        path.touch()
    with paths[0].open("rb") as hr, paths[1].open("rb") as lr:
        if next(lines, None) == identity:
            for line, stamp in zip(cast(Iterator[PackedSource], lines), stamps, strict=False):
                if line.get("stamp") != stamp or not _follows(line["pairs"], hr, lr, identity["scale"]):
                    break
                sources.append(line)
                sizes = [hr.tell(), lr.tell()]
    for path, size in zip(paths, sizes, strict=True):
        os.truncate(path, size)
    kept = [identity, *sources] if sources else []
    write_atomic(partial / _JOURNAL, "".join(json.dumps(line) + "\n" for line in kept), error=DatasetError)
    return sources


def _follows(pairs: list[PairFacts], hr: BinaryIO, lr: BinaryIO, scale: int) -> bool:
    """Return whether the next bytes of both files have the hashes of these pairs."""
    for pair in (PackedPair(**entry) for entry in pairs):
        area = 3 * pair.height * pair.width
        if bytes_sha256(hr.read(area * scale**2)) != pair.hr_sha256 or bytes_sha256(lr.read(area)) != pair.lr_sha256:
            return False
    return True


def _journal_lines(path: Path) -> Iterator[object]:
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            return  # the line that was not completely written when the process was killed


def _append_line(journal: BinaryIO, value: StoreIdentity | PackedSource) -> None:
    journal.write(json.dumps(value).encode() + b"\n")
    journal.flush()


def _in_order(work: Callable[[Item], Result], items: Sequence[Item], workers: int) -> Iterator[Result]:
    """Yield results in the order of `items`, with only a few of them in memory."""
    with ThreadPoolExecutor(workers) as pool:
        remaining = iter(items)
        waiting = deque(pool.submit(work, item) for item in islice(remaining, 2 * workers))
        try:
            while waiting:
                yield waiting.popleft().result()
                waiting.extend(pool.submit(work, item) for item in islice(remaining, 1))
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _publish(partial: Path, folder: Path) -> None:
    """Give a finished store its name; an older store with this name is deleted."""
    if not folder.exists():
        partial.rename(folder)
        return
    old = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.old")
    folder.rename(old)
    partial.rename(folder)
    shutil.rmtree(old)


def _is_current(folder: Path, identity: StoreIdentity, stamps: list[Stamp]) -> bool:
    """Return whether `folder` is this store. Raise DatasetError if it has other files, which are never overwritten."""
    if not folder.exists():
        return False
    if not (folder / HEADER).exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DatasetError(f"{folder}: expected a packed store or nothing, got other files; choose another folder")
    try:
        header = read_header(folder)
    except DatasetError:
        return False  # damaged or of a different version: it is built again
    found = {name: header.get(name) for name in identity}
    return found == identity and [source["stamp"] for source in header["sources"]] == stamps


def _map(path: Path, size: int) -> NDArray[np.uint8]:
    found = path.stat().st_size if path.exists() else 0
    if found != size:
        raise DatasetError(f"{path}: expected {size} bytes, got {found}; delete the store and pack again")
    # Copy-on-write: torch needs writable memory, and the file must not change.
    return np.memmap(path, dtype=np.uint8, mode="c")


def _view(flat: NDArray[np.uint8], start: int, pair: PackedPair, scale: int) -> NDArray[np.uint8]:
    shape = (3, pair.height * scale, pair.width * scale)
    return flat[start : start + 3 * shape[1] * shape[2]].reshape(shape)


def _reopen(folder: Path) -> PatchStore:
    return PatchStore(folder, check=False)


def _stamp(name: str, image: Source) -> Stamp:
    if isinstance(image, StoredImage):
        return [name, *image.store.stamp(image.name)]
    try:
        status = image.stat()
    except OSError as error:
        raise DatasetError(
            f"{image}: expected an image file, got {error.strerror}; check the training folder"
        ) from error
    return [name, status.st_size, status.st_mtime_ns]


def _workers(asked: int | None) -> int:
    return asked or min(16, os.cpu_count() or 1)


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold an exclusive lock on an existing file or folder; the system releases it when the process ends.

    Raises BlockingIOError if another process holds the lock and `wait` is false, OSError on a file system without
    locks.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        if fcntl is not None:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(handle)
