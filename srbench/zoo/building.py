"""Build an untrained network by its name, and find the tables that rename the keys of its published weights."""

from __future__ import annotations

import importlib
import math

import torch

from srbench.errors import UnknownNameError, UpscalerError
from srbench.zoo.attention import attention_factory
from srbench.zoo.blocks import SRNetwork
from srbench.zoo.keys import KeyTable
from srbench.zoo.networks import Form, Option, Variant, find_variant


def build(
    name: str,
    *,
    scale: int,
    device: torch.device | str = "cpu",
    form: Form | None = None,
    **options: Option,
) -> SRNetwork:
    """Return an untrained network of the size of the BAM paper's Table 1, in training mode, on `device` (also `meta`).

    `form` says how it computes inside (`srbench.zoo.networks.Form`; default: the variant's `default_form`). `options`
    override the entry's hyper-parameters, `value_range` and the attention's `reduction`. Raises UnknownNameError and
    UpscalerError.

    Examples:
        >>> network = build("rcan-bam", scale=3, device="meta")
        >>> sum(parameter.numel() for parameter in network.parameters())
        15626307
    """
    variant = find_variant(name)
    settings = _settings(variant, form or variant.default_form, options)
    if scale not in variant.network.scales:
        raise UpscalerError(f"{variant.title} has scales {variant.network.scales}, got {scale}")
    require_device(device, "expected a device of this machine such as cpu or cuda, or meta")
    reduction = settings.pop("reduction")
    factory = attention_factory(variant.attention, reduction=int(reduction))
    module, _, class_name = variant.network.module.partition(":")
    try:
        with torch.device(device):
            network = getattr(importlib.import_module(module), class_name)(scale=scale, attention=factory, **settings)
    except RuntimeError as error:
        if not options:
            raise
        chosen = ", ".join(f"{option}={value}" for option, value in options.items())
        raise UpscalerError(f"{variant.title} cannot be built with {chosen}: {str(error).splitlines()[0]}") from error
    if not isinstance(network, SRNetwork):
        raise UpscalerError(
            f"{variant.network.module}: expected a subclass of srbench.zoo.blocks.SRNetwork, got "
            f"{type(network).__name__}; derive it from SRNetwork"
        )
    return network


def require_device(device: torch.device | str, expected: str) -> torch.device:
    """Return the device; raise UpscalerError with the text `expected` if this machine does not have it."""
    try:
        found = torch.device(device)
        torch.empty(1, device=found)
    except (RuntimeError, AssertionError, TypeError) as error:
        given = str(device) if isinstance(device, torch.device) else device
        raise UpscalerError(f"{expected}, got {given!r} ({str(error).splitlines()[0]})") from error
    return found


def key_tables(name: str) -> tuple[KeyTable, ...]:
    """Return the rename tables of a variant, one per family of published keys, the most common first.

    A module without `key_tables`, as a plugin may have it, has none: its checkpoints use the names of its modules.
    """
    variant = find_variant(name)
    module, _, _ = variant.network.module.partition(":")
    find = getattr(importlib.import_module(module), "key_tables", None)
    tables: tuple[KeyTable, ...] = find(variant.attention) if find else ()
    return tables


def _settings(variant: Variant, form: Form, options: dict[str, Option]) -> dict[str, Option]:
    network = variant.network
    settings = dict(network.options) | {"value_range": network.value_range, "reduction": variant.reduction}
    settings |= network.form_options(form)
    for option, value in options.items():
        if option not in settings:
            raise UnknownNameError(f"option of {network.title}", option, settings)
        settings[option] = _sensible(network.title, option, settings[option], value)
    for option, divisor in network.multiples.items():
        _require_multiple(network.title, option, divisor, settings)
    return settings


def _sensible(network: str, option: str, default: Option, value: Option) -> Option:
    """Return the value if it has the type of the default: boolean, integer of at least 1, or number above 0."""
    if isinstance(default, bool):
        expected, fits = "true or false", isinstance(value, bool)
    elif isinstance(default, int):
        expected, fits = "a whole number from 1 on", type(value) is int and value >= 1
    else:
        expected, fits = "a number above 0", type(value) in (int, float) and 0 < value < math.inf
    if not fits:
        raise UpscalerError(f"option {option} of {network}: expected {expected}, got {value!r}")
    return value


def _require_multiple(network: str, option: str, divisor: int | str, settings: dict[str, Option]) -> None:
    number = settings[divisor] if isinstance(divisor, str) else divisor
    if settings[option] % number:
        of = f"{divisor}, {number}" if isinstance(divisor, str) else number
        raise UpscalerError(f"option {option} of {network}: expected a multiple of {of}, got {settings[option]}")
