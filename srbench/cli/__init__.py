"""The command line: a group that loads one module per command, so that listing costs nothing."""

from __future__ import annotations

import importlib
from typing import Any

import click

from srbench.errors import SrbenchError

COMMANDS = {
    "evaluate": ("srbench.cli.evaluate:command", "Score a model on benchmark sets under named protocols."),
    "sweep": ("srbench.cli.sweep:command", "Score every model on every set at every scale under every protocol."),
    "compare": ("srbench.cli.compare:command", "Compare two runs image by image."),
    "audit": ("srbench.cli.audit:command", "Hold a claimed score against every protocol."),
    "data": ("srbench.cli.data:command", "List, download, import, verify and preview datasets."),
    "zoo": ("srbench.cli.zoo:command", "List, describe, fetch, convert and export networks."),
    "samples": ("srbench.cli.samples:command", "Write a model's SR crops of the Sample set for the leaderboard."),
    "submit": ("srbench.cli.submit:command", "Make a submission to the leaderboard from runs."),
    "leaderboard": ("srbench.cli.leaderboard:command", "Build, check, export and serve the leaderboard."),
    "train": ("srbench.cli.train:command", "Train a network by a recipe."),
    "study": ("srbench.cli.study:command", "Carry out and report controlled studies of training."),
    "speed": ("srbench.cli.speed:command", "Measure speed, memory, parameters and MACs."),
}
"""Where each command lives, and its line in the help page: the page is printed without loading any of them."""


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.exceptions.Exit, click.Abort, click.ClickException, BrokenPipeError):
            # A reader that has seen enough (`| head`) is no error: click ends without a word.
            raise
        except SrbenchError as error:
            if ctx.params.get("debug"):
                raise
            raise click.ClickException(str(error)) from error
        except Exception as error:
            # The last door: a user's own model can raise anything.
            if ctx.params.get("debug"):
                raise
            raise click.ClickException(
                f"unexpected {type(error).__name__}: {error}; see where with srbench --debug …"
            ) from error


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="srbench")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def main(debug: bool) -> None:
    """Single-image super-resolution numbers that say how they were made."""
