"""Open the upscaler that a model spec names."""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from srbench.errors import UnknownNameError, UpscalerError
from srbench.plugins import Registry
from srbench.spec_paths import recorded_path
from srbench.upscalers.base import Identity, Options, Upscaler, blaming, require_no_adapters, require_not_optimised
from srbench.upscalers.bicubic import MatlabBicubic, PillowBicubic
from srbench.upscalers.image_folder import ImageFolderUpscaler
from srbench.upscalers.onnx import open_onnx
from srbench.upscalers.own_weights import load_weights, read_record, split_weights, stated_training
from srbench.upscalers.python_factory import find_factory
from srbench.upscalers.spandrel import open_spandrel
from srbench.upscalers.tensors import TensorUpscaler, network_upscaler, pick_device
from srbench.zoo import load
from srbench.zoo.checkpoints import FILE_TAG
from srbench.zoo.counting import count_parameters
from srbench.zoo.networks import Variant, find_variant, listed_variants
from srbench.zoo.reading import read_checkpoint
from srbench.zoo.weights_catalogue import WeightsEntry

FOREIGN_KINDS = ("python", "onnx", "spandrel")
"""Kinds of specs of foreign models, which may need input adapters."""

_BASELINES = {"bicubic": MatlabBicubic, "bicubic:pillow": PillowBicubic}


def open_upscaler(spec: str, *, scale: int, options: Options | None = None) -> Upscaler:
    """Open the upscaler that a model spec names, at one scale.

    Specs: `zoo:NAME[@TAG]`, `zoo:NAME@FILE` with weights of your own (`.safetensors`, `.pth`, `.pt`),
    `spandrel:FILE`, `onnx:FILE`, `images:DIR`, `python:pkg.module:factory`, `python:FILE.py:factory` (with
    `@FILE.safetensors` for weights that `srbench train` wrote), `bicubic` and `bicubic:pillow`.

    Raises:
        UnknownNameError: no such kind of spec, network or tag.
        UpscalerError, WeightsError, FetchError: the model cannot be built, loaded or fetched.
    """
    scale, options = _integer(scale), _known(options)
    if not spec.startswith("images:"):
        _require_no_pattern(spec, options)
    if spec in _BASELINES:
        _require_no_factory_args(spec, options)
        _require_plain(spec, options)
        return _BASELINES[spec](scale=scale)
    kind, _, rest = spec.partition(":")
    if kind != "python":
        _require_no_factory_args(spec, options)
    if kind not in UPSCALERS or not rest:
        network = spec.partition("@")[0] in {variant.name for variant in listed_variants()}
        known = [f"zoo:{spec}"] if network else [*_BASELINES, *(f"{name}:…" for name in UPSCALERS)]
        raise UnknownNameError("model spec", spec, known)
    if options.form and kind != "zoo":
        raise UpscalerError(f"{spec}: expected --form with zoo:NAME@FILE only, got --form {options.form}; leave it out")
    return UPSCALERS[kind](rest, scale, options)


def is_model_spec(text: str) -> bool:
    """Return whether a text has the form of a model spec, and is no file or folder of this name."""
    kind, _, rest = text.partition(":")
    return (text in _BASELINES or (kind in UPSCALERS and bool(rest))) and not Path(text).exists()


def as_upscaler(model: str | nn.Module | Upscaler, *, scale: int, options: Options | None = None) -> Upscaler:
    """Return an upscaler for a model spec or a torch module (N×3×H×W RGB in [0, 1] in and out).

    An upscaler is returned unchanged.

    The module is set to evaluation mode and moved to the device, and stays so; `srbench.evaluate` restores its state.

    Raises:
        UpscalerError: none of these; a scale that is no integer; an open upscaler of another scale or with other
            options; and as `open_upscaler`.
    """
    if isinstance(model, str):
        return open_upscaler(model, scale=scale, options=options)
    scale = _integer(scale)
    if isinstance(model, nn.Module):
        _require_no_factory_args(type(model).__qualname__, _known(options))
        return _open_module(Identity(type(model).__qualname__), model, scale, _known(options))
    if not isinstance(model, Upscaler):
        raise UpscalerError(
            f"expected a model spec, a torch module or an Upscaler, got {type(model).__name__}; wrap a "
            "function of tensors in a torch module, or name its factory as python:pkg.module:factory or "
            "python:FILE.py:factory"
        )
    if model.scale != scale or options not in (None, model.options):
        raise UpscalerError(
            f"expected an upscaler for ×{scale} with the options asked for, got "
            f"{model.identity.spec} for ×{model.scale}; open it with them instead"
        )
    return model


def load_model(spec: str, *, scale: int, device: str = "cpu") -> nn.Module:
    """Return the torch module of a zoo or python spec, in evaluation mode: N×3×H×W RGB in [0, 1] in, not clamped out.

    It computes with torch's settings, by default with TF32 in convolutions on a GPU; `srbench.evaluate` uses full
    float32.

    Raises:
        UpscalerError: a spec without a module, such as bicubic.

    Examples:
        >>> network = load_model("zoo:imdn", scale=4)
        >>> network(torch.zeros(1, 3, 10, 8)).shape
        torch.Size([1, 3, 40, 32])
    """
    return module_of(open_upscaler(spec, scale=scale, options=Options(device=device)))


def module_of(upscaler: Upscaler) -> nn.Module:
    """Return the torch module that an upscaler runs. Raise UpscalerError for one without a module, such as bicubic."""
    module = getattr(upscaler, "module", None)
    if not isinstance(module, nn.Module):
        raise UpscalerError(f"{upscaler.identity.spec}: expected a spec with a torch module (zoo:… or python:…)")
    return module


def _integer(scale: object) -> int:
    try:
        return operator.index(scale)  # type: ignore[arg-type]  # objects of other types raise TypeError
    except TypeError as error:
        raise UpscalerError(f"scale: expected an integer such as 4, got {scale!r}") from error


def _require_no_pattern(spec: str, options: Options) -> None:
    if options.pattern is not None:
        raise UpscalerError(f"{spec}: expected --pattern only with images:DIR, got it with another model; leave it out")


def _known(options: Options | None) -> Options:
    if options is not None and not isinstance(options, Options):
        raise UpscalerError(f"options: expected srbench.upscalers.base.Options, got {type(options).__name__}")
    return options or Options()


def _require_no_factory_args(spec: str, options: Options) -> None:
    if options.factory_arg:
        names = ", ".join(name for name, _ in options.factory_arg)
        raise UpscalerError(f"{spec}: expected no --factory-arg, got {names}; it is for python: specs, leave it out")


def _require_plain(spec: str, options: Options) -> None:
    pick_device(options.device)
    require_no_adapters(spec, options, "they are for networks")
    if options != Options(device=options.device):
        raise UpscalerError(
            f"{spec}: --tile, --self-ensemble, --precision and --optimise are for networks; leave them out"
        )


def _open_images(folder: str, scale: int, options: Options) -> Upscaler:
    _require_plain(f"images:{folder}", replace(options, pattern=None))
    return ImageFolderUpscaler(Path(folder), scale=scale, pattern=options.pattern)


def _open_zoo(rest: str, scale: int, options: Options) -> Upscaler:
    require_no_adapters(f"zoo:{rest}", options, "zoo networks take RGB in [0, 1]")
    name, at, tag = rest.partition("@")
    loaded = load(name, tag=tag if at else None, scale=scale, form=options.form)
    if loaded.tag == FILE_TAG:
        spec = f"zoo:{name}@{recorded_path(tag)}"
        stated = _stated_by_file(name, loaded.weights_file)
        stated |= {"form": options.form} if options.form else {}
    else:
        spec, stated = f"zoo:{name}@{loaded.tag}", {}
    details = {
        "weights_file": loaded.weights_file.name,
        **stated,
        **(_provenance(loaded.entry) if loaded.entry else {}),
    }
    identity = Identity(spec, loaded.weights_sha256, count_parameters(loaded.module), details)
    return network_upscaler(loaded.module, identity, scale=scale, options=options)


def _provenance(entry: WeightsEntry) -> dict[str, object]:
    """Return the facts of an entry for the record; `compare` uses them to check whether two trainings were equal."""
    variant = find_variant(entry.network)
    facts: dict[str, object] = {
        "network": variant.network.name,
        "attention": variant.attention,
        **_form(variant, dict(entry.options)),
        "training_data": entry.training_data,
        "source": entry.source,
        "licence": entry.licence,
    }
    made = entry.training
    if made is None:
        return facts
    return facts | {
        "recipe": made.recipe,
        "recipe_sha256": made.recipe_sha256,
        "steps": made.steps,
        "seed": made.seed,
        "training_fingerprint": made.fingerprint,
        **({"init": _start(made.init)} if made.init else {}),
    }


def _stated_by_file(name: str, path: Path) -> dict[str, object]:
    """Return what a user's weights file states about its training, under the names that `_provenance` uses.

    Raises:
        WeightsError: a record that srbench would not have written.
    """
    variant, record = find_variant(name), read_record(path, read_checkpoint(path).metadata)
    return {
        "network": variant.network.name,
        "attention": variant.attention,
        "training_data": "data that its file does not name",
        **_form(variant, cast(dict[str, int | float | bool], record.get("options") or {})),
        **stated_training(record, path),
    }


def _start(init: Mapping[str, object]) -> dict[str, str]:
    """Return the facts about the weights that a training started from, for a run's record."""
    return {key: str(init[key]) for key in ("source", "sha256", "origin")}


def _form(variant: Variant, options: Mapping[str, int | float | bool]) -> dict[str, str]:
    """Return the form for the record. The authors' form is left out, so that earlier records stay equal."""
    form = variant.network.form_of(options)
    return {} if form in (None, "authors") else {"form": form}


def _open_python(rest: str, scale: int, options: Options) -> Upscaler:
    code, weights = split_weights(rest)
    factory = find_factory(code)
    model = factory.build(scale, options.factory_arg)
    source = factory.source_sha256()
    spec = factory.spec
    details: dict[str, object] = {"source_sha256": source} if source else {}
    if weights is not None:
        if not isinstance(model, nn.Module):
            raise UpscalerError(f"{spec}: expected a torch module for the weights {weights.name}, got a function")
        spec = f"{spec}@{recorded_path(str(weights))}"
        details |= load_weights(spec, model, weights, scale=scale, arguments=options.factory_arg)
    identity = Identity(spec, details=details)
    if isinstance(model, nn.Module):
        with blaming(spec, "the model"):
            return _open_module(identity, model, scale, options)
    require_not_optimised(spec, options)
    return TensorUpscaler(model, identity, scale=scale, options=options)


def _open_module(identity: Identity, module: nn.Module, scale: int, options: Options) -> Upscaler:
    if any(is_lazy(tensor) for tensor in (*module.parameters(), *module.buffers())):
        raise UpscalerError(
            f"{identity.spec}: expected a module whose parameters have sizes, got lazy ones; "
            "call it once on a small image first"
        )
    if any(tensor.is_meta for tensor in (*module.parameters(), *module.buffers())):
        raise UpscalerError(
            f"{identity.spec}: expected a module with values, got one on the device meta; build it on "
            "another device, or give it values with to_empty and load_state_dict"
        )
    identity = replace(identity, weights_sha256=_state_sha256(module), parameters=count_parameters(module))
    return network_upscaler(module, identity, scale=scale, options=options)


def _state_sha256(module: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.detach().cpu().reshape(-1).contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


UPSCALERS: Registry[Callable[[str, int, Options], Upscaler]] = Registry(
    "upscaler",
    {
        "zoo": _open_zoo,
        "images": _open_images,
        "python": _open_python,
        "onnx": open_onnx,
        "spandrel": open_spandrel,
    },
)
"""What opens each kind of model spec, from the part after the colon, the scale and the options."""
