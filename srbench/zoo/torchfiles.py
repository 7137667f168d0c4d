"""Read files of `torch.save` (both formats) and of `pickle.dump` as plain containers with tensors; nothing is run."""

from __future__ import annotations

import io
import math
import re
import struct
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import torch
from torch import Tensor

from srbench.zoo.inert import (
    DTYPES,
    ArrayType,
    InertUnpickler,
    StorageKind,
    StoredArray,
    StoredTensor,
    StoredValues,
)
from srbench.zoo.safe_pickle import PlainDict, pickles_in

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001
# Tensors may share or repeat stored values, but a small file must not fill the memory.
_COPIES, _FREE_BYTES = 4, 1 << 26
MOST_DIMENSIONS = 16
"""More dimensions than any weight has."""
MOST_TENSORS = 100_000
"""More tensors than any checkpoint of a network and its optimizer has."""
_MOST_NODES = 3_000_000
_DEEPEST = 64
_PLAIN_ARRAY = re.compile("[biufc][0-9]{1,2}")


class CodeError(Exception):
    """A pickle that names functions or classes other than plain data; `names` lists them."""

    def __init__(self, names: set[str]) -> None:
        super().__init__(", ".join(sorted(names)))
        self.names = sorted(names)


class ProgramError(Exception):
    """A TorchScript archive: a program, and not a file of tensors."""


def load_content(path: Path) -> object:
    """Return what a file holds: dicts, lists, tuples, numbers and texts, with tensors on the CPU.

    Objects of other classes become `Opaque`, numeric NumPy arrays and scalars become NumPy arrays.

    Raises:
        CodeError: the file would run code when it is unpickled in the usual way.
        ProgramError: a TorchScript archive.
        zipfile.BadZipFile, pickle.UnpicklingError, ValueError and others: it is damaged, or something else.
    """
    if zipfile.is_zipfile(path):
        return _load_zip(path)
    with path.open("rb") as stream:
        return _load_stream(stream, path.stat().st_size)


def _load_zip(path: Path) -> object:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if any(name.endswith("/constants.pkl") for name in names):
            raise ProgramError
        # torch stores files without compression, so unpacked data is never larger than the file.
        if any(item.compress_type != zipfile.ZIP_STORED for item in archive.infolist()):
            raise ValueError("its archive is compressed, which torch.save never does")
        if sum(item.file_size for item in archive.infolist()) > path.stat().st_size:
            raise ValueError("its archive announces more bytes than the file has")
        if broken := archive.testzip():
            raise ValueError(f"the checksum of {broken} differs")
        (pickled,) = [name for name in names if name.rpartition("/")[2] == "data.pkl"]
        folder = pickled.removesuffix("data.pkl")
        if f"{folder}byteorder" in names and archive.read(f"{folder}byteorder") != b"little":
            raise ValueError("its numbers are in big-endian order")
        tree = _unpickled(archive.read(pickled))
        return _Materials(lambda key: archive.read(f"{folder}data/{key}"), path.stat().st_size).of(tree)


def _load_stream(stream: BinaryIO, file_bytes: int) -> object:
    pickles = pickles_in(stream)
    first = _unpickled(next(pickles))
    if first != _LEGACY_MAGIC:
        return _Materials(_nothing_stored, file_bytes).of(first)
    if _unpickled(next(pickles)) != _LEGACY_PROTOCOL:
        raise ValueError("its format is newer than protocol 1001")
    system = cast(Mapping[str, object], _unpickled(next(pickles)))
    if not system["little_endian"]:
        raise ValueError("its numbers are in big-endian order")
    tree = _unpickled(next(pickles))
    keys = [str(key) for key in cast(list[object], _unpickled(next(pickles)))]
    widths = {values.key: values.dtype.itemsize for values in _references(tree)}
    data = {key: _counted_block(stream, widths[key]) for key in keys}
    return _Materials(data.__getitem__, file_bytes).of(tree)


def _counted_block(stream: BinaryIO, width: int) -> bytes:
    (count,) = struct.unpack("<q", stream.read(8))
    size, start = count * width, stream.tell()
    if not 0 <= size <= stream.seek(0, io.SEEK_END) - start:
        raise EOFError("its numbers end early")
    stream.seek(start)
    return stream.read(size)


def _unpickled(data: bytes, *, nested: bool = False) -> object:
    reader = InertUnpickler(data, from_bytes=_refuse_nested if nested else _nested_values)
    try:
        tree: object = reader.load()
    except Exception as error:
        if reader.refused:
            raise CodeError(reader.refused) from error
        raise
    if reader.refused:
        raise CodeError(reader.refused)
    _TreeSize().of(tree, 0)
    return tree


class _TreeSize:
    """Counts the values of a tree, shared ones repeatedly, and refuses trees that are too large or too deep.

    Each container is visited once. Raises ValueError for one that contains itself, is nested too deep, or unfolds into
    too many values.
    """

    def __init__(self) -> None:
        self._known: dict[int, int] = {}
        self._open: set[int] = set()

    def of(self, tree: object, depth: int) -> int:
        """Return the number of values in the tree."""
        if not isinstance(tree, dict | list | tuple):
            return 1
        place = id(tree)
        if place in self._open:
            raise ValueError("a container that contains itself")
        if place not in self._known:
            if depth > _DEEPEST:
                raise ValueError(f"more than {_DEEPEST} containers inside each other")
            self._open.add(place)
            children = tree.values() if isinstance(tree, dict) else tree
            self._known[place] = 1 + sum(self.of(child, depth + 1) for child in children)
            self._open.remove(place)
        if self._known[place] > _MOST_NODES:
            raise ValueError(f"more than {_MOST_NODES:,} values")
        return self._known[place]


def _nested_values(data: bytes) -> object:
    """Return the elements that `pickle.dump` stored as a file of `torch.save` inside the pickle."""
    pickles = pickles_in(stream := io.BytesIO(data))
    head = [_unpickled(next(pickles), nested=True) for _ in range(5)]
    if head[0] != _LEGACY_MAGIC:
        raise ValueError("a nested file of another format")
    values = head[3]
    if not isinstance(values, StoredValues):
        return values
    content = _counted_block(stream, values.dtype.itemsize)
    return StoredValues(values.dtype, values.key, values.count, values.first, content)


def _refuse_nested(_: bytes) -> object:
    raise ValueError("a nested file inside a nested file")


def _references(tree: object) -> Iterator[StoredValues]:
    if isinstance(tree, StoredTensor):
        yield tree.values
    elif isinstance(tree, StoredValues):
        yield tree
    elif isinstance(tree, Mapping):
        for value in tree.values():
            yield from _references(value)
    elif isinstance(tree, list | tuple):
        for value in tree:
            yield from _references(value)


def _nothing_stored(key: str) -> bytes:
    raise ValueError("it refers to numbers that are not in it")


class _Materials:
    """Turns stored tensors and arrays of one file into tensors and NumPy arrays; equal storages are read once."""

    def __init__(self, read: Callable[[str], bytes], file_bytes: int) -> None:
        self._read = read
        self._stored: dict[tuple[str, torch.dtype], Tensor] = {}
        self._bytes_left = _COPIES * file_bytes + _FREE_BYTES
        self._tensors_left = MOST_TENSORS

    def of(self, tree: object) -> object:
        """Return the tree with its tensors."""
        if isinstance(tree, StoredTensor):
            return self._tensor(tree)
        if isinstance(tree, StoredArray):
            self._spend(len(tree.data) if isinstance(tree.data, bytes | str) else 0)
            return _array(tree)
        if isinstance(tree, StoredValues):
            return self._values(tree, tree.dtype)
        if isinstance(tree, StorageKind):
            return str(tree.dtype)
        if isinstance(tree, dict):
            items = ((key, self.of(value)) for key, value in tree.items())
            return PlainDict(items) if isinstance(tree, PlainDict) else dict(items)
        if isinstance(tree, list):
            return [self.of(value) for value in tree]
        return tuple(map(self.of, tree)) if isinstance(tree, tuple) else tree

    def _tensor(self, stored: StoredTensor) -> Tensor:
        shape, stride, offset = stored.size, stored.stride, stored.offset
        if stored.dtype not in DTYPES:
            raise ValueError(f"a tensor of {str(stored.dtype)[:40]}")
        if len(shape) > MOST_DIMENSIONS or len(stride) != len(shape):
            raise ValueError(f"a tensor of {len(shape)} dimensions and {len(stride)} strides")
        if not all(type(number) is int and 0 <= number < 1 << 48 for number in (*shape, *stride, offset)):
            raise ValueError("a tensor whose sizes are no counts")
        self._spend(math.prod(shape) * stored.dtype.itemsize)
        values = self._values(stored.values, stored.dtype)
        return values.as_strided(shape, stride, offset).contiguous()

    def _spend(self, size: int) -> None:
        self._bytes_left -= size
        self._tensors_left -= 1
        if self._bytes_left < 0:
            raise ValueError("its tensors announce more values than it stores")
        if self._tensors_left < 0:
            raise ValueError(f"more than {MOST_TENSORS:,} tensors")

    def _values(self, values: StoredValues, dtype: torch.dtype) -> Tensor:
        if values.data is not None:
            self._spend(len(values.data))
            return _numbers(values.data, dtype)
        place = (values.key, dtype)
        if place not in self._stored:
            self._stored[place] = _numbers(self._read(values.key), dtype)
        found = self._stored[place]
        return found[values.first : values.first + values.count] if values.first else found


def _numbers(data: bytes, dtype: torch.dtype) -> Tensor:
    if len(data) % dtype.itemsize:
        raise ValueError("its numbers end early")
    return torch.frombuffer(bytearray(data), dtype=dtype) if data else torch.empty(0, dtype=dtype)


def _array(stored: StoredArray) -> object:
    kind = stored.kind
    if not isinstance(kind, ArrayType) or not isinstance(stored.data, bytes | bytearray | str):
        return stored
    if not _PLAIN_ARRAY.fullmatch(kind.code):
        return stored
    dtype = np.dtype(kind.code).newbyteorder(kind.order)
    data = stored.data.encode("latin1") if isinstance(stored.data, str) else stored.data
    shape = stored.shape if isinstance(stored.shape, tuple) else ()
    array = np.frombuffer(data, dtype).reshape(shape, order="F" if stored.fortran else "C")
    return array.astype(dtype.newbyteorder("="), order="C")
