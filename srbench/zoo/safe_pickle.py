"""Execute the opcodes of a pickle of unknown origin within bounds on time, memory and nesting.

Python's C reader hashes keys, calls methods and copies values as the file asks. A file of 400 bytes can thereby keep it
busy for ever. This reader is Python's own slow one with the dangerous opcodes replaced.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import BinaryIO, ClassVar, cast

_REFUSED_OPCODES = frozenset({"EXT1", "EXT2", "EXT4", "NEXT_BUFFER", "READONLY_BUFFER"})
_FRAME_BYTES = 9
_PUTS = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})
# Python hashes integers modulo 2**61 - 1; larger ones can be chosen to collide.
_LARGEST_KEY = 1 << 60
# Calls may copy values of at most this multiple of the pickle's size; small pickles may copy this much.
_COPIES, _FREE_BYTES = 8, 1 << 20


class BoundedPickle(pickle._Unpickler):
    """Unpickle bytes whose opcodes `pickles_in` has checked; `find_class` maps names to objects.

    Dicts keep items with texts, small integers, booleans and None as keys; other items are dropped without being
    hashed. Sets become tuples. Raises UnpicklingError where the values that calls make outgrow the pickle.
    """

    stack: list[object]
    pop_mark: Callable[[], list[object]]
    read: Callable[[int], bytes]
    dispatch: ClassVar[dict[int, Callable[..., None]]] = dict(pickle._Unpickler.dispatch)

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data), encoding="latin1")
        self._left = _COPIES * len(data) + _FREE_BYTES

    def spend(self, value: object) -> None:
        """Count a copied value; raise UnpicklingError if the total size exceeds what real files need."""
        self._left -= 64 + (len(value) if isinstance(value, bytes | str | list | tuple | dict) else 0)
        if self._left < 0:
            raise pickle.UnpicklingError("it copies its values too often")

    def _load_reduce(self) -> None:
        arguments = cast(Iterable[object], self.stack.pop())
        function = cast(Callable[..., object], self.stack[-1])
        value = function(*arguments)
        self.spend(value)
        self.stack[-1] = value

    def _load_build(self) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if isinstance(target, Buildable):
            self.spend(state)
            target.__setstate__(state)
        else:
            raise pickle.UnpicklingError(f"a state for a {type(target).__name__}")

    def _load_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        _put(self.stack[-1], [key, value])

    def _load_setitems(self) -> None:
        items = self.pop_mark()
        _put(self.stack[-1], items)

    def _load_dict(self) -> None:
        items = self.pop_mark()
        found: dict[object, object] = {}
        _put(found, items)
        self.stack.append(found)

    def _load_append(self) -> None:
        value = self.stack.pop()
        _extend(self.stack[-1], [value])

    def _load_appends(self) -> None:
        items = self.pop_mark()
        _extend(self.stack[-1], items)

    def _load_empty_set(self) -> None:
        self.stack.append([])

    def _load_frozenset(self) -> None:
        self.stack.append(tuple(self.pop_mark()))

    def _load_bytearray(self) -> None:
        (size,) = struct.unpack("<Q", self.read(8))
        self.stack.append(self.read(size))

    dispatch[pickle.REDUCE[0]] = _load_reduce
    dispatch[pickle.BUILD[0]] = _load_build
    dispatch[pickle.SETITEM[0]] = _load_setitem
    dispatch[pickle.SETITEMS[0]] = _load_setitems
    dispatch[pickle.DICT[0]] = _load_dict
    dispatch[pickle.APPEND[0]] = _load_append
    dispatch[pickle.APPENDS[0]] = _load_appends
    dispatch[pickle.EMPTY_SET[0]] = _load_empty_set
    dispatch[pickle.ADDITEMS[0]] = _load_appends
    dispatch[pickle.FROZENSET[0]] = _load_frozenset
    dispatch[pickle.BYTEARRAY8[0]] = _load_bytearray


class Buildable:
    """The base class of stand-ins whose state a pickle may set."""

    __slots__ = ()

    def __setstate__(self, state: object) -> None:
        """Ignore the state."""


class Opaque(Buildable):
    """Stand-in for an object whose content is not needed; it accepts and drops everything."""

    def __new__(cls, *_: object, **__: object) -> Opaque:
        """Return an empty stand-in, whatever the arguments."""
        return object.__new__(cls)


class PlainDict(dict[object, object], Buildable):
    """Stand-in for every kind of dict; attributes that a pickle sets on it are dropped."""

    def __init__(self, items: object = (), *_: object, **__: object) -> None:
        super().__init__()
        pairs = items.items() if isinstance(items, Mapping) else items
        if isinstance(pairs, Iterable) and not isinstance(pairs, str | bytes):
            for pair in pairs:
                if isinstance(pair, list | tuple) and len(pair) == 2:
                    _put(self, pair)


def is_plain_key(key: object) -> bool:
    """Return whether a dict may hold this key: hashing it takes constant time and cannot be made to collide."""
    if isinstance(key, int):
        return -_LARGEST_KEY < key < _LARGEST_KEY
    return key is None or isinstance(key, str)


def _put(target: object, items: list[object] | tuple[object, ...]) -> None:
    if isinstance(target, dict):
        target.update((key, value) for key, value in zip(items[::2], items[1::2], strict=True) if is_plain_key(key))
    elif not isinstance(target, Opaque):
        raise pickle.UnpicklingError(f"an item for a {type(target).__name__}")


def _extend(target: object, items: list[object]) -> None:
    if isinstance(target, list):
        target.extend(items)
    elif not isinstance(target, Opaque):
        raise pickle.UnpicklingError(f"an item for a {type(target).__name__}")


def pickles_in(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the pickles of a stream one after the other, each checked opcode by opcode before anything is built.

    Raises ValueError or UnpicklingError for one that is cut short or would make the reader reserve memory at will.
    """
    size = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    source = cast(BinaryIO, _WithinFile(stream, size))
    while True:
        start, frames = stream.tell(), []
        for count, (opcode, argument, place) in enumerate(pickletools.genops(source)):
            if opcode.name in _REFUSED_OPCODES:
                raise pickle.UnpicklingError(f"the opcode {opcode.name}")
            # The memo has as many entries as its largest index, which never needs to exceed the number of opcodes.
            if opcode.name in _PUTS and int(cast(int, argument)) > count:
                raise pickle.UnpicklingError("a memo index beyond its entries")
            if opcode.name == "FRAME":
                frames.append(int(cast(int, place)))
        end = stream.tell()
        # Frames only announce sizes; they are removed, because a wrong one could end a value early in Python's reader.
        yield b"".join(_piece(stream, *piece) for piece in _between(frames, start, end))
        stream.seek(end)


class _WithinFile:
    """A stream whose reads reserve no more memory than the file has bytes left."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream, self._size = stream, size
        self.tell, self.readline = stream.tell, stream.readline

    def read(self, count: int) -> bytes:
        return self._stream.read(min(count, self._size - self._stream.tell()))


def _between(frames: list[int], start: int, end: int) -> Iterator[tuple[int, int]]:
    for frame in frames:
        yield start, frame
        start = frame + _FRAME_BYTES
    yield start, end


def _piece(stream: BinaryIO, start: int, end: int) -> bytes:
    stream.seek(start)
    return stream.read(end - start)
