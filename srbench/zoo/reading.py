"""Checkpoints: read without running code, unwrapped, renamed, and loaded strictly."""

from __future__ import annotations

import hashlib
import json
import pickle
import struct
import warnings
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from srbench.errors import WeightsError, listed
from srbench.fetch import is_page
from srbench.zoo.torchfiles import MOST_DIMENSIONS, MOST_TENSORS, CodeError, ProgramError, load_content
from srbench.zoo.wrapping import CheckpointView, State, preferred, tensors_of, unwrapped, views_of

CHECKSUM_KEY = "tensors_sha256"
"""The entry of a safetensors file's metadata record with the hash of its tensors; most files have none."""

RECORD_KEY = "srbench"
"""The entry of a safetensors file's metadata that holds srbench's record as JSON."""

_SHOWN = 6
_SAFE_DTYPES = frozenset({"BOOL", "U8", "I8", "I16", "I32", "I64", "F16", "BF16", "F32", "F64"})
# Exceptions that the readers raised for truncated and changed bytes, in addition to UnpicklingError.
_DAMAGE = (
    AssertionError,
    AttributeError,
    EOFError,
    IndexError,
    KeyError,
    MemoryError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    SafetensorError,
    TypeError,
    ValueError,
    pickle.UnpicklingError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True)
class Checkpoint:
    """The tensors of one file by key, on the CPU, once for each way to remove its wrappers and prefixes.

    `views` are those ways, the preferred one first; the last one has the keys as they are stored. `metadata` is the
    text record of a safetensors file; empty for every other kind.
    """

    path: Path
    views: tuple[CheckpointView, ...]
    metadata: Mapping[str, str]

    @property
    def state(self) -> State:
        """The tensors by key, without any known wrapper or prefix."""
        return preferred(self.views).state

    @property
    def wrapping(self) -> tuple[str, ...]:
        """The wrappers and prefixes that were removed for `state`, outermost first."""
        return preferred(self.views).wrapping


@dataclass(frozen=True)
class Mismatch:
    """The differences between keys and shapes of a checkpoint and of a network; keys are the network's."""

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
    """Read a checkpoint of any common kind on the CPU; nothing in the file is ever run.

    Kinds, whatever the file is called: safetensors, both formats of `torch.save`, and `pickle.dump`, all pickle
    protocols. The weights may be wrapped (`params_ema`, `state_dict`, `netG` …) and prefixed (`module.`, `model.` …),
    next to numbers, texts, arrays and the state of an optimizer. Raises WeightsError for a file that is missing,
    damaged, would run code, or holds no finite tensors.
    """
    if not path.is_file():
        raise WeightsError(f"expected a checkpoint file, found none at {path}; check the path")
    with path.open("rb") as stream:
        head = stream.read(512)
    if is_page(head):
        raise WeightsError(f"{path} is an HTML page, not a checkpoint; fetch the raw file, not the page that shows it")
    content, metadata = _read_safetensors(path) if _is_safetensors(head) else (read_pickled(path), {})
    state, wrapping = unwrap(content, path)
    try:
        _check_values(state, path)
        _check_hash(content, metadata, path)
        return Checkpoint(path, views_of(state, wrapping), metadata)
    except _DAMAGE as error:
        raise _damaged(path, error) from error


def tensors_sha256(state: Mapping[str, Tensor]) -> str:
    """Return the hash of names, types, shapes and bytes of tensors on the CPU, independent of their order."""
    found = hashlib.sha256()
    for key in sorted(state):
        tensor = state[key]
        found.update(f"{key} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        found.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def unwrap(content: object, path: Path) -> tuple[State, tuple[str, ...]]:
    """Return the tensors by key inside what a file held, and the wrappers around them, outermost first."""
    inner, wrapping = unwrapped(content)
    if not isinstance(inner, Mapping) or not inner:
        raise WeightsError(f"expected a state dict in {path}, got {_kind(inner)}; save model.state_dict() instead")
    state = tensors_of(inner)
    if not state:
        raise WeightsError(
            f"expected tensors by name in {path}, got a dict of {_some([str(key) for key in inner])} with none or with "
            "several sets of weights in it; save the network's model.state_dict() alone"
        )
    return state, wrapping


def _check_hash(content: object, metadata: Mapping[str, str], path: Path) -> None:
    try:
        record = json.loads(metadata.get(RECORD_KEY, "{}"))
    except (ValueError, RecursionError):
        return  # reported by the reader of the record
    expected = record.get(CHECKSUM_KEY) if isinstance(record, dict) else None
    if expected is not None and expected != tensors_sha256(cast(Mapping[str, Tensor], content)):
        raise WeightsError(f"{path}: expected the tensors that its checksum describes, got others; copy the file again")


def compare(state: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> Mismatch:
    """Return how `state` differs from the tensors that a network expects, by key and shape."""
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


def _is_safetensors(head: bytes) -> bool:
    # Eight bytes of header length, then JSON; no pickle and no zip archive starts like that.
    return len(head) > 8 and head[8:9] == b"{" and not head.startswith(b"PK")


def _read_safetensors(path: Path) -> tuple[State, dict[str, str]]:
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            keys = list(file.keys())
            if len(keys) > MOST_TENSORS:
                raise ValueError(f"more than {MOST_TENSORS:,} tensors")
            for key in keys:
                layout = file.get_slice(key)
                if layout.get_dtype() not in _SAFE_DTYPES or len(layout.get_shape()) > MOST_DIMENSIONS:
                    raise ValueError(f"a tensor of {layout.get_dtype()} with {len(layout.get_shape())} dimensions")
            return {key: file.get_tensor(key) for key in keys}, dict(file.metadata() or {})
    except _DAMAGE as error:
        raise _damaged(path, error) from error


def read_pickled(path: Path) -> object:
    """Return the content of a file of `torch.save` or `pickle.dump`, on the CPU, without running its code.

    Raises WeightsError for a file that is damaged, cut short, something else, or would run code.
    """
    try:
        with warnings.catch_warnings():
            # The disassembler warns about escapes in damaged texts of a pickle.
            warnings.simplefilter("ignore")
            return load_content(path)
    except CodeError as error:
        raise WeightsError(
            f"{path} would run code when unpickled ({_some(error.names)}), which srbench never does; "
            "ask its publisher for a file of tensors alone (model.state_dict()), best a .safetensors"
        ) from error
    except ProgramError as error:
        raise WeightsError(
            f"{path} is a TorchScript program, which srbench never runs; expected weights: "
            "save model.state_dict() of the network that it was made from"
        ) from error
    except _DAMAGE as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> WeightsError:
    reason = _plain(str(error).strip().partition("\n")[0]) or type(error).__name__
    return WeightsError(
        f"{path} is damaged, cut short or no checkpoint ({path.stat().st_size} bytes): {reason}; fetch it again"
    )


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
    """Return untrusted text in a form that is safe in a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:200]
