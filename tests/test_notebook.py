"""The notebooks in `examples/` run from top to bottom, and their stored outputs are those that they give."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.notebook_runner import differences, read, source_of

NOTEBOOKS = sorted((Path(__file__).parents[1] / "examples").glob("*.ipynb"))


def test_there_is_a_notebook() -> None:
    assert NOTEBOOKS


@pytest.mark.long
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_gives_its_stored_outputs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib", reason="its figure needs the extra figures")
    monkeypatch.chdir(tmp_path)
    assert list(differences(read(path))) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_code_cell_of_a_notebook_stores_an_output(path: Path) -> None:
    for cell in read(path)["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"], f"{source_of(cell)}: run python -m tests.notebook_runner {path}"
