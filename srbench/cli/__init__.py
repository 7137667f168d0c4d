"""The command line: a group that loads one module per command, so that listing costs nothing."""

from __future__ import annotations

import importlib
from collections import Counter

import click

from srbench.cli.notes import plugin_warnings_as_lines
from srbench.errors import SrbenchError, UnknownNameError

COMMANDS = {
    "evaluate": ("srbench.cli.evaluate:command", "Score a model on benchmark sets under named protocols."),
    "sweep": ("srbench.cli.sweep:command", "Score every model on every set at every scale under every protocol."),
    "compare": ("srbench.cli.compare:command", "Compare two runs image by image."),
    "table": ("srbench.cli.table:command", "Print a table of finished runs, for papers and pages."),
    "figure": ("srbench.cli.figure:command", "Draw zoomed crops of several models with their scores."),
    "plot": ("srbench.cli.plot:command", "Plot scores over size or speed, and differences per image."),
    "audit": ("srbench.cli.audit:command", "Find the protocol behind a claimed score."),
    "data": ("srbench.cli.data:command", "List, download, import, verify and preview datasets."),
    "zoo": ("srbench.cli.zoo:command", "List, describe, fetch, convert and export networks."),
    "samples": ("srbench.cli.samples:command", "Write a model's SR crops of the Sample set for the leaderboard."),
    "submit": ("srbench.cli.submit:command", "Make a submission to the leaderboard from runs."),
    "leaderboard": ("srbench.cli.leaderboard:command", "Build, check, export and serve the leaderboard."),
    "train": ("srbench.cli.train:command", "Train a network by a recipe."),
    "study": ("srbench.cli.study:command", "Run and report controlled studies of training."),
    "upscale": ("srbench.cli.upscale:command", "Upscale images without ground truth."),
    "speed": ("srbench.cli.speed:command", "Measure speed, memory, parameters and MACs."),
}
"""The module and the help line of each command. The help page is printed without loading any of them."""


_INTERRUPTED = 130
"""The exit code after Ctrl-C: 128 plus the number of SIGINT, as shells give it."""


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        _check_words(self, ctx, args)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> object:
        try:
            with plugin_warnings_as_lines():
                return super().invoke(ctx)
        except (click.exceptions.Exit, click.Abort, click.ClickException, BrokenPipeError):
            # A closed pipe (`| head`) is no error: click ends silently.
            raise
        except KeyboardInterrupt as interrupt:
            click.echo("\ninterrupted; repeat the command to resume, if it writes to a folder (--output)", err=True)
            raise click.exceptions.Exit(_INTERRUPTED) from interrupt
        except SrbenchError as error:
            if ctx.params.get("debug"):
                raise
            raise click.ClickException(str(error)) from error
        except Exception as error:
            # A user's own model can raise anything.
            if ctx.params.get("debug"):
                raise
            raise click.ClickException(
                f"unexpected {type(error).__name__}: {error}; see where with srbench --debug …"
            ) from error


def _check_words(group: click.Group, ctx: click.Context, args: list[str]) -> None:
    """Raise UsageError for an unknown command, with close matches, or for a repeated option that takes one value.

    `args` start with the name of a command of `group`. click itself silently takes the last of two values.
    """
    name, *rest = args
    command = group.get_command(ctx, name)
    if command is None:
        if not name.startswith("-"):
            raise click.UsageError(str(UnknownNameError("command", name, group.list_commands(ctx))), ctx)
        return
    inner = click.Context(command, parent=ctx, info_name=name, **command.context_settings)
    try:
        _, rest, order = command.make_parser(inner).parse_args(list(rest))
    except click.NoSuchOption as error:
        _require_place(error.option_name, ctx.find_root())
        return  # as below
    except click.UsageError:
        return  # click reports the same error later, when it parses the words
    _require_single_values(order, inner)
    if isinstance(command, click.Group) and rest:
        _check_words(command, inner, rest)


def _require_place(option: str, root: click.Context) -> None:
    """Raise UsageError for an option of srbench itself, such as --quiet, that was given after the command."""
    if any(option in parameter.opts for parameter in root.command.params):
        raise click.UsageError(f"{option} belongs before the command: srbench {option} COMMAND …", root)


def _require_single_values(order: list[click.Parameter], ctx: click.Context) -> None:
    """Raise UsageError where an option that takes one value occurs more than once among the parsed words."""
    for parameter, times in Counter(order).items():
        if not isinstance(parameter, click.Option) or parameter.multiple or parameter.is_flag or parameter.count:
            continue
        if times > 1:
            name = max(parameter.opts, key=len)
            raise click.UsageError(
                f"{name}: expected one value, got {times}; give {name} once; srbench sweep runs several models, "
                "scales and datasets, srbench train --sweep several trainings",
                ctx,
            )


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="sisr-bench")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.option("--quiet", "-q", is_flag=True, help="Print results, warnings and errors only.")
def main(debug: bool, quiet: bool) -> None:
    """Evaluate, compare and train single-image super-resolution models under exact protocols."""
