"""The command-line reference as Markdown pages, generated from the commands themselves."""

from __future__ import annotations

from collections.abc import Iterator
from inspect import cleandoc

import click

from srbench.cli import COMMANDS, main

INDEX = """# Command line

Results go to stdout, everything else to stderr. Exit codes: 0 done, 1 failed with a message, 2 misuse,
130 interrupted. `srbench --debug COMMAND …` shows the traceback of an error,
`srbench --quiet COMMAND …` prints results,
warnings and errors only. The [environment variables](../index.md#environment) apply to every command.

## Shell completion

The Tab key completes commands and options after one of these lines was added to the start-up file of your shell:

```sh
eval "$(_SRBENCH_COMPLETE=bash_source srbench)"                # ~/.bashrc (bash 4.4 or newer)
eval "$(_SRBENCH_COMPLETE=zsh_source srbench)"                 # ~/.zshrc
_SRBENCH_COMPLETE=fish_source srbench | source                 # ~/.config/fish/config.fish
```

## Commands

| command | what it does |
|---|---|
"""


def pages() -> dict[str, str]:
    """The reference: page path below the documentation's root -> Markdown."""
    rows = [f"| [`srbench {name}`]({name}.md) | {summary} |" for name, (_, summary) in COMMANDS.items()]
    found = {"cli/index.md": INDEX + "\n".join(rows) + "\n"}
    root = click.Context(main, info_name="srbench")
    for name in COMMANDS:
        command = main.get_command(root, name)
        if command is not None:
            found[f"cli/{name}.md"] = "\n".join(_describe(command, click.Context(command, root, name), "#"))
    return found


def _describe(command: click.Command, context: click.Context, heading: str) -> Iterator[str]:
    yield f"{heading} {context.command_path}\n"
    yield f"{_text(command.help)}\n"
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    yield f"```text\n{usage}\n```\n"
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    if options:
        yield "| option | value | default | |\n|---|---|---|---|"
        yield from (_row(option, context) for option in options if not option.hidden)
        yield ""
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None:
                yield from _describe(inner, click.Context(inner, context, name), heading + "#")


def _row(option: click.Option, context: click.Context) -> str:
    facts = option.to_info_dict()
    value = "" if option.is_flag else _value(option, context)
    default = "required" if option.required else _default(facts["default"])
    repeated = " May be repeated." if option.multiple and "repeated" not in (option.help or "") else ""
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    return "| " + " | ".join(_cell(text) for text in (names, value, default, (option.help or "") + repeated)) + " |"


def _value(option: click.Option, context: click.Context) -> str:
    if isinstance(option.type, click.Choice) and not option.metavar:
        return ", ".join(f"`{choice}`" for choice in option.type.choices)
    return f"`{option.make_metavar(context)}`"


def _default(value: object) -> str:
    if value is None or value is False or value in ((), []):
        return ""
    return ", ".join(f"`{part}`" for part in value) if isinstance(value, list | tuple) else f"`{value}`"


def _cell(text: str) -> str:
    # Within backticks a bar is no border of the cell, and a backslash would show.
    parts = " ".join(text.split()).split("`")
    return "`".join(part if index % 2 else part.replace("|", "\\|") for index, part in enumerate(parts))


def _text(docstring: str | None) -> str:
    # A form feed ends what click shows, \b on its own line keeps a paragraph's lines apart.
    return cleandoc((docstring or "").partition("\f")[0]).replace("\b\n", "").strip()
