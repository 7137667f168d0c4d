"""Read files of `torch.save` (both formats) and of `pickle.dump` as plain containers with tensors; nothing is run."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import torch
from torch import Tensor

from srbench.zoo.inert import (
    ArrayType,
    InertUnpickler,
    PlainDict,
    StorageKind,
    StoredArray,
    StoredTensor,
    StoredValues,
    pickles_in,
)

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001
# A tensor may repeat stored values (stride 0), but a small file must not unfold into all memory.
_MOST_REPEATED = 1 << 24
_PLAIN_ARRAYS = "biufc"


class CodeError(Exception):
    """A pickle that names functions or classes which are more than data; `names` are those."""

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
        return _load_stream(stream)


def _load_zip(path: Path) -> object:
    with zipfile.ZipFile(path) as archive:
        if broken := archive.testzip():
            raise ValueError(f"the checksum of {broken} differs")
        names = archive.namelist()
        if any(name.endswith("/constants.pkl") for name in names):
            raise ProgramError
        # torch stores without compression: what is unpacked is never larger than the file.
        if any(item.compress_type != zipfile.ZIP_STORED for item in archive.infolist()):
            raise ValueError("its archive is compressed, which torch.save never does")
        (pickled,) = [name for name in names if name.rpartition("/")[2] == "data.pkl"]
        folder = pickled.removesuffix("data.pkl")
        if f"{folder}byteorder" in names and archive.read(f"{folder}byteorder") != b"little":
            raise ValueError("its numbers are in big-endian order")
        tree = _unpickled(archive.read(pickled))
        return _Materials(lambda key: archive.read(f"{folder}data/{key}")).of(tree)


def _load_stream(stream: BinaryIO) -> object:
    pickles = pickles_in(stream)
    first = _unpickled(next(pickles))
    if first != _LEGACY_MAGIC:
        return _Materials(_nothing_stored).of(first)
    if _unpickled(next(pickles)) != _LEGACY_PROTOCOL:
        raise ValueError("its format is newer than protocol 1001")
    system = cast(Mapping[str, object], _unpickled(next(pickles)))
    if not system["little_endian"]:
        raise ValueError("its numbers are in big-endian order")
    tree = _unpickled(next(pickles))
    keys = [str(key) for key in cast(list[object], _unpickled(next(pickles)))]
    widths = {values.key: values.dtype.itemsize for values in _references(tree)}
    data = {key: _counted_block(stream, widths[key]) for key in keys}
    return _Materials(data.__getitem__).of(tree)


def _counted_block(stream: BinaryIO, width: int) -> bytes:
    (count,) = struct.unpack("<q", stream.read(8))
    size = count * width
    data = stream.read(size) if size >= 0 else b""
    if len(data) != size:
        raise EOFError("its numbers end early")
    return data


def _unpickled(data: bytes) -> object:
    reader = InertUnpickler(data, from_bytes=_nested_values)
    try:
        tree: object = reader.load()
    except Exception as error:
        if reader.refused:
            raise CodeError(reader.refused) from error
        raise
    if reader.refused:
        raise CodeError(reader.refused)
    return tree


def _nested_values(data: bytes) -> object:
    """Return the elements that `pickle.dump` stored as a file of `torch.save` inside the pickle."""
    pickles = pickles_in(stream := io.BytesIO(data))
    head = [_unpickled(next(pickles)) for _ in range(5)]
    if head[0] != _LEGACY_MAGIC:
        raise ValueError("a nested file of another format")
    values = head[3]
    if not isinstance(values, StoredValues):
        return values
    content = _counted_block(stream, values.dtype.itemsize)
    return StoredValues(values.dtype, values.key, values.count, values.first, content)


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

    def __init__(self, read: Callable[[str], bytes]) -> None:
        self._read = read
        self._stored: dict[tuple[str, torch.dtype], Tensor] = {}

    def of(self, tree: object) -> object:
        """Return the tree with its tensors."""
        if isinstance(tree, StoredTensor):
            return self._tensor(tree)
        if isinstance(tree, StoredArray):
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
        values = self._values(stored.values, stored.dtype)
        count = 1
        for side in stored.size:
            count *= side
        if count > max(values.numel(), _MOST_REPEATED):
            raise ValueError(f"a tensor announces {count} values and stores {values.numel()}")
        return values.as_strided(stored.size, stored.stride, stored.offset).contiguous()

    def _values(self, values: StoredValues, dtype: torch.dtype) -> Tensor:
        place = (values.key, dtype)
        if values.data is not None:
            return _numbers(values.data, dtype)
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
    dtype = np.dtype(kind.code).newbyteorder(kind.order)
    if dtype.kind not in _PLAIN_ARRAYS:
        return stored
    data = stored.data.encode("latin1") if isinstance(stored.data, str) else stored.data
    shape = stored.shape if isinstance(stored.shape, tuple) else ()
    array = np.frombuffer(data, dtype).reshape(shape, order="F" if stored.fortran else "C")
    return array.astype(dtype.newbyteorder("="), order="C")
