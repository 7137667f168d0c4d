"""Export networks as ONNX files for any input size, and check their output against the network's."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from srbench.errors import UpscalerError
from srbench.files import atomic_path

INPUT_NAME, OUTPUT_NAME = "lr", "sr"
OPSET = 18
TOLERANCE = 1e-4
"""Largest difference in [0, 1] between the exported file and the network: a fortieth of a grey level."""

_TRACED_SIZE = (24, 20)
# No side below 16: some networks pool, and refuse a smaller image.
_CHECKED_SIZES = ((24, 20), (17, 31), (40, 16))


def export_onnx(module: nn.Module, path: Path) -> float:
    """Write `module` to `path` as ONNX: `lr` float32 N×3×H×W in [0, 1] to `sr`, N, H and W dynamic.

    Returns the largest absolute difference from the network's own output over several sizes, run by onnxruntime on the
    CPU. Raises UpscalerError, and leaves no file, where it exceeds `TOLERANCE` or the extra `onnx` is not installed.
    """
    module = module.cpu().eval()
    with atomic_path(path, error=UpscalerError) as temporary:
        _write(module, temporary)
        difference = _largest_difference(module, temporary)
        if difference > TOLERANCE:
            raise UpscalerError(
                f"{path}: expected the exported network within {TOLERANCE} of its own output, got {difference:.2e}; "
                "not written"
            )
    return difference


def _write(module: nn.Module, path: Path) -> None:
    batch, height, width = (torch.export.Dim(name) for name in ("batch", "height", "width"))
    # Two images, because the exporter treats a batch size of one as a constant.
    example = torch.rand(2, 3, *_TRACED_SIZE)
    try:
        with warnings.catch_warnings(), _quiet(logging.getLogger("torch.onnx")):
            # The exporter prints notes about itself and torchvision that do not help users of srbench.
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                module,
                (example,),
                input_names=[INPUT_NAME],
                output_names=[OUTPUT_NAME],
                dynamic_shapes=({0: batch, 2: height, 3: width},),
                opset_version=OPSET,
                dynamo=True,
                verbose=False,
            )
    except ImportError as error:
        raise UpscalerError(f"exporting needs the extra onnx ({error}); pip install 'sisr-bench[onnx]'") from error
    if program is None:
        raise UpscalerError(f"{path}: the exporter returned nothing")
    program.save(path, external_data=False)


@contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _largest_difference(module: nn.Module, path: Path) -> float:
    try:
        # Inside the function: onnxruntime is an extra.
        import onnxruntime
    except ImportError as error:
        raise UpscalerError(
            f"checking the export needs onnxruntime ({error}); pip install 'sisr-bench[onnx]'"
        ) from error
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    generator = torch.Generator().manual_seed(0)
    return max(_difference(module, session, _smooth(size, generator)) for size in _CHECKED_SIZES)


def _smooth(size: tuple[int, int], generator: torch.Generator) -> Tensor:
    """A random image without high frequencies: on white noise the output of PAN's published weights reaches 1e9."""
    coarse = torch.rand(1, 3, 4, 4, generator=generator)
    return functional.interpolate(coarse, size=size, mode="bilinear", align_corners=False)


def _difference(module: nn.Module, session: object, lr: Tensor) -> float:
    with torch.inference_mode():
        expected = module(lr)
    try:
        (found,) = session.run([OUTPUT_NAME], {INPUT_NAME: lr.numpy()})  # type: ignore[attr-defined]  # it ships no types
    except Exception as error:  # onnxruntime has a different exception for each kind of failure
        size, name = "×".join(map(str, lr.shape[-2:])), type(module).__name__
        raise UpscalerError(
            f"expected an ONNX file for every input size, got one that fails at {size}; {name} cannot be exported"
        ) from error
    return float((torch.from_numpy(found) - expected).abs().max())
