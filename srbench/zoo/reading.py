"""Checkpoints: read without running code, unwrapped, renamed, and loaded strictly."""

from __future__ import annotations

import pickle
import pickletools
import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from srbench.errors import WeightsError, listed
from srbench.files import is_page

State = dict[str, Tensor]

_WRAPPERS = ("params_ema", "params", "state_dict", "model_state_dict", "model")
_PARALLEL_PREFIX = "module."
_HARMLESS = ("torch.", "collections.OrderedDict", "numpy.")
_SHOWN = 6
# What torch.load and safetensors were seen to raise on truncated and altered bytes, beside UnpicklingError.
_DAMAGE = (
    AssertionError,
    AttributeError,
    EOFError,
    IndexError,
    KeyError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    SafetensorError,
    TypeError,
    ValueError,
    struct.error,
)


@dataclass(frozen=True)
class Checkpoint:
    """The tensors of one file by key, on the CPU, with its wrapping taken off and what that wrapping was.

    `metadata` is the text record of a safetensors file; empty for every other kind.
    """

    path: Path
    state: State
    wrapping: tuple[str, ...]
    metadata: Mapping[str, str]


@dataclass(frozen=True)
class Mismatch:
    """How the keys and shapes of a checkpoint differ from those of a network; the keys are in the network's terms."""

    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    misshapen: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.missing or self.unexpected or self.misshapen)

    def __len__(self) -> int:
        return len(self.missing) + len(self.unexpected) + len(self.misshapen)

    def __str__(self) -> str:
        kinds = (("missing", self.missing), ("unexpected", self.unexpected), ("misshapen", self.misshapen))
        return "; ".join(f"{len(keys)} {kind}: {_some(keys)}" for kind, keys in kinds if keys) or "no difference"


def read_checkpoint(path: Path) -> Checkpoint:
    """Read `.safetensors`, or `.pth`/`.pt` with `weights_only=True` on the CPU; nothing in the file is ever run.

    Takes bare state dicts and those under `state_dict`, `params` or `params_ema` (preferred over `params`); a `module.`
    prefix goes only where every key has it. Raises WeightsError for all that is not a whole file of finite tensors.
    """
    if not path.is_file():
        raise WeightsError(f"expected a checkpoint file, found none at {path}; check the path")
    with path.open("rb") as stream:
        head = stream.read(512)
    if is_page(head):
        raise WeightsError(f"{path} is an HTML page, not a checkpoint; fetch the raw file, not the page that shows it")
    content, metadata = _read_safetensors(path) if _is_safetensors(head) else (read_pickled(path), {})
    state, wrapping = unwrap(content, path)
    _check_values(state, path)
    return Checkpoint(path, state, wrapping, metadata)


def unwrap(content: object, path: Path) -> tuple[State, tuple[str, ...]]:
    """The tensors by key inside what a file held, and the wrappers taken off on the way, outermost first."""
    wrapping: list[str] = []
    while isinstance(content, Mapping) and (inner := _wrapper(content)):
        wrapping.append(inner)
        content = content[inner]
    if not isinstance(content, Mapping) or not content:
        raise WeightsError(f"expected a state dict in {path}, got {_kind(content)}; save model.state_dict() instead")
    strange = [str(key) for key, value in content.items() if not (isinstance(key, str) and isinstance(value, Tensor))]
    if strange:
        raise WeightsError(f"expected only tensors by name in {path}; these are something else: {_some(strange)}")
    state = dict(content)
    if all(key.startswith(_PARALLEL_PREFIX) for key in state):
        wrapping.append(_PARALLEL_PREFIX)
        state = {key.removeprefix(_PARALLEL_PREFIX): value for key, value in state.items()}
    return state, tuple(wrapping)


def compare(state: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> Mismatch:
    """How `state` differs from the tensors that a network expects, by key and shape."""
    misshapen = [
        f"{key} {_shape(state[key])} for {_shape(tensor)}"
        for key, tensor in expected.items()
        if key in state and _shape(state[key]) != _shape(tensor)
    ]
    return Mismatch(
        missing=tuple(key for key in expected if key not in state),
        unexpected=tuple(key for key in state if key not in expected),
        misshapen=tuple(misshapen),
    )


def _wrapper(content: Mapping[object, object]) -> str | None:
    return next((name for name in _WRAPPERS if isinstance(content.get(name), Mapping)), None)


def _is_safetensors(head: bytes) -> bool:
    # Eight bytes of header length, then JSON; no pickle and no zip archive starts like that.
    return len(head) > 8 and head[8:9] == b"{" and not head.startswith(b"PK")


def _read_safetensors(path: Path) -> tuple[State, dict[str, str]]:
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118 (not a dict)
    except _DAMAGE as error:
        raise _damaged(path, error) from error


def read_pickled(path: Path) -> object:
    """What `torch.save` wrote, on the CPU, without running any of it; the archive's checksums are held to.

    Raises WeightsError for a file that is damaged, cut short, something else, or would run code.
    """
    try:
        _require_checksums(path)
        with warnings.catch_warnings():
            # torch warns of the pickle's protocol; whether the file is good is said below.
            warnings.simplefilter("ignore")
            content: object = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, zipfile.BadZipFile, zlib.error, *_DAMAGE) as error:
        if code := _code_in(path):
            raise WeightsError(
                f"{path} would run code when unpickled ({_some(code)}), which srbench never does; "
                "ask its publisher for a file of tensors alone, best a .safetensors"
            ) from error
        raise _damaged(path, error) from error
    return content


def _require_checksums(path: Path) -> None:
    """torch does not look at them; a flipped bit in a weight would go unseen."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if broken := archive.testzip():
                raise ValueError(f"the checksum of {broken} is another")


def _damaged(path: Path, error: Exception) -> WeightsError:
    # torch's own words on a refused pickle are in colour, and advise to run it.
    refused = isinstance(error, pickle.UnpicklingError)
    told = "its pickle holds more or less than tensors" if refused else str(error).strip().partition("\n")[0]
    reason = _plain(told) or type(error).__name__
    return WeightsError(
        f"{path} is damaged, cut short or no checkpoint ({path.stat().st_size} bytes): {reason}; fetch it again"
    )


def _code_in(path: Path) -> list[str]:
    """The functions and classes that a pickle names and that are not those of plain tensors; nothing is run."""
    try:
        with warnings.catch_warnings():
            # Damaged strings make the disassembler warn of their escapes.
            warnings.simplefilter("ignore")
            return sorted(
                {name for data in _pickles(path) for name in _globals(data) if not name.startswith(_HARMLESS)}
            )
    except (zipfile.BadZipFile, zlib.error, *_DAMAGE):
        return []


def _pickles(path: Path) -> Iterator[bytes]:
    if not zipfile.is_zipfile(path):
        yield path.read_bytes()
        return
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.endswith(".pkl"):
                yield archive.read(name)


def _globals(data: bytes) -> Iterator[str]:
    strings: list[str] = []
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name == "GLOBAL":
            yield str(argument).replace(" ", ".")
        elif opcode.name == "STACK_GLOBAL":
            yield ".".join(strings[-2:])
        elif isinstance(argument, str):
            strings.append(argument)


def _check_values(state: State, path: Path) -> None:
    for key, tensor in state.items():
        if not bool(torch.isfinite(tensor).all()):
            raise WeightsError(
                f"{path} has values that are not finite in {_plain(key)}; the training or the file went wrong"
            )


def _kind(content: object) -> str:
    return "an empty dict" if isinstance(content, Mapping) else f"a {type(content).__name__}"


def _shape(tensor: Tensor) -> str:
    kind = "" if tensor.is_floating_point() else f" of {tensor.dtype}"
    return ("×".join(str(size) for size in tensor.shape) or "scalar") + kind


def _some(names: list[str] | tuple[str, ...]) -> str:
    return listed([*map(_plain, names)], _SHOWN)


def _plain(text: str) -> str:
    """A stranger's text as a terminal may show it."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:200]
