"""The documentation runs: docstring examples, fenced Python and `srbench` commands, and the command-line reference.

A fenced block is run unless the line above it is a comment: `<!-- real data -->` needs SRBENCH_TEST_DATA, and
`<!-- not run: reason -->` is not run at all. Blocks of one page share a folder and their Python names. What a
```console block prints has to be what the command prints; `...` stands for anything. In ```sh blocks, whose names are
placeholders, every command, option, file and make target has to exist.
"""

from __future__ import annotations

import doctest
import importlib
import operator
import posixpath
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import pytest
from click.testing import CliRunner

import srbench
from srbench import metrics
from srbench.cli import COMMANDS, main

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        ROOT / "studies" / "README.md",
        ROOT / "submissions" / "README.md",
    )
)
# Their commands take seconds.
LONG = {"docs/tables-and-figures.md", "docs/grids.md", "docs/leaderboard.md", "docs/quick-start.md"}
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for name in ("srbench", "leaderboard")
    for path in (ROOT / name).rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
LANGUAGES = {"console", "python", "pycon", "sh", "text", "json", "toml", "html", "latex"}
_FENCE = re.compile(r"(?:^<!-- (?P<note>[^\n]*) -->\n)?^```(?P<info>[^\n]*)\n(?P<body>.*?)^```$", re.M | re.S)


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, the file it is to be written to, the comment above it and its text."""

    line: int
    language: str
    title: str
    note: str
    body: str


def blocks(page: str) -> list[Block]:
    text = (ROOT / page).read_text(encoding="utf-8")
    found = []
    for match in _FENCE.finditer(text):
        language, _, rest = match["info"].partition(" ")
        title = re.search(r'title="([^"]+)"', rest)
        line = text.count("\n", 0, match.start("body")) + 1
        found.append(Block(line, language, title[1] if title else "", match["note"] or "", match["body"]))
    return found


@pytest.mark.parametrize("page", PAGES)
def test_blocks_are_marked_rightly(page: str) -> None:
    for block in blocks(page):
        assert block.language in LANGUAGES, f"{page}:{block.line}: {block.language!r} is not a language of the pages"
        known = not block.note or block.note == "real data" or block.note.startswith("not run: ")
        assert known, f"{page}:{block.line}: {block.note!r}"


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files_and_headings_of_the_repository(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for link, anchor in re.findall(r"\]\(([^):\s#]*)(#[^)\s]*)?\)", text):
        target = ROOT / posixpath.normpath(posixpath.join(posixpath.dirname(page), link)) if link else ROOT / page
        assert target.exists(), f"{page}: {link}"  # a forge shows folders, too
        assert not anchor or anchor in anchors(target), f"{page}: {link}{anchor}"


@pytest.fixture
def hooks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the hooks of the documentation importable."""
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "hooks"))


@pytest.fixture
def catalogues(hooks: None) -> ModuleType:
    """The hook that makes the tables of the pages."""
    return importlib.import_module("catalogues")


@pytest.mark.parametrize(
    "page", [page for page in PAGES if "<!-- end of table -->" in (ROOT / page).read_text("utf-8")]
)
def test_committed_tables_equal_the_catalogues(page: str, catalogues: ModuleType) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert page in catalogues.PAGES
    assert catalogues.committed(text) == text, f"{page} has an old table: run `make tables`"


def test_every_table_is_on_a_page(catalogues: ModuleType) -> None:
    texts = [(ROOT / page).read_text(encoding="utf-8") for page in PAGES]
    shown = {name for text in texts for name in re.findall(r"<!-- table: (\w+) -->", text)}
    assert shown == set(catalogues.TABLES)


def anchors(path: Path) -> set[str]:
    """The addresses of a page's headings, as forges and the builder of the documentation give them."""
    prose = _FENCE.sub("", path.read_text(encoding="utf-8"))
    return {
        "#" + re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    }


@pytest.mark.parametrize("page", [pytest.param(page, marks=pytest.mark.long if page in LONG else ()) for page in PAGES])
def test_page_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_page(page, [block for block in blocks(page) if not block.note])


@pytest.mark.parametrize("page", [page for page in PAGES if any(block.note == "real data" for block in blocks(page))])
def test_page_runs_on_real_data(page: str, mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").symlink_to(mirror.parent / "data")
    monkeypatch.setenv("SRBENCH_DATA", "data")
    run_page(page, [block for block in blocks(page) if block.note == "real data"])


def run_page(page: str, chosen: list[Block]) -> None:
    names: dict[str, Any] = {"__name__": "page"}
    for block in chosen:
        where = f"{page}:{block.line}"
        if block.title:
            Path(block.title).write_text(block.body, encoding="utf-8")
        elif block.language == "python":
            exec(compile("\n" * block.line + block.body, page, "exec"), names)
        elif block.language == "pycon":
            run_doctest(doctest.DocTestParser().get_doctest(block.body, names, where, page, block.line))
        elif block.language == "console":
            run_console(block.body, where)
        elif block.language == "sh":
            check_commands(block.body, where)


def run_doctest(example: doctest.DocTest) -> None:
    said: list[str] = []
    names = example.globs
    doctest.DocTestRunner(optionflags=FLAGS).run(example, out=said.append, clear_globs=False)
    names.update(example.globs)
    assert not said, "\n".join(said)


def run_console(text: str, where: str) -> None:
    for session in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, expected = session.replace("\\\n", " ").partition("\n")
        program, *arguments = shlex.split(command)
        assert program == "srbench", f"{where}: only srbench is run in a console block, not {program}"
        result = CliRunner().invoke(main, arguments)
        assert result.exception is None or isinstance(result.exception, SystemExit), f"{where}: {result.exception!r}"
        got = result.stderr if result.exit_code else result.stdout
        # A page shows text without trailing blank lines.
        matches = doctest.OutputChecker().check_output(expected.rstrip() + "\n", got.rstrip() + "\n", doctest.ELLIPSIS)
        assert matches, f"{where}: {command}\nexpected\n{expected}\ngot (exit code {result.exit_code})\n{got}"


def check_commands(text: str, where: str) -> None:
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["srbench"]:
            check_command(words[1:], f"{where}: {line}")
        elif words[:1] == ["pytest"]:
            missing = [word for word in words[1:] if word.startswith("tests") and not (ROOT / word).exists()]
            assert not missing, f"{where}: {missing}"
        elif words[:1] == ["make"]:
            targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
            assert words[1] in targets, f"{where}: make has no {words[1]}"


def check_command(words: list[str], where: str) -> None:
    command: click.Command = main
    while isinstance(command, click.Group):
        inner = command.get_command(click.Context(command), words[0])
        assert inner is not None, f"{where}: no such command {words[0]}"
        command, words = inner, words[1:]
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    unknown = [word for word in words if word.startswith("-") and word not in {*known, "--help"}]
    assert not unknown, f"{where}: no such option {unknown}"


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for example in doctest.DocTestFinder(exclude_empty=True).find(importlib.import_module(name)):
        run_doctest(example)


@pytest.mark.parametrize("name", ["evaluate", "imresize", "load_model", *(f"metrics.{n}" for n in metrics.__all__)])
def test_public_functions_show_an_example(name: str) -> None:
    function = operator.attrgetter(name)(srbench)
    assert ">>> " in function.__doc__


def test_python_pages_have_every_public_name() -> None:
    pages = "".join((ROOT / page).read_text(encoding="utf-8") for page in PAGES if page.startswith("docs/api/"))
    modules = {"": srbench, "datasets.": srbench.datasets, "metrics.": srbench.metrics, "zoo.": srbench.zoo}
    assert all(set(module.__all__) <= set(dir(module)) for module in modules.values())
    names = [prefix + name for prefix, module in modules.items() for name in module.__all__]
    missing = [name for name in names if not re.search(rf"srbench\.{re.escape(name)}(`|\n)", pages)]
    assert not missing


@pytest.fixture
def reference(hooks: None) -> ModuleType:
    """The hook that makes the pages of the commands."""
    return importlib.import_module("cli_reference")


@pytest.mark.parametrize("name", COMMANDS)
def test_reference_has_every_command_option_and_default(reference: ModuleType, name: str) -> None:
    page = reference.pages()[f"cli/{name}.md"]
    for path, command in commands(main.get_command(click.Context(main), name), f"srbench {name}"):
        part = page.partition(f"# {path}\n")[2].partition("\n#")[0]
        assert part, f"{path} is missing"
        told = part.partition("```")[0]
        assert not re.search(r"\n {4}", told), f"{path}: an indented paragraph of its help would be shown as code"
        for option in (parameter for parameter in command.params if isinstance(parameter, click.Option)):
            row = next((line for line in part.splitlines() if line.startswith(f"| `{option.opts[0]}`")), None)
            assert row is not None, f"{path} lacks {option.opts[0]}"
            default = option.to_info_dict()["default"]
            for value in default if isinstance(default, list | tuple) else [default]:
                assert value in (None, False) or f"`{value}`" in row, f"{path} {option.opts[0]}: {value} in {row}"


def commands(command: click.Command | None, path: str) -> Iterator[tuple[str, click.Command]]:
    assert command is not None
    yield path, command
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from commands(inner, f"{path} {name}")
