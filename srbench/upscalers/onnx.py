"""`onnx:FILE`: a super-resolution network as an ONNX file, run by onnxruntime (the extra `onnx`)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from srbench.errors import UpscalerError
from srbench.spec_paths import recorded_path
from srbench.upscalers.adapters import network_channels
from srbench.upscalers.base import Identity, Options, Upscaler, require_not_optimised
from srbench.upscalers.onnx_bounds import check_bounds, count_stored_values, printable
from srbench.upscalers.tensors import TensorUpscaler, Window, is_want_of_memory, pick_device
from srbench.upscalers.tiling import window_overlap

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from onnx import ModelProto
    from onnxruntime import InferenceSession, NodeArg


def open_onnx(file: str, scale: int, options: Options) -> Upscaler:
    """The upscaler of an ONNX file: one input N×3×H×W, or N×1×H×W with `options.luma`; N×C×sH×sW out.

    The input is float32, float16 or float64. Where its height or width is fixed, images are computed in tiles of that
    size. Of several outputs `options.output_name` is the SR image.

    Raises:
        UpscalerError: no such file, no ONNX model, another input, weights outside of the file, low precision or
            optimisation, or onnx and onnxruntime are not installed.
    """
    path = Path(file)
    if not path.is_file():
        raise UpscalerError(f"onnx:{file}: expected an ONNX file, found none; check the path")
    _require_plain(f"onnx:{file}", options)
    device = pick_device(options.device)
    model = path.read_bytes()
    read = _parsed(model, path)
    try:
        _require_one_file(read, path)
        check_bounds(read, path)
        session = _session(model, path, device)
        source = _source(session.get_inputs(), path, options)
        target = _target([output.name for output in session.get_outputs()], path, options.output_name)
    except UnicodeDecodeError as error:
        raise UpscalerError(
            f"onnx:{path}: expected names in UTF-8, got others ({error.reason}); export it again"
        ) from error

    def run(lr: Tensor) -> object:
        try:
            (sr,) = session.run([target], {source.name: lr.cpu().to(source.dtype).numpy()})
        except Exception as error:
            if is_want_of_memory(error):
                raise
            # onnxruntime raises many kinds of errors, each with a text of the file in it.
            raise UpscalerError(
                f"onnx:{path}: expected a network that onnxruntime can run, got {printable(str(error))}; "
                "export it again"
            ) from error
        return torch.from_numpy(sr) if isinstance(sr, np.ndarray) and sr.dtype.kind in "biufc" else sr

    details = {"runtime": session.get_providers()[0], "weights_file": path.name, **_window_details(source.window)}
    sha256, stored = hashlib.sha256(model).hexdigest(), count_stored_values(read)
    identity = Identity(f"onnx:{recorded_path(file)}", sha256, stored, details)
    # The name selects the output here, so that the session returns only this one.
    upscaler = TensorUpscaler(
        run, identity, scale=scale, options=replace(options, output_name=None), window=source.window
    )
    upscaler.options = options
    return upscaler


@dataclass(frozen=True)
class _Source:
    """The input of an ONNX model."""

    name: str
    dtype: torch.dtype
    window: Window


_DTYPES = {"tensor(float)": torch.float32, "tensor(float16)": torch.float16, "tensor(double)": torch.float64}


def _require_plain(spec: str, options: Options) -> None:
    require_not_optimised(spec, options)
    if options.precision != "fp32":
        raise UpscalerError(
            f"{spec}: expected --precision fp32, got {options.precision}; an ONNX file fixes the precision itself: "
            "convert the file to float16 instead"
        )


def _window_details(window: Window) -> dict[str, object]:
    """Return the facts about an input of fixed size for the record."""
    if window == (None, None):
        return {}
    return {"input_size": list(window), "tile_overlap": [size and window_overlap(size) for size in window]}


def _session(model: bytes, path: Path, device: torch.device) -> InferenceSession:
    try:
        # Inside the function: onnxruntime is an extra.
        import onnxruntime
    except ImportError as error:
        raise UpscalerError(
            f"onnx:{path}: onnxruntime is not installed ({error}); pip install 'sisr-bench[onnx]'"
        ) from error
    provider = "CUDAExecutionProvider" if device.type == "cuda" else "CPUExecutionProvider"
    if provider not in onnxruntime.get_available_providers():
        raise UpscalerError(
            f"onnx:{path}: this onnxruntime cannot use {device}; install onnxruntime-gpu, or --device cpu"
        )
    quiet = onnxruntime.SessionOptions()
    quiet.log_severity_level = 4  # errors are raised, and their texts may come from the file
    try:
        return onnxruntime.InferenceSession(model, quiet, providers=[provider])
    except Exception as error:  # onnxruntime raises many kinds of errors
        reason = _newer(str(error), onnxruntime.__version__) or printable(str(error).partition("\n")[0])
        raise UpscalerError(f"onnx:{path}: expected an ONNX model that onnxruntime can run; {reason}") from error


def _newer(message: str, version: str) -> str | None:
    """Return in plain words onnxruntime's error about a model that is too new; None for other errors."""
    opset = re.search(r"Opset (\d+) is under development.*domain (\S+) is till opset (\d+)", message)
    layout = re.search(r"Unsupported model IR version: (\d+), max supported IR version: (\d+)", message)
    if opset:
        got, known = f"opset {opset[1]} of {opset[2]}", f"opset {opset[3]}"
    elif layout:
        got, known = f"IR version {layout[1]}", f"IR version {layout[2]}"
    else:
        return None
    return (
        f"it uses {got}, and onnxruntime {version} knows up to {known}; "
        f"install a newer onnxruntime, or export the model with {known}"
    )


def _parsed(model: bytes, path: Path) -> ModelProto:
    """Return the model as onnx reads it. Raises UpscalerError for another format."""
    try:
        # Inside the function: onnx comes with the same extra.
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError as error:
        raise UpscalerError(f"onnx:{path}: onnx is not installed ({error}); pip install 'sisr-bench[onnx]'") from error
    try:
        return onnx.load_from_string(model)
    except DecodeError as error:
        raise UpscalerError(f"onnx:{path}: expected an ONNX model, got another format ({error})") from error


def _require_one_file(read: ModelProto, path: Path) -> None:
    """Refuse weights in other files, because the hash of this file, which identifies a run, does not cover them."""
    # Inside the function: onnx is an extra.
    import onnx

    if any(getattr(part, "data_location", None) == onnx.TensorProto.EXTERNAL for part in _parts(read)):
        joined = path.with_stem(f"{path.stem}-complete").name
        raise UpscalerError(
            f"onnx:{path}: expected all weights in this file, whose hash identifies the run, got some "
            "in another file; put them together with "
            f"python -c \"import onnx; onnx.save(onnx.load('{path.name}'), '{joined}')\""
        )


def _parts(message: Message) -> Iterator[Message]:
    """Yield a protobuf message and all messages inside it."""
    yield message
    for field, value in message.ListFields():
        if field.message_type is not None:
            for part in [value] if hasattr(value, "ListFields") else value:
                yield from _parts(part)


def _source(inputs: list[NodeArg], path: Path, options: Options) -> _Source:
    """Return the only input, after checking that its channels agree with the adapters."""
    if len(inputs) != 1:
        names = printable(", ".join(str(each.name) for each in inputs))
        raise UpscalerError(f"onnx:{path}: expected one input, the image, got {names}; export the others as constants")
    shape, kind = list(inputs[0].shape), inputs[0].type
    found = printable(str(shape))
    if kind not in _DTYPES or len(shape) != 4:
        raise UpscalerError(
            f"onnx:{path}: expected a floating input N×C×H×W, got {kind} {found}; export it with such an input"
        )
    if isinstance(shape[0], int) and shape[0] != 1:
        raise UpscalerError(f"onnx:{path}: expected a batch of 1 or of any size, got {found}; export it with one")
    channels = network_channels(options)
    if isinstance(shape[1], int) and shape[1] != channels:
        advice = {1: "use --luma for a network of the Y channel", 3: "leave out --luma"}.get(shape[1])
        raise UpscalerError(
            f"onnx:{path}: expected an input of {channels} channels, N×C×H×W, got {found}; "
            f"{advice or 'export it with such an input'}"
        )
    height, width = (side if isinstance(side, int) else None for side in shape[2:])
    return _Source(str(inputs[0].name), _DTYPES[kind], (height, width))


def _target(outputs: list[str], path: Path, wanted: str | None) -> str:
    """Return the name of the output that is the SR image."""
    if wanted in outputs or (wanted is None and len(outputs) == 1):
        return wanted or outputs[0]
    got = "no --output-name" if wanted is None else repr(wanted)
    raise UpscalerError(
        f"onnx:{path}: expected an --output-name out of its outputs {printable(', '.join(outputs))}, got {got}; "
        "choose one of them"
    )
