"""Notes that `--quiet` leaves out, and command groups whose help page shows complete sentences."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

import click

from srbench.plugins import PluginWarning


class CommandGroup(click.Group):
    """A group whose help page shows the complete first sentence of every command."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands with their short help, wrapped instead of cut."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [(name, command.get_short_help_str(limit=1000)) for name, command in commands if command is not None]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def note(text: str) -> None:
    """Print a remark on stderr, unless `srbench --quiet` was given. Warnings and errors are printed always."""
    if not is_quiet():
        click.echo(text, err=True)


@contextmanager
def plugin_warnings_as_lines() -> Iterator[None]:
    """Print warnings about plugins as one line on stderr, without the place in the code that Python adds."""
    before = warnings.showwarning

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if issubclass(category, PluginWarning):
            click.echo(f"warning: {message}", err=True)
        else:
            before(message, category, filename, lineno, file, line)

    with warnings.catch_warnings():
        warnings.simplefilter("always", PluginWarning)
        warnings.showwarning = show
        yield


def is_quiet() -> bool:
    """Return whether `srbench --quiet` was given."""
    context = click.get_current_context(silent=True)
    return bool(context and context.find_root().params.get("quiet"))
