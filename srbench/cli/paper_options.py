"""The options of commands that draw for papers: width and font."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import click

from srbench.figures.canvas import DEFAULT_FONT

CommandT = TypeVar("CommandT", bound=Callable[..., object])


def paper_options(*, width: str, font_size: float) -> Callable[[CommandT], CommandT]:
    """Return a decorator that adds `--width`, `--font` and `--font-size` with these defaults."""

    def decorated(command: CommandT) -> CommandT:
        for option in (_size(font_size), _FONT, _width(width)):  # the last one is shown first
            command = option(command)
        return command

    return decorated


_FONT = click.option("--font", default=DEFAULT_FONT, show_default=True, help="A font family that matplotlib finds.")


def _width(default: str) -> Callable[[CommandT], CommandT]:
    return click.option(
        "--width",
        default=default,
        show_default=True,
        metavar="column|text|INCHES",
        help="column (3.25 inches), text (6.875 inches), or a number of inches.",
    )


def _size(default: float) -> Callable[[CommandT], CommandT]:
    return click.option(
        "--font-size",
        type=click.FloatRange(4, 20),
        metavar="POINTS",
        default=default,
        show_default=True,
        help="Size of the text in points.",
    )
