"""The options of every command that scores a model: how it is run, each of which is part of the run's key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from srbench.upscalers.tensors import OPTIMISATIONS, PRECISIONS

Command = TypeVar("Command", bound=Callable[..., Any])

_OPTIONS = (
    click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, …"),
    click.option("--precision", type=click.Choice(PRECISIONS), default="fp32", show_default=True),
    click.option("--tile", type=click.IntRange(min=1), metavar="N", help="Side of the LR tiles; changes the score."),
    click.option("--self-ensemble", is_flag=True, help="Average over eight flips and rotations."),
    click.option(
        "--optimise",
        type=click.Choice(OPTIMISATIONS),
        default="none",
        show_default=True,
        help="Faster inference of zoo networks; moves scores by less than 0.0005 dB.",
    ),
)


def inference_options(command: Command) -> Command:
    """Add `--device`, `--precision`, `--tile`, `--self-ensemble` and `--optimise`, in this order."""
    for option in reversed(_OPTIONS):  # as stacked decorators apply: the last one first
        command = option(command)
    return command
