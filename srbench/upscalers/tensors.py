"""Upscalers that are functions of tensors: device, precision, tiling, self-ensemble."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from srbench.environment import has_native
from srbench.errors import UpscalerError
from srbench.upscalers.adapters import adapted, network_channels, network_scale, require_adapters
from srbench.upscalers.base import Identity, Image, Options, Upscaler, require_not_optimised
from srbench.upscalers.contract import CheckedModel, Forward, OutputError
from srbench.upscalers.float32 import full_float32
from srbench.upscalers.tiling import TILE_OVERLAP, self_ensembled, tiled, window_overlap, windowed
from srbench.zoo.blocks import SRNetwork
from srbench.zoo.building import require_device
from srbench.zoo.compiling import explained
from srbench.zoo.optimize import optimized

# Limits the memory on machines with many cores, where each image gets several cores.
_MOST_IMAGES_AT_ONCE = 8

DEEP_DTYPES = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}
"""By precision, the dtype of a zoo network's deep part; None for float32 everywhere."""
PRECISIONS = tuple(DEEP_DTYPES)
"""Names of the precisions."""

OPTIMISATIONS = ("none", "fold", "compile", "graphs")
"""Ways to run a zoo network faster; see `Options.optimise`."""

Window = tuple[int | None, int | None]
"""Height and width of a model that takes inputs of one size only; None for a side that may have any length."""


class TensorUpscaler(Upscaler):
    """Upscaler that runs a function from N×3×h×w RGB in [0, 1] to N×3×sh×sw, not clamped, on images of every size.

    Each call of the model is checked by `CheckedModel`. The adapters of `options` wrap it, then the tiles, then the
    self-ensemble.

    Args:
        shareable: on the CPU, several threads may call `model` at once with different images.
        window: the only input size that `model` takes; images are computed in tiles of it.

    Raises:
        UpscalerError: options that do not exist or contradict each other.
    """

    takes_float = True

    def __init__(
        self,
        model: Callable[[Tensor], object],
        identity: Identity,
        *,
        scale: int,
        options: Options,
        shareable: bool = False,
        window: Window = (None, None),
    ) -> None:
        _require_options(identity.spec, options, window)
        self.identity, self.options, self.scale = identity, options, scale
        self.device = pick_device(options.device)
        self.fills_all_cores = self.device.type == "cpu"
        if self.fills_all_cores and shareable:
            self.images_at_once = min(torch.get_num_threads(), _MOST_IMAGES_AT_ONCE)
        self.module = model if isinstance(model, nn.Module) else None
        self.remarks = tuple(_remarks(window, self.device, options.precision))
        self._window, self._model = window, self._checked_model(model)
        self._forward = _composed(self._model, options, scale, window)

    @property
    def has_fixed_size(self) -> bool:
        """Whether the model takes inputs of one size only, so that images are always computed in tiles."""
        return self._window != (None, None)

    def in_tiles(self, tile: int) -> TensorUpscaler:
        """Return this upscaler with other tiles: the same model, `tile` LR pixels on each side."""
        twin = copy.copy(self)
        twin.options = replace(self.options, tile=tile)
        _require_options(self.identity.spec, twin.options, self._window)
        twin._forward = _composed(self._model, twin.options, self.scale, self._window)
        return twin

    def _checked_model(self, model: Callable[[Tensor], object]) -> CheckedModel:
        own = isinstance(model, SRNetwork)
        return CheckedModel(
            model if own else _in_precision(model, self.options.precision, self.device),
            network_scale(self.options, self.scale),
            network_channels(self.options),
            self.options.output_name,
            # Zoo networks keep the memory layout of the image: it is faster, and their published scores were computed
            # with it.
            torch.preserve_format if own else torch.contiguous_format,
        )

    def upscale(self, lr: Image, *, dataset: str, name: str) -> Image:
        """Return SR float32 H×W×3, not clamped.

        Raise UpscalerError if the model returns no SR image, or if memory runs out.
        """
        try:
            sr = self._run(lr)
        except OutputError as error:
            raise UpscalerError(f"{self.identity.spec} on {dataset}/{name}: {error}") from error
        except Exception as error:
            if not is_want_of_memory(error):
                raise
            height, width = lr.shape[:2]
            tile = "256" if self.options.tile is None else f"below {self.options.tile}"
            raise UpscalerError(
                f"{dataset}/{name}: not enough memory on {self.device} for an LR of {width}×{height}; "
                f"try --tile {tile} (it changes the score, and is recorded)"
            ) from error
        return sr[0].permute(1, 2, 0).contiguous().cpu().numpy()

    def _run(self, lr: Image) -> Tensor:
        batch = torch.from_numpy(lr.copy()).to(self.device).permute(2, 0, 1)[None]
        batch = batch.float() / 255 if lr.dtype == np.uint8 else batch
        with torch.inference_mode(), full_float32(), self._compiling():
            return self._forward(batch)

    def _compiling(self) -> AbstractContextManager[object]:
        how = self.options.optimise
        return explained(UpscalerError, f"--optimise {how}") if how in ("compile", "graphs") else ExitStack()


def _composed(model: Forward, options: Options, scale: int, window: Window) -> Forward:
    """Wrap a model, from the inside out: windows for a fixed input size, adapters, tiles, self-ensemble."""
    run = model
    if window != (None, None):
        run = windowed(run, size=window, scale=network_scale(options, scale))
    run = adapted(run, options, scale=scale)
    if options.tile is not None:
        run = tiled(run, tile=options.tile, scale=scale)
    return self_ensembled(run) if options.self_ensemble else run


def _in_precision(
    model: Callable[[Tensor], object], precision: str, device: torch.device
) -> Callable[[Tensor], object]:
    """Return a foreign model under torch's autocast: convolutions and products run in the lower precision."""
    dtype = DEEP_DTYPES[precision]
    if dtype is None:
        return model

    def run(lr: Tensor) -> object:
        with torch.autocast(device.type, dtype):
            return model(lr)

    return run


def _require_options(spec: str, options: Options, window: Window) -> None:
    if options.precision not in DEEP_DTYPES:
        raise UpscalerError(f"--precision: expected one of {', '.join(PRECISIONS)}, got {options.precision!r}")
    if options.tile is not None and (type(options.tile) is not int or options.tile < 1):
        raise UpscalerError(f"--tile: expected a positive number of LR pixels, got {options.tile!r}")
    if options.tile is not None and window != (None, None):
        raise UpscalerError(f"{spec}: expected no --tile, since its input has a fixed size; leave it out")
    require_adapters(options)


def _remarks(window: Window, device: torch.device, precision: str) -> Iterator[str]:
    if device.type == "cpu" and not has_native(precision):
        yield (
            f"{precision} takes many times as long as fp32 on a processor without instructions for it, like this one; "
            f"leave out --precision {precision} unless you want its scores"
        )
    for side, size in zip(("high", "wide"), window, strict=True):
        if size is not None and window_overlap(size) < TILE_OVERLAP:
            yield (
                f"the tiles are {size} pixels {side}, the size of the model's input, and overlap by "
                f"{window_overlap(size)} pixels instead of {TILE_OVERLAP}; export the model with a larger or a dynamic "
                "size for better scores"
            )


def network_upscaler(module: nn.Module, identity: Identity, *, scale: int, options: Options) -> TensorUpscaler:
    """Return an upscaler of a module that takes and returns RGB in [0, 1].

    The module is set to evaluation mode and moved to the device; `preserve_module_state` restores it.

    Raises:
        UpscalerError: an unknown precision or device, options that contradict each other, or optimisation of a
            module that is not a zoo network.
    """
    _require_options(identity.spec, options, (None, None))
    if options.optimise not in OPTIMISATIONS:
        raise UpscalerError(f"--optimise: expected one of {', '.join(OPTIMISATIONS)}, got {options.optimise!r}")
    module = module.to(pick_device(options.device)).eval()
    if isinstance(module, SRNetwork):
        module.deep_dtype = DEEP_DTYPES[options.precision]
        module = _optimised(module, options.optimise)
    else:
        require_not_optimised(identity.spec, options)
    # Zoo networks keep no state between calls. Other modules, and those that torch.compile makes, may.
    shareable = isinstance(module, SRNetwork) and options.optimise in ("none", "fold")
    return TensorUpscaler(module, identity, scale=scale, options=options, shareable=shareable)


@contextmanager
def preserve_module_state(model: object) -> Iterator[None]:
    """Restore a torch module afterwards: mode of each part, precision, device. Ignore other objects."""
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
            model.train()  # also restores modules whose train() does more than set a flag
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


def is_want_of_memory(error: Exception) -> bool:
    """Return whether an error says that memory ran out."""
    # torch and onnxruntime report a lack of main memory only in the text of a general exception.
    said = ("DefaultCPUAllocator", "alloc_cpu", "bad_alloc", "Failed to allocate memory")
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or any(words in str(error) for words in said)


def pick_device(name: str) -> torch.device:
    """Return the torch device of this name; "auto" is the first GPU, or the CPU without one.

    Raises:
        UpscalerError: an unknown name, or a device that this machine does not have.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return require_device(name, "--device: expected a device of this machine such as cpu or cuda")
