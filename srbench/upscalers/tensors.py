"""Upscalers that are functions of tensors: device, precision, tiling, self-ensemble."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from srbench.errors import UpscalerError
from srbench.upscalers.base import Identity, Image, Options, Upscaler, require_plain_arithmetic
from srbench.upscalers.float32 import full_float32
from srbench.zoo.blocks import SRNetwork
from srbench.zoo.building import require_device
from srbench.zoo.compiling import explained
from srbench.zoo.optimize import optimized

TILE_OVERLAP = 32
"""LR pixels that a tile reaches beyond its part on each side."""

# Bounds the memory on machines of many cores; there each image has several.
_MOST_IMAGES_AT_ONCE = 8

DEEP_DTYPES = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}
"""By precision, the type in which a zoo network's deep part runs; None for float32 throughout."""
PRECISIONS = tuple(DEEP_DTYPES)
"""The arithmetic a network's middle can run in."""

OPTIMISATIONS = ("none", "fold", "compile", "graphs")
"""How a zoo network can be made faster; see `Options.optimise`."""

Forward = Callable[[Tensor], Tensor]


class TensorUpscaler(Upscaler):
    """Runs `forward`, a function from N×3×h×w RGB in [0, 1] to N×3×sh×sw, not clamped, on whole images.

    Args:
        shareable: on the CPU several threads may call `forward` at once, each with an image of its own.
    """

    def __init__(
        self, forward: Forward, identity: Identity, *, scale: int, options: Options, shareable: bool = False
    ) -> None:
        self.identity, self.options, self.scale = identity, options, scale
        self.device = pick_device(options.device)
        self.fills_all_cores = self.device.type == "cpu"
        if self.fills_all_cores and shareable:
            self.images_at_once = min(torch.get_num_threads(), _MOST_IMAGES_AT_ONCE)
        self._forward = forward
        self.module = forward if isinstance(forward, nn.Module) else None
        if options.tile is not None and (type(options.tile) is not int or options.tile < 1):
            raise UpscalerError(f"--tile: expected a positive number of LR pixels, got {options.tile!r}")

    def upscale(self, lr: NDArray[np.uint8], *, dataset: str, name: str) -> Image:
        """SR float32 H×W×3, not clamped. Raises UpscalerError when memory does not suffice or compiling fails."""
        try:
            sr = self._run(lr)
        except Exception as error:
            if not _is_want_of_memory(error):
                raise
            height, width = lr.shape[:2]
            tile = "256" if self.options.tile is None else f"below {self.options.tile}"
            raise UpscalerError(
                f"{dataset}/{name}: not enough memory on {self.device} for an LR of {width}×{height}; "
                f"try --tile {tile} (it changes the score, and is recorded)"
            ) from error
        if not isinstance(sr, Tensor) or sr.ndim != 4 or sr.shape[:2] != (1, 3) or not sr.is_floating_point():
            got = f"{sr.dtype} {tuple(sr.shape)}" if isinstance(sr, Tensor) else type(sr).__name__
            raise UpscalerError(
                f"{self.identity.spec} on {dataset}/{name}: expected a floating tensor 1×3×H×W, got {got}"
            )
        return sr[0].float().permute(1, 2, 0).contiguous().cpu().numpy()

    def _run(self, lr: NDArray[np.uint8]) -> Any:
        batch = torch.from_numpy(lr.copy()).to(self.device)
        batch = batch.permute(2, 0, 1)[None].float() / 255
        run = self._forward
        if self.options.tile is not None:
            run = tiled(run, tile=self.options.tile, scale=self.scale)
        if self.options.self_ensemble:
            run = self_ensembled(run)
        with torch.inference_mode(), full_float32(), self._compiling():
            return run(batch)

    def _compiling(self) -> AbstractContextManager[None]:
        how = self.options.optimise
        return explained(UpscalerError, f"--optimise {how}") if how in ("compile", "graphs") else nullcontext()


def network_upscaler(module: nn.Module, identity: Identity, *, scale: int, options: Options) -> TensorUpscaler:
    """An upscaler of a module that takes and returns RGB in [0, 1]; it is put in evaluation mode on the device.

    `borrowed` gives the module back as it was.

    Raises:
        UpscalerError: an unknown precision or device, or low precision or optimisation asked of a module that is not a
            zoo network (only those keep the last convolution and the global skip in fp32).
    """
    if options.precision not in DEEP_DTYPES:
        raise UpscalerError(f"--precision: expected one of {', '.join(PRECISIONS)}, got {options.precision!r}")
    if options.optimise not in OPTIMISATIONS:
        raise UpscalerError(f"--optimise: expected one of {', '.join(OPTIMISATIONS)}, got {options.optimise!r}")
    module = module.to(pick_device(options.device)).eval()
    if isinstance(module, SRNetwork):
        module.deep_dtype = DEEP_DTYPES[options.precision]
        module = _optimised(module, options.optimise)
    else:
        require_plain_arithmetic(identity.spec, options, "for zoo networks, which know what has to stay in fp32")
    # Zoo networks keep nothing between calls; of other modules, and of what torch.compile makes, that is not known.
    shareable = isinstance(module, SRNetwork) and options.optimise in ("none", "fold")
    return TensorUpscaler(module, identity, scale=scale, options=options, shareable=shareable)


@contextmanager
def borrowed(model: object) -> Iterator[None]:
    """Gives a torch module back as it was: the mode of each part, its arithmetic, its device. Anything else is left."""
    if not isinstance(model, nn.Module):
        yield
        return
    training, modes = model.training, [(part, part.training) for part in model.modules()]
    arithmetic = [(part, part.deep_dtype) for part in model.modules() if isinstance(part, SRNetwork)]
    devices = {tensor.device for tensor in (*model.parameters(), *model.buffers())}
    try:
        yield
    finally:
        if training:
            model.train()  # where a module does more than set a flag, this undoes it
        for part, mode in modes:
            part.training = mode
        for network, dtype in arithmetic:
            network.deep_dtype = dtype
        if len(devices) == 1:
            model.to(devices.pop())


def _optimised(network: SRNetwork, how: str) -> SRNetwork:
    if how == "none":
        return network
    return optimized(network, compiled=how == "compile", graphs=how == "graphs")


def _is_want_of_memory(error: Exception) -> bool:
    # For the processor's memory neither torch nor onnxruntime has an exception of its own: only the text tells.
    said = ("DefaultCPUAllocator", "alloc_cpu", "bad_alloc", "Failed to allocate memory")
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or any(words in str(error) for words in said)


def pick_device(name: str) -> torch.device:
    """The torch device of that name; "auto" is the first GPU, else the CPU.

    Raises:
        UpscalerError: an unknown name, or a device that this machine does not have.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return require_device(name, "--device: expected a device of this machine such as cpu or cuda")


def tiled(forward: Forward, *, tile: int, scale: int, overlap: int = TILE_OVERLAP) -> Forward:
    """`forward` in tiles of `tile` LR pixels, each computed with `overlap` more around it that is thrown away.

    Equal to the whole image for a network whose receptive field reaches at most `overlap` and that pools nothing
    over the image. Memory does not grow with the image beyond input and output, and the output's channels lie side by
    side, as images have them: reordering a large one would take its size once more.
    """

    def run(lr: Tensor) -> Tensor:
        height, width = lr.shape[-2:]
        sr = lr.new_empty((*lr.shape[:-3], height * scale, width * scale, lr.shape[-3])).movedim(-1, -3)
        for top, left in itertools.product(range(0, height, tile), range(0, width, tile)):
            bottom, right = min(top + tile, height), min(left + tile, width)
            above, before = max(0, top - overlap), max(0, left - overlap)
            part = forward(lr[..., above : min(bottom + overlap, height), before : min(right + overlap, width)])
            rows = slice((top - above) * scale, (bottom - above) * scale)
            columns = slice((left - before) * scale, (right - before) * scale)
            sr[..., top * scale : bottom * scale, left * scale : right * scale] = part[..., rows, columns]
        return sr

    return run


def self_ensembled(forward: Forward) -> Forward:
    """The mean of the eight unclamped float32 outputs over flips and rotations (EDSR's "+", Lim et al. 2017)."""

    def run(lr: Tensor) -> Tensor:
        total: Any = 0
        for flip, turns in itertools.product((False, True), range(4)):
            view = torch.rot90(lr.flip(-1) if flip else lr, turns, (-2, -1))
            sr = torch.rot90(forward(view.contiguous()).float(), -turns, (-2, -1))
            total = total + (sr.flip(-1) if flip else sr)
        return total / 8  # type: ignore[no-any-return]  # the sum starts from the number 0

    return run
