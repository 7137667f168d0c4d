"""The options of every command that runs a model. Each of them is part of a run's key."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import cast

import click

from srbench.cli.common_options import device_option, self_ensemble_option
from srbench.errors import UpscalerError
from srbench.upscalers.adapters import MAX_PAD, RANGES
from srbench.upscalers.base import OptionKeywords, Options
from srbench.upscalers.factory_args import FactoryArgs, parse_factory_args
from srbench.upscalers.tensors import OPTIMISATIONS, PRECISIONS
from srbench.zoo.networks import FORMS

Command = Callable[..., None]

_Decorator = Callable[[Command], Command]


def _factory_args(context: click.Context, parameter: click.Parameter, texts: tuple[str, ...]) -> FactoryArgs:
    try:
        return parse_factory_args(texts)
    except UpscalerError as error:
        raise click.UsageError(str(error), context) from error


factory_arg_option = click.option(
    "--factory-arg",
    multiple=True,
    metavar="KEY=VALUE",
    callback=_factory_args,
    help="An argument of a python: factory: a JSON number, true, false, null, or text. May be repeated.",
)
"""`--factory-arg`, for commands that open a model without the options of `Options`."""

_RUNNING: dict[str, _Decorator] = {
    "device": device_option,
    "precision": click.option("--precision", type=click.Choice(PRECISIONS), default="fp32", show_default=True),
    "tile": click.option(
        "--tile", type=click.IntRange(min=1), metavar="N", help="Compute in tiles of N×N LR pixels; changes the score."
    ),
    "self_ensemble": self_ensemble_option,
    "optimise": click.option(
        "--optimise",
        type=click.Choice(OPTIMISATIONS),
        default="none",
        show_default=True,
        help="Faster inference of zoo networks; changes scores by less than 0.0005 dB.",
    ),
    "form": click.option(
        "--form", type=click.Choice(FORMS), help="The form of zoo:NAME@FILE, if the file does not name its form."
    ),
}
"""The options of how a model is run, by field of `Options`."""

_ADAPTERS: dict[str, _Decorator] = {
    "pad": click.option(
        "--pad",
        type=click.IntRange(1, MAX_PAD),
        default=1,
        metavar="N",
        help="Pad the network's input by reflection to a multiple of N, and crop its output.",
    ),
    "range": click.option(
        "--range",
        type=click.Choice([str(value) for value in RANGES]),
        default="1",
        show_default=True,
        help="Values that the network takes and returns: [0, 1], [0, 255] or [-1, 1].",
    ),
    "bgr": click.option("--bgr", is_flag=True, help="The network takes and returns BGR."),
    "luma": click.option(
        "--luma", is_flag=True, help="The network takes and returns Y alone; Cb and Cr come from bicubic."
    ),
    "pre_upsample": click.option(
        "--pre-upsample", is_flag=True, help="The network gets the LR enlarged by MATLAB's bicubic (SRCNN, VDSR)."
    ),
    "output_name": click.option(
        "--output-name", metavar="NAME", help="The output that is the SR image, for a model with several outputs."
    ),
    "factory_arg": factory_arg_option,
}
"""The options of a model's input and output, by field of `Options`."""

_IMAGES: dict[str, _Decorator] = {
    "pattern": click.option(
        "--pattern",
        metavar="P",
        help="For images:DIR: the files below DIR, such as '{dataset}/{name}_SR.png'; {scale} and * are allowed, too.",
    ),
}
"""The option for SR images that exist already, by field of `Options`."""


def inference_options(command: Command) -> Command:
    """Add the options about running a model and about its input; the command gets them as one argument `options`."""
    return _with_options(command, {**_RUNNING, **_ADAPTERS, **_IMAGES})


def adapter_options(command: Command) -> Command:
    """Add only the options about a model's input; the command gets them as one argument `options: Options`."""
    return _with_options(command, _ADAPTERS)


def _with_options(command: Command, added: Mapping[str, _Decorator]) -> Command:
    @functools.wraps(command)
    def gathered(*args: object, **values: object) -> None:
        chosen = {name: values.pop(name) for name in added}
        chosen["range"] = int(str(chosen["range"]))  # click.Choice takes only text
        command(*args, options=Options(**cast(OptionKeywords, chosen)), **values)

    decorated: Command = gathered
    for option in reversed([*added.values()]):  # in the order in which stacked decorators apply: the last one first
        decorated = option(decorated)
    return decorated


accept_random_option = click.option(
    "--accept-random",
    is_flag=True,
    help="Resume a run of a model that is not deterministic; its scores are then from several random draws.",
)
"""`--accept-random`, for commands that resume runs."""
