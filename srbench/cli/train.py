"""`srbench train`."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import click

from srbench.training.options import OPTIONS, Option, TrainValues, misuse


def _option(option: Option) -> click.Option:
    kind: click.Choice[str] | click.Path = (
        click.Choice(option.choices) if option.choices else click.Path(path_type=Path)
    )
    return click.Option(
        [option.name, option.key],
        help=option.help,
        multiple=option.many,
        is_flag=option.flag,
        default=() if option.many else False if option.flag else option.default,
        show_default=option.default is not None,
        metavar=option.metavar,
        type=kind if option.choices or option.kind is Path else bool if option.flag else option.kind,
    )


def _run(**values: object) -> None:
    if wrong := misuse(values):
        raise click.UsageError(wrong)
    # Inside the function: the help page must not wait for torch.
    from srbench.training.command import run_command

    if text := run_command(cast(TrainValues, values)):
        click.echo(text)


command = click.Command(
    "train",
    callback=_run,
    params=[_option(option) for option in OPTIONS],
    short_help="Train a network by a recipe.",
    help="Train a network by a recipe.\n\nStarted by torchrun, every process joins the same training. The last "
    "averaged weights are the result; progress is measured on held-out training images alone.",
)
"""The command, made from the table of options that `srbench.train` in Python uses, too."""
