"""The base class of all upscalers, their options, and their identity for the record."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypedDict, cast

import numpy as np
from numpy.typing import NDArray

from srbench.errors import SrbenchError, UpscalerError
from srbench.upscalers.factory_args import FactoryArgs, published_args, sorted_args
from srbench.zoo.networks import Form

Image = NDArray[np.uint8 | np.float32]
"""An image H×W×3: uint8, or float32 in [0, 1]. SR images of float32 are not clamped."""

ADAPTERS = ("pad", "range", "bgr", "luma", "pre_upsample", "output_name")
"""The fields of `Options` that adapt images to a network. A run's key holds those that differ from their default."""


@dataclass(frozen=True)
class Options:
    """How an upscaler is run. All options except `pattern` can change the score and are part of a run's key.

    Attributes:
        device: torch device; "auto" takes a GPU where there is one.
        precision: "fp32", "bf16" or "fp16"; the last convolution and the global skip stay in fp32.
        tile: side of the LR tiles in pixels, None for the whole image. `evaluate` never chooses tiles itself.
        self_ensemble: average over the eight flips and rotations.
        optimise: for zoo networks, "fold" constants into the convolutions, "compile" the result, or replay it as CUDA
            "graphs"; "none" runs the network as its authors do. Scores move by less than 0.0005 dB.
        pad: a multiple to which the network's input is padded by reflection, right and bottom; its output is cropped.
        range: values that the network takes and returns: 1 for [0, 1], 255 for [0, 255], -1 for [-1, 1].
        bgr: the network takes and returns BGR.
        luma: the network takes and returns only Y, 16…235 over 255; Cb and Cr are enlarged by bicubic.
        pre_upsample: the network gets the LR enlarged by MATLAB's bicubic (not rounded) and keeps its size.
        output_name: which of several outputs is the SR image: an ONNX output, a key of a dict or an index of a tuple.
        pattern: for `images:DIR`, where the images are: a path below DIR with `{name}`, and optionally `{dataset}`,
            `{scale}` and `*`. Not part of a run's key, which has the hash of the files.
        form: the form of the network in a weights file that does not name its own (`srbench.zoo.networks.Form`).
        factory_arg: arguments of a `python:` factory in addition to the scale: a dict, or pairs, of names and JSON
            scalars.
    """

    device: str = "auto"
    precision: str = "fp32"
    tile: int | None = None
    self_ensemble: bool = False
    optimise: str = "none"
    pad: int = 1
    range: int = 1
    bgr: bool = False
    luma: bool = False
    pre_upsample: bool = False
    output_name: str | None = None
    pattern: str | None = None
    form: Form | None = None
    factory_arg: FactoryArgs = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "factory_arg", sorted_args(self.factory_arg))

    @property
    def adapters(self) -> AdapterKeywords:
        """Return the input adapters in use, by name; none for a network that takes and returns RGB in [0, 1]."""
        values = {name: getattr(self, name) for name in ADAPTERS}
        used = {name: value for name, value in values.items() if value != getattr(Options, name)}
        return cast(AdapterKeywords, used)

    def adapter_facts(self) -> dict[str, object]:
        """Return `adapters` for a run's key and record. Without adapters it is empty, so that older keys stay equal."""
        arguments = {"factory_args": published_args(self.factory_arg)} if self.factory_arg else {}
        found = {**self.adapters, **arguments}
        return {"adapters": found} if found else {}


class AdapterKeywords(TypedDict, total=False):
    """The input adapters, `ADAPTERS`, and the arguments of a factory, as keywords of `Options`."""

    pad: int
    range: int
    bgr: bool
    luma: bool
    pre_upsample: bool
    output_name: str | None
    factory_arg: FactoryArgs


class OptionKeywords(AdapterKeywords, total=False):
    """The fields of `Options` as keywords of a function."""

    device: str
    precision: str
    tile: int | None
    self_ensemble: bool
    optimise: str
    pattern: str | None
    form: Form | None


def chosen_options(options: Options | None, keywords: OptionKeywords) -> Options | None:
    """Return options given as one object or as keywords, or None.

    Raises:
        UpscalerError: both are given.
        TypeError: a keyword that is not a field of `Options`.
    """
    if unknown := [name for name in keywords if name not in Options.__dataclass_fields__]:
        raise TypeError(
            f"unexpected keyword argument {unknown[0]!r}; the options of a model are "
            f"{', '.join(Options.__dataclass_fields__)}"
        )
    if options is not None and keywords:
        raise UpscalerError(
            f"expected options=… or single options, got both ({', '.join(keywords)}); put all of them into one Options"
        )
    return Options(**keywords) if keywords else options


@dataclass(frozen=True)
class Identity:
    """The identity of an upscaler for the record: the spec that opens it again, and the hash of its weights."""

    spec: str
    weights_sha256: str | None = None
    parameters: int | None = None
    details: dict[str, object] = field(default_factory=dict)


class Upscaler(ABC):
    """One model at one scale. `identity` and `options` go into the record.

    `fills_all_cores` says that it computes on the processor; then `images_at_once` threads may call it together, and
    nothing else should run at the same time. `remarks` are sentences for the user on how the model is run.
    `probed` says that it makes an SR image of any LR image: a run then keeps its output on two fixed ones.
    `takes_float` says that `upscale` also takes an LR image of float32 in [0, 1], and keeps more than 8 bits of it.
    """

    identity: Identity
    options: Options
    scale: int
    fills_all_cores: bool = False
    images_at_once: int = 1
    probed: bool = True
    takes_float: bool = False
    remarks: tuple[str, ...] = ()

    @abstractmethod
    def upscale(self, lr: Image, *, dataset: str, name: str) -> Image:
        """Return the SR image of one LR image uint8 h×w×3, with `scale` times its size.

        `dataset` and `name` say which image it is: upscalers that read finished images need them.
        """

    def details_of(self, images: Iterable[tuple[str, str]]) -> dict[str, object]:
        """Return further facts for the record of a run on these images (dataset, name)."""
        return {}

    def remarks_on(self, images: Iterable[tuple[str, str]]) -> list[str]:
        """Return warnings about the upscaler for readers of the scores on these images (dataset, name)."""
        return []

    def checked(self, lr: Image, *, dataset: str, name: str) -> Image:
        """Return what `upscale` returns, after checking size, dtype, channels and values.

        Raises:
            UpscalerError: another size, dtype or number of channels, NaN or infinity; or any exception of the model
                itself.
        """
        where = f"{self.identity.spec} on {dataset}/{name}"
        with blaming(where, "the model"):
            # the caller hashes the LR and compares it with the SR later, so it must stay unchanged
            sr = self.upscale(lr.copy(), dataset=dataset, name=name)
        _require_contract(sr, lr.shape, self.scale, where)
        return sr


def _require_contract(sr: object, lr_shape: tuple[int, ...], scale: int, where: str) -> None:
    """Raise UpscalerError unless a result is an SR image for an LR image of this shape."""
    if not isinstance(sr, np.ndarray):
        raise UpscalerError(f"{where}: expected a NumPy array, got {type(sr).__name__}")
    height, width = (side * scale for side in lr_shape[:2])
    if sr.shape != (height, width, 3):
        raise UpscalerError(
            f"{where}: expected {height}×{width}×3 at ×{scale} from an LR of {lr_shape[0]}×{lr_shape[1]}, "
            f"got shape {sr.shape}"
        )
    if sr.dtype not in (np.uint8, np.float32):
        raise UpscalerError(f"{where}: expected uint8, or float32 in [0, 1], got {sr.dtype}")
    # min() and max() are NaN if any value is NaN, so no additional array of the image's size is needed.
    if sr.dtype == np.float32 and not (np.isfinite(sr.min()) and np.isfinite(sr.max())):
        raise UpscalerError(
            f"{where}: expected finite values, got NaN or infinity; check the weights, or use --precision fp32"
        )


def require_not_optimised(spec: str, options: Options) -> None:
    """Raise UpscalerError where optimisation is requested for a model that is not a zoo network."""
    if options.optimise != "none":
        raise UpscalerError(
            f"{spec}: expected --optimise none, got {options.optimise}; it is for zoo networks, leave it out"
        )


def require_no_adapters(spec: str, options: Options, why: str) -> None:
    """Raise UpscalerError, with the reason, where input adapters are requested for a model that needs none."""
    if options.adapters:
        named = ", ".join(flag(name) for name in options.adapters)
        raise UpscalerError(f"{spec}: expected no input adapters, got {named}; {why}, leave them out")


def flag(option: str) -> str:
    """Return the command-line option of a field of `Options`."""
    return f"--{option.replace('_', '-')}"


@contextmanager
def blaming(where: str, who: str) -> Iterator[None]:
    """Turn every exception of a model's own code into an UpscalerError that names `where`, `who`, and the exception."""
    try:
        yield
    except SrbenchError:
        raise
    except (Exception, SystemExit) as error:
        text = " ".join(str(error).split())
        raise UpscalerError(
            f"{where}: {who} raised {type(error).__name__}{': ' * bool(text)}{text}; see where with srbench --debug …"
        ) from error
