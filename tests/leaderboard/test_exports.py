"""Exports: what papers, spreadsheets and the hub read, also when names mean harm."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # no stubs are installed
from click.testing import CliRunner
from huggingface_hub import ModelCardData, parse_eval_result_entries

from leaderboard.data_files import COLUMNS
from leaderboard.exports import FORMATS, export
from srbench.cli import main
from srbench.errors import SubmissionError
from srbench.escaping import csv_cell, latex_text, markdown_text
from tests.submissions.generated import generate, rewrite

# Everything here passes the schema, which already refuses markup and formulas.
HOSTILE = r"\input{/etc/passwd} \write18{id} $x$ 100% a&b #1 _ ^ ~ {} | ` *b* [l](x) ; & '' : - ? ! %"
FORMULAS = ["=1+1", "+1", "@SUM(A1)", "-2+3", "\t=1", "|cmd", "%0A=1", "＝1"]

Change = Callable[[dict[str, Any]], None]


def change(folder: Path, edit: Change) -> None:
    path = folder / "submission.json"
    document = json.loads(path.read_text())
    edit(document)
    path.write_text(json.dumps(document))


def titled(title: str) -> Change:
    return lambda document: document.update(title=title)


def trained(attention: str) -> Change:
    training = {
        "data": "DIV2K",
        "recipe": "r",
        "recipe_sha256": None,
        "fingerprint": None,
        "steps": 10,
        "seed": 1,
        "tag": None,
    }

    def edit(document: dict[str, Any]) -> None:
        document["title"] = f"IMDN {attention}"
        document["training"] = training
        document["model"].update(network="imdn", attention=attention)

    return edit


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every export of three entries: a base, its matched variant, and a harmful title, of other LR on Set14."""
    tmp_path = tmp_path_factory.mktemp("exports")
    base, variant, hostile = generate(tmp_path / "in", 3, datasets=("Set5", "Set14"), scales=(2, 4))
    change(base, trained("cca"))
    change(variant, trained("bam"))
    change(hostile, titled(HOSTILE))
    rewrite(hostile, lambda rows, _: [row.update(lr_sha256="0" * 64) for row in rows if row["dataset"] == "Set14"])
    assert not export(tmp_path / "in", tmp_path / "out", FORMATS).problems
    return tmp_path / "out"


def test_latex_has_the_papers_form(written: Path) -> None:
    text = (written / "tables/matlab-y.tex").read_text()
    body = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert [text.count(rule) for rule in (r"\toprule", r"\midrule", r"\bottomrule")] == [1, 2, 1]
    assert len(body) == 1 + 2 * 3
    assert {len(re.findall(r"(?<!\\)&", line)) for line in body} == {4}
    base, variant = (
        next(number for number, line in enumerate(body) if f"IMDN {name}" in line) for name in ("cca", "bam")
    )
    assert variant == base + 1
    psnr = r"\d\d\.\d\d\}? \((?:\$\\(?:up|down)arrow\$)?0\.\d\d\)"
    assert re.search(psnr, body[variant])
    assert "arrow" not in body[base]
    assert sum("arrow" in line for line in body) == 2


def test_a_score_of_other_inputs_is_marked_as_not_ranked(written: Path) -> None:
    tables = {suffix: (written / f"tables/matlab-y.{suffix}").read_text() for suffix in ("tex", "md")}
    for mark, text in zip((r"\\ddag{}", "‡"), tables.values(), strict=True):
        rows = [line for line in text.splitlines() if re.search(rf"\d{mark} / 0\.\d{{4}}{mark}(?: |$)", line)]
        assert [row.count("‡") or row.count("ddag{}") for row in rows] == [2, 2]  # of each scale one, on Set14 alone
        assert all("passwd" in row for row in rows)
        assert "↑ and ↓: against a base that was trained alike. ‡: other pixels or LR" in text


def test_latex_runs_nothing_that_a_title_says(written: Path) -> None:
    text = (written / "tables/matlab-y.tex").read_text()
    line = next(line for line in text.splitlines() if "passwd" in line)
    cell = line.split(" & ")[1]
    commands = set(re.findall(r"\\([a-zA-Z]+)", cell))
    assert commands <= {"textbackslash", "textasciicircum", "textasciitilde", "textbar"}
    assert not re.search(r"(?<!\\)[$%#_&]", line.replace(" & ", "  ").replace(r"$\times$", ""))
    assert latex_text("a\nb\u202ec") == "a bc"


def test_markdown_rows_keep_their_cells(written: Path) -> None:
    text = (written / "tables/matlab-y.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {5}
    assert r"\[l\](x)" in text
    assert re.search(r"\([↑↓]?0\.\d\d\)", text)
    assert markdown_text("<script>\n# x") == r"\<script\> # x"


def test_csv_is_complete_and_no_formula(written: Path) -> None:
    rows = list(csv.DictReader(io.StringIO((written / "means.csv").read_text())))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == 3 * 2 * 2 * 2
    for row in rows:
        assert not [value for value in row.values() if value[:1] in tuple("=+-@\t\r|%")]
        assert row["n"] == row["n_expected"]
        assert bool(row["psnr_y_aliased"]) == (row["protocol"] == "matlab-y")
    assert [csv_cell(text)[0] for text in FORMULAS] == ["'"] * len(FORMULAS)
    assert [csv_cell(text) for text in ("-1.5", "IMDN", "2", "")] == ["-1.5", "IMDN", "2", ""]


def test_model_index_is_what_the_hub_reads(written: Path) -> None:
    paths = sorted((written / "model-index").iterdir())
    assert [path.name for path in paths] == ["net-00000.yaml", "net-00001.yaml", "net-00002.yaml"]
    names = []
    for path in paths:
        [head] = [part for part in yaml.safe_load_all(path.read_text()) if part]
        card = ModelCardData(**head)
        assert card.eval_results
        assert len(card.eval_results) == 2 * 2 * 2 * 2 + 2 * 2  # sets, scales, protocols; PSNR and SSIM; aliased
        names.append(card.model_name)
    assert names[2] == HOSTILE


def test_eval_results_are_what_the_hub_reads(written: Path) -> None:
    folder = written / "eval-results/net-00000/.eval_results"
    assert sorted(path.name for path in folder.iterdir()) == [
        "x2-bam2021.yaml",
        "x2-matlab-y.yaml",
        "x4-bam2021.yaml",
        "x4-matlab-y.yaml",
    ]
    items = parse_eval_result_entries(yaml.safe_load((folder / "x4-matlab-y.yaml").read_text()))
    assert {(item.dataset_id, item.task_id) for item in items} == {
        (f"eugenesiow/{name}", f"x4-matlab-y-{column}")
        for name in ("Set5", "Set14")
        for column in ("psnr_y", "ssim_y", "psnr_y_aliased")
    }
    assert all(item.date and isinstance(item.value, float) and item.source_url is None for item in items)


def test_eval_results_name_the_page_of_the_entry_as_source(written: Path, tmp_path: Path) -> None:
    export(written.parent / "in", tmp_path, ["eval-results"], site_url="https://sr.example/board/")
    text = (tmp_path / "eval-results/net-00000/.eval_results/x4-matlab-y.yaml").read_text()
    found = {(item.source_url, item.source_name) for item in parse_eval_result_entries(yaml.safe_load(text))}
    assert found == {("https://sr.example/board/models/net-00000.html", "srbench leaderboard")}


def test_numbers_are_the_means_of_the_rows(written: Path) -> None:
    document = json.loads((written.parent / "in/net-00000/submission.json").read_text())
    expected = {(mean["dataset"], mean["protocol"]): mean["psnr"] for mean in document["runs"][1]["means"]}
    rows = csv.DictReader(io.StringIO((written / "means.csv").read_text()))
    found = {
        (row["dataset"], row["protocol"]): float(row["psnr"])
        for row in rows
        if row["id"] == "net-00000" and row["scale"] == "4"
    }
    assert found == pytest.approx(expected)


def test_a_broken_entry_is_left_out_and_reported(tmp_path: Path) -> None:
    good, bad = generate(tmp_path / "in", 2)
    (bad / "scores.parquet").write_bytes(b"PAR1")
    result = CliRunner().invoke(
        main,
        [
            "leaderboard",
            "export",
            "--submissions",
            str(tmp_path / "in"),
            "--output",
            str(tmp_path / "out"),
            "--format",
            "csv",
        ],
    )
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [str(tmp_path / "out/means.csv")]
    assert "left out net-00001" in result.stderr
    assert good.name in (tmp_path / "out/means.csv").read_text()
    with pytest.raises(SubmissionError):
        export(tmp_path / "nowhere", tmp_path / "out", ["csv"])
