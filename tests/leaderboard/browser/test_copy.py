"""Buttons that copy tables: the files of the main tables, and any other table as LaTeX, Markdown or CSV."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest

from tests.leaderboard.browser.conftest import Visit, wait_until

CATCH = "navigator.clipboard.writeText = (text) => { window.copied = text; return Promise.resolve(); }"


def copied(page: Any, line: Any, name: str) -> str:
    page.evaluate("window.copied = ''")
    line.get_by_role("button", name=name, exact=True).click()
    wait_until(page, "window.copied !== ''")
    return str(page.evaluate("window.copied"))


@pytest.mark.parametrize(("name", "suffix"), [("LaTeX", "tex"), ("Markdown", "md"), ("CSV", "csv"), ("BibTeX", "bib")])
def test_the_main_table_copies_its_files(site: Path, visit: Visit, name: str, suffix: str) -> None:
    page = visit(site)
    page.evaluate(CATCH)
    expected = (site / f"data/x4-matlab-y.{suffix}").read_bytes().decode()
    assert copied(page, page.locator(".copy-as").first, name) == expected


def test_any_table_is_copied_as_it_is_shown(site: Path, visit: Visit) -> None:
    page = visit(site, "models/imdn-authors.html")
    page.evaluate(CATCH)
    line = page.locator(".copy-as").first
    head, *rows = csv.reader(io.StringIO(copied(page, line, "CSV")))
    assert head == ["Dataset", "×2", "×3", "×4"]
    assert rows[0][0] == "Set5" and rows[0][3].startswith("32.210 / 0.8948")
    latex = copied(page, line, "LaTeX")
    assert latex.startswith("\\begin{tabular}{lrrr}\n\\toprule\nDataset & $\\times$2 &")
    assert latex.endswith("\\bottomrule\n\\end{tabular}\n")
    assert copied(page, line, "Markdown").splitlines()[1] == "| --- | --- | --- | --- |"
