"""The notebooks in `examples/` run from top to bottom, and their stored outputs are those that they give."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.notebook_runner import Cell, Output, outputs_of, read

NOTEBOOKS = sorted((Path(__file__).parents[1] / "examples").glob("*.ipynb"))


def texts(outputs: list[Output]) -> list[str]:
    """What the outputs print. A picture is described by its size: fonts differ between machines."""
    return ["".join(output.get("text") or output["data"]["text/plain"]) for output in outputs]


def source_of(cell: Cell) -> str:
    return "".join(cell["source"])


def test_there_is_a_notebook() -> None:
    assert NOTEBOOKS


@pytest.mark.long
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_gives_its_stored_outputs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib", reason="its figure needs the extra figures")
    monkeypatch.chdir(tmp_path)
    for cell, outputs in outputs_of(read(path)):
        assert texts(outputs) == texts(cell["outputs"]), source_of(cell)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_code_cell_of_a_notebook_stores_an_output(path: Path) -> None:
    for cell in read(path)["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"], f"{source_of(cell)}: run python -m tests.notebook_runner {path}"
