"""Run a notebook without Jupyter: Python cells, `%%writefile FILE`, and lines `!srbench …`.

`python -m tests.notebook_runner FILE.ipynb...` runs each notebook in an empty folder and stores its outputs in it. With
`--check` it compares the outputs with the stored ones instead, and fails if they differ.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import io
import json
import shlex
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict

from click.testing import CliRunner

from srbench.cli import main as srbench


class Output(TypedDict, total=False):
    """One output of a cell, in nbformat 4."""

    output_type: str
    name: str
    text: list[str]
    data: dict[str, list[str] | str]
    metadata: dict[str, object]
    execution_count: int | None


class Cell(TypedDict, total=False):
    """A cell of a notebook, in nbformat 4."""

    cell_type: str
    source: list[str]
    outputs: list[Output]
    execution_count: int | None


class Notebook(TypedDict):
    """A notebook, in nbformat 4."""

    cells: list[Cell]


def read(path: Path) -> Notebook:
    """Return the notebook in a file."""
    notebook: Notebook = json.loads(path.read_text(encoding="utf-8"))
    return notebook


def outputs_of(notebook: Notebook) -> Iterator[tuple[Cell, list[Output]]]:
    """Run the cells in order in the present folder, and yield each code cell with its outputs."""
    names: dict[str, object] = {"__name__": "__main__"}
    for number, cell in enumerate((cell for cell in notebook["cells"] if cell["cell_type"] == "code"), start=1):
        yield cell, _run("".join(cell["source"]), names, number)


def differences(notebook: Notebook) -> Iterator[str]:
    """Run the notebook, and yield a text for each cell whose outputs print something else than the stored ones."""
    for cell, outputs in outputs_of(notebook):
        found, stored = _texts(outputs), _texts(cell["outputs"])
        if found != stored:
            yield f"{source_of(cell)}\nexpected {stored}, got {found}"


def source_of(cell: Cell) -> str:
    """Return the source of a cell as one text."""
    return "".join(cell["source"])


def _texts(outputs: list[Output]) -> list[str]:
    """What the outputs print. A picture is described by its size: fonts differ between machines."""
    return ["".join(output.get("text") or output["data"]["text/plain"]) for output in outputs]


def _run(source: str, names: dict[str, object], number: int) -> list[Output]:
    first, _, rest = source.partition("\n")
    if first.startswith("%%writefile "):
        file = first.split(maxsplit=1)[1]
        Path(file).write_text(f"{rest}\n", encoding="utf-8")
        return [_stream(f"Writing {file}\n")]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        shown = _execute(source, names)
    outputs = [_stream(printed.getvalue())] if printed.getvalue() else []
    return outputs if shown is None else [*outputs, _displayed(shown, number)]


def _execute(source: str, names: dict[str, object]) -> object:
    """Execute a cell, and return the value of its last expression, if it ends with one."""
    lines = [f"__command({line[1:]!r})" if line.startswith("!") else line for line in source.splitlines()]
    tree = ast.parse("\n".join(lines))
    names["__command"] = _command
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "<cell>", "exec"), names)  # running a notebook is what this module is for
    if not isinstance(last, ast.Expr):
        return None
    value: object = eval(compile(ast.Expression(last.value), "<cell>", "eval"), names)  # as above
    return value


def _command(line: str) -> None:
    program, *arguments = shlex.split(line)
    if program != "srbench":
        raise ValueError(f"expected a command srbench, got {program}; write Python instead")
    done = CliRunner().invoke(srbench, arguments)
    if done.exit_code:
        raise RuntimeError(f"{line}: {done.output}")
    sys.stdout.write(done.stdout)


def _stream(text: str) -> Output:
    return {"output_type": "stream", "name": "stdout", "text": text.splitlines(keepends=True)}


def _displayed(value: object, number: int) -> Output:
    data: dict[str, list[str] | str] = {"text/plain": repr(value).splitlines(keepends=True)}
    if as_html := getattr(value, "_repr_html_", None):
        data["text/html"] = as_html().splitlines(keepends=True)
    if as_png := getattr(value, "_repr_png_", None):
        data["image/png"] = base64.b64encode(as_png()).decode()
        data["text/plain"] = [f"<image of {getattr(value, 'size', 'unknown size')} pixels>"]
    return {"output_type": "execute_result", "execution_count": number, "data": data, "metadata": {}}


def _store(path: Path) -> None:
    notebook = read(path)
    for number, (cell, outputs) in enumerate(outputs_of(notebook), start=1):
        cell["outputs"], cell["execution_count"] = outputs, number
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _check(path: Path) -> None:
    if found := list(differences(read(path))):
        raise SystemExit("\n\n".join([f"{path.name} prints something else than it stores:", *found]))
    sys.stdout.write(f"{path.name}: every cell gives its stored output\n")


if __name__ == "__main__":
    act = _check if "--check" in sys.argv else _store
    for file in [Path(name).resolve() for name in sys.argv[1:] if name != "--check"]:
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            act(file)
