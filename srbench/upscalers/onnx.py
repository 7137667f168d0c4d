"""`onnx:FILE`: a super-resolution network as an ONNX file, run by onnxruntime (the extra `onnx`)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from srbench.errors import UpscalerError
from srbench.upscalers.base import Identity, Options, Upscaler, require_plain_arithmetic
from srbench.upscalers.tensors import TensorUpscaler, pick_device


def open_onnx(file: str, scale: int, options: Options) -> Upscaler:
    """The upscaler of an ONNX file: float32 N×3×H×W RGB in [0, 1] in, N×3×sH×sW out, H and W dynamic.

    Raises:
        UpscalerError: no such file, no ONNX model, a fixed size, another number of channels or another type, weights
            outside of the file, or onnx and onnxruntime are not installed.
    """
    path = Path(file)
    if not path.is_file():
        raise UpscalerError(f"onnx:{file}: expected an ONNX file, found none; check the path")
    require_plain_arithmetic(f"onnx:{file}", options, "fixed in the file")
    device = pick_device(options.device)
    model = path.read_bytes()
    _require_one_file(model, path)
    session = _session(model, path, device)
    source = _single_input(session, path)

    def forward(lr: Tensor) -> Tensor:
        (sr,) = session.run([session.get_outputs()[0].name], {source: lr.cpu().numpy()})
        return torch.from_numpy(sr).to(lr.device)

    details = {"runtime": session.get_providers()[0], "weights_file": path.name}
    identity = Identity(f"onnx:{file}", hashlib.sha256(model).hexdigest(), None, details)
    return TensorUpscaler(forward, identity, scale=scale, options=options)


def _session(model: bytes, path: Path, device: torch.device) -> Any:
    try:
        # Inside the function: onnxruntime is an extra.
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as failures
    except ImportError as error:
        raise UpscalerError(
            f"onnx:{path}: onnxruntime is not installed ({error}); pip install 'srbench[onnx]'"
        ) from error
    provider = "CUDAExecutionProvider" if device.type == "cuda" else "CPUExecutionProvider"
    if provider not in onnxruntime.get_available_providers():
        raise UpscalerError(
            f"onnx:{path}: this onnxruntime cannot use {device}; install onnxruntime-gpu, or --device cpu"
        )
    try:
        return onnxruntime.InferenceSession(model, providers=[provider])
    except (
        failures.Fail,
        failures.InvalidArgument,
        failures.InvalidProtobuf,
        failures.InvalidGraph,
        failures.NotImplemented,
    ) as error:
        reason = str(error).partition("\n")[0]
        raise UpscalerError(f"onnx:{path}: expected an ONNX model that onnxruntime can run; {reason}") from error


def _require_one_file(model: bytes, path: Path) -> None:
    """A run is known by the hash of this file: weights in others could change unnoticed."""
    try:
        # Inside the function: onnx comes with the same extra.
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError as error:
        raise UpscalerError(f"onnx:{path}: onnx is not installed ({error}); pip install 'srbench[onnx]'") from error
    try:
        read = onnx.load_from_string(model)
    except DecodeError as error:
        raise UpscalerError(f"onnx:{path}: expected an ONNX model, got another format ({error})") from error
    if any(getattr(part, "data_location", None) == onnx.TensorProto.EXTERNAL for part in _parts(read)):
        whole = path.with_stem(f"{path.stem}-whole").name
        raise UpscalerError(
            f"onnx:{path}: expected all weights in this file, whose hash the run is known by, got some "
            "in another beside it; put them together with "
            f"python -c \"import onnx; onnx.save(onnx.load('{path.name}'), '{whole}')\""
        )


def _parts(message: Any) -> Iterator[Any]:
    """A protobuf message and all that lie in it."""
    yield message
    for field, value in message.ListFields():
        if field.message_type is not None:
            for part in [value] if hasattr(value, "ListFields") else value:
                yield from _parts(part)


def _single_input(session: Any, path: Path) -> str:
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or len(outputs) != 1:
        raise UpscalerError(f"onnx:{path}: expected one input and one output, got {len(inputs)} and {len(outputs)}")
    shape, kind = list(inputs[0].shape), inputs[0].type
    if kind != "tensor(float)" or len(shape) != 4 or shape[1] != 3:
        raise UpscalerError(f"onnx:{path}: expected a float32 input N×3×H×W of RGB in [0, 1], got {kind} {shape}")
    if isinstance(shape[2], int) or isinstance(shape[3], int):
        raise UpscalerError(
            f"onnx:{path}: its input has a fixed size, {shape[2]}×{shape[3]}, and images come in all sizes; "
            "export it again with dynamic height and width"
        )
    return str(inputs[0].name)
