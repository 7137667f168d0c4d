"""What commands print next to their results: notes that `--quiet` leaves out, and groups whose help is complete."""

from __future__ import annotations

import click


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


def is_quiet() -> bool:
    """Return whether `srbench --quiet` was given."""
    context = click.get_current_context(silent=True)
    return bool(context and context.find_root().params.get("quiet"))
