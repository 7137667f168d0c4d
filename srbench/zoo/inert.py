"""Unpickle files of unknown origin as plain data: no class or function that a file names is imported or called.

A pickle names the functions that rebuild its objects. Here each such name stands for one of the small functions of
this module, which only record sizes, types and bytes, or for `Opaque`, which keeps nothing. Names outside the lists
are collected, so that the caller can refuse the file and print them.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, cast

import torch

from srbench.zoo.safe_pickle import BoundedPickle, Buildable, Opaque, PlainDict

# Objects of these packages hold settings and counters; they are skipped, never rebuilt.
_HARMLESS = (
    "argparse.Namespace",
    "collections.deque",
    "copyreg.__newobj__",
    "datetime.",
    "lightning_fabric.",
    "lightning_utilities.",
    "numpy.",
    "omegaconf.",
    "pathlib.",
    "pytorch_lightning.",
    "lightning.",
    "random.Random",
    "torch.device",
    "torch.layout",
    "torch.optim.",
    "torch.serialization._get_layout",
    "torch._utils._rebuild_",
    "types.SimpleNamespace",
    "uuid.UUID",
)
_MAPPINGS = (
    "addict.addict.Dict",
    "builtins.dict",
    "collections.Counter",
    "collections.OrderedDict",
    "easydict.EasyDict",
    "lightning_fabric.utilities.data.AttributeDict",
    "lightning.fabric.utilities.data.AttributeDict",
    "mmengine.config.config.ConfigDict",
    "pytorch_lightning.utilities.parsing.AttributeDict",
    "yacs.config.CfgNode",
)
_STORAGES = {
    "BFloat16Storage": torch.bfloat16,
    "BoolStorage": torch.bool,
    "ByteStorage": torch.uint8,
    "CharStorage": torch.int8,
    "ComplexDoubleStorage": torch.complex128,
    "ComplexFloatStorage": torch.complex64,
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "IntStorage": torch.int32,
    "LongStorage": torch.int64,
    "ShortStorage": torch.int16,
    "UntypedStorage": torch.uint8,
}
DTYPES = frozenset(_STORAGES.values())
"""The element types that weights may have; quantised and 8-bit floating types are refused."""


@dataclass(frozen=True, slots=True)
class StorageKind:
    """The name of a storage class: the dtype of its elements."""

    dtype: torch.dtype


@dataclass(frozen=True, slots=True)
class StoredValues:
    """Elements that are stored under `key` in the file, or here as `data`; `first` and `count` in elements."""

    dtype: torch.dtype
    key: str
    count: int
    first: int = 0
    data: bytes | None = None


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor that is not read yet; `offset`, `size` and `stride` in elements."""

    values: StoredValues
    dtype: torch.dtype
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


class ArrayType(Buildable):
    """A NumPy dtype, as its short code (`f4`) and byte order."""

    __slots__ = ("code", "order")

    def __init__(self, code: object = "", *_: object) -> None:
        self.code = str(code)
        self.order: Literal["<", ">"] = "<"

    def __setstate__(self, state: object) -> None:
        """Take the byte order; everything else follows from the code."""
        self.order = ">" if cast(tuple[object, ...], state)[1] == ">" else "<"


class StoredArray(Buildable):
    """A NumPy array, or with `shape` () a NumPy scalar, that is not read yet."""

    __slots__ = ("data", "fortran", "kind", "shape")

    def __init__(self, kind: object = None, data: object = b"", shape: object = (), order: object = "C") -> None:
        self.kind, self.data, self.shape, self.fortran = kind, data, shape, order == "F"

    def __setstate__(self, state: object) -> None:
        """Take (version, shape, dtype, column order, bytes), NumPy's own state of an array."""
        *_, self.shape, self.kind, fortran, self.data = cast(tuple[object, ...], state)
        self.fortran = bool(fortran)


class Builder(Buildable):
    """A wrapper of a function that pickles may call; a pickle cannot set attributes on it."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., object]) -> None:
        self._function = function

    def __call__(self, *args: object) -> object:
        """Call the wrapped function."""
        return self._function(*args)

    def __setstate__(self, state: object) -> None:
        """Refuse: a pickle must not change a function."""
        raise pickle.UnpicklingError("a state for a function")


class InertUnpickler(BoundedPickle):
    """Unpickle one checked pickle; `refused` has the names of functions and classes that are on no list.

    `from_bytes` reads a nested file, which is how `pickle.dump` stores a tensor.
    """

    def __init__(self, data: bytes, *, from_bytes: Callable[[bytes], object]) -> None:
        super().__init__(data)
        self.refused: set[str] = set()

        def counted(nested: bytes) -> object:
            self.spend(nested)
            return from_bytes(nested)

        self._from_bytes = Builder(counted)

    def find_class(self, module: str, name: str) -> object:
        """Return the stand-in for a name; the module is not imported."""
        place = {"__builtin__": "builtins", "copy_reg": "copyreg"}.get(module, module)
        full = f"{place.replace('numpy._core', 'numpy.core')}.{name}"
        if full == "torch.storage._load_from_bytes":
            return self._from_bytes
        found = _BUILDERS.get(full) or _torch_name(place, name)
        if found is None and not full.startswith(_HARMLESS):
            self.refused.add(full)
        return Opaque if found is None else found

    def persistent_load(self, pid: object) -> object:
        """Return a reference to stored elements from torch's (storage, class, key, device, count[, view])."""
        if not isinstance(pid, tuple) or len(pid) < 5 or pid[0] != "storage" or not isinstance(pid[1], StorageKind):
            raise pickle.UnpicklingError("a reference to something else than a tensor's elements")
        first, count = (int(pid[5][1]), int(pid[5][2])) if len(pid) > 5 and pid[5] else (0, int(pid[4]))
        return StoredValues(pid[1].dtype, str(pid[2]), count, first)


def _torch_name(module: str, name: str) -> object | None:
    if module in {"torch", "torch.cuda", "torch.storage"} and name in _STORAGES:
        return StorageKind(_STORAGES[name])
    # From the module's own dictionary: torch's __getattr__ would import what it is asked for.
    dtype = vars(torch).get(name) if module == "torch" else None
    return dtype if isinstance(dtype, torch.dtype) and dtype in DTYPES else None


def _tensor(values: StoredValues, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: object) -> object:
    return StoredTensor(values, values.dtype, offset, tuple(size), tuple(stride))


def _typed_tensor(
    values: StoredValues, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *rest: object
) -> object:
    dtype = rest[2]
    return StoredTensor(values, cast(torch.dtype, dtype), offset, tuple(size), tuple(stride))


def _first(value: object, *_: object) -> object:
    return value


def _of_subclass(build: Callable[..., object], _: object, args: tuple[object, ...], *__: object) -> object:
    return build(*args) if isinstance(build, Builder) else Opaque()


def _encoded(text: str, encoding: str = "latin1") -> bytes:
    return text.encode("latin1" if encoding.replace("-", "") == "latin1" else "utf-8")


def _mutable_bytes(data: object = b"", encoding: str = "latin1") -> bytes:
    return _encoded(data, encoding) if isinstance(data, str) else cast(bytes, data)


def _tuple(items: object = ()) -> tuple[object, ...]:
    return tuple(items) if isinstance(items, list | tuple | set | frozenset) else ()


def _array_from_buffer(data: object, kind: object, shape: object, order: object = "C", axes: object = None) -> object:
    # NumPy writes `axes` only for arrays in neither row nor column order.
    return StoredArray(kind, data, shape, order) if axes is None else Opaque()


_BUILDERS: dict[str, object] = {
    **dict.fromkeys(_MAPPINGS, PlainDict),
    "_codecs.encode": Builder(_encoded),
    "builtins.bytearray": Builder(_mutable_bytes),
    "builtins.complex": Builder(lambda *_: Opaque()),
    "builtins.frozenset": Builder(_tuple),
    "builtins.list": Builder(lambda items=(): list(_tuple(items))),
    "builtins.object": Opaque,
    "builtins.set": Builder(_tuple),
    "builtins.slice": Builder(lambda *_: Opaque()),
    "builtins.tuple": Builder(_tuple),
    "collections.defaultdict": Builder(lambda *_: PlainDict()),
    "copyreg._reconstructor": Builder(lambda *_: Opaque()),
    "numpy.core.multiarray._reconstruct": Builder(lambda *_: StoredArray()),
    "numpy.core.multiarray.scalar": Builder(lambda kind, data=b"": StoredArray(kind, data)),
    "numpy.core.numeric._frombuffer": Builder(_array_from_buffer),
    "numpy.dtype": Builder(ArrayType),
    "numpy.ndarray": Builder(lambda *_: StoredArray()),
    "torch.Size": Builder(_tuple),
    "torch._tensor._rebuild_from_type_v2": Builder(_of_subclass),
    "torch._utils._rebuild_device_tensor_from_numpy": Builder(_first),
    "torch._utils._rebuild_parameter": Builder(_first),
    "torch._utils._rebuild_parameter_with_state": Builder(_first),
    "torch._utils._rebuild_tensor": Builder(_tensor),
    "torch._utils._rebuild_tensor_v2": Builder(_tensor),
    "torch._utils._rebuild_tensor_v3": Builder(_typed_tensor),
}
