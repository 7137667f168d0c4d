"""Misuse of the command line: options given twice, and commands that do not exist."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from srbench.cli import main


def commands(group: click.Group, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield every command below a group, with the words that call it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield (*words, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*words, name))


SINGLE = [
    (words, option)
    for words, command in commands(main)
    for option in command.params
    if isinstance(option, click.Option) and not (option.multiple or option.is_flag or option.count)
]


def test_every_single_valued_option_given_twice_is_refused() -> None:
    assert len(SINGLE) > 80
    for words, option in SINGLE:
        name = max(option.opts, key=len)
        done = CliRunner().invoke(main, [*words, name, "2", option.opts[0], "3"])
        assert done.exit_code == 2, (words, name)
        assert f"{name}: expected one value, got 2" in done.stderr
        assert "srbench sweep" in done.stderr


def test_options_that_may_be_repeated_are_kept() -> None:
    twice = ["--dataset", "Sample", "--dataset", "Sample"]
    done = CliRunner().invoke(main, ["evaluate", "--model", "bicubik", "--scale", "4", *twice])
    assert done.exit_code == 1
    assert "did you mean bicubic" in done.stderr


@pytest.mark.parametrize(
    ("words", "offered"),
    [(["evalute"], "evaluate"), (["zoo", "lst"], "list"), (["leaderboard", "biuld"], "build"), (["qqq"], "known:")],
)
def test_an_unknown_command_offers_close_matches(words: list[str], offered: str) -> None:
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 2
    assert f"unknown command '{words[-1]}'; " in done.stderr
    assert offered in done.stderr
