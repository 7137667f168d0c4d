from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from srbench.cli import main
from srbench.scores import read_run
from tests.score_tables.runs import write_run

TEXT = """\
PSNR (Y) in dB ↑ / SSIM (Y) ↑ under matlab-y v1: as MATLAB

scale  model  params (K)  Set5                               Set14
-----  -----  ----------  ---------------------------------  ---------------
×2     a      1,500       35.00* / 0.8750*                   -
×4     a      1,500       31.00+ / 0.7750+                   28.00* / 0.7000*
×4     b      -           31.50* (↑0.50) / 0.7875* (↑0.0125)  -

* the best printed value; ties are marked together; + the second best.
b: no mean on Set14 at ×4, which has 2 of 14 images.
↑ and ↓ in brackets: higher and lower than a.
"""

NASTY = r"\input{x} $x_1$ 50% #1 & ~^ {} <b> |q| \"é\" σ"


def words_of(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines() if not line.startswith("---")]


def srbench(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    return [
        write_run(tmp_path / "a4", "a", {"Set5": [30.0, 32.0]}, parameters=1_500_000),
        write_run(tmp_path / "a14", "a", {"Set14": [27.0, 29.0]}, parameters=1_500_000),
        write_run(tmp_path / "a2", "a", {"Set5": [34.0, 36.0]}, scale=2, parameters=1_500_000),
        write_run(tmp_path / "b4", "b", {"Set5": [31.0, 32.0]}),
        write_run(tmp_path / "b14", "b", {"Set14": [28.0, 29.0]}, expected=14),
    ]


def test_runs_of_one_model_become_one_row_per_scale(runs: list[Path]) -> None:
    result = srbench("table", *runs, "--base", "a")
    assert result.exit_code == 0, result.output
    assert words_of(result.stdout) == words_of(TEXT)


def test_csv_has_all_digits_and_empty_cells(runs: list[Path]) -> None:
    rows = list(csv.DictReader(io.StringIO(srbench("table", *runs, "--format", "csv").stdout)))
    assert len(rows) == 5
    assert float(rows[3]["psnr_y"]) == read_run(runs[3]).scores["psnr_y"].mean()
    assert (rows[4]["dataset"], rows[4]["n"], rows[4]["psnr_y"]) == ("Set14", "2", "")


def test_bold_and_underlined_in_markdown_and_latex(runs: list[Path]) -> None:
    markdown = srbench("table", *runs[:4], "--format", "markdown", "--metric", "psnr_y").stdout
    assert "| ×4 | b | - | **31.50** | - |" in markdown and "<u>31.00</u>" in markdown
    latex = srbench("table", *runs[:4], "--format", "latex", "--metric", "psnr_y", "--name", "b=B & C").stdout
    assert r" & B \& C & - & \textbf{31.50} & - \\" in latex and r"\underline{31.00}" in latex
    assert r"\textbf" not in srbench("table", *runs, "--format", "latex", "--bold", "none").stdout.partition(r"\top")[2]


def test_order_by_score_name_and_size(runs: list[Path]) -> None:
    def models(order: str) -> list[str]:
        text = srbench("table", runs[0], runs[3], "--order", order, "--format", "csv").stdout
        return [line.partition(",")[0] for line in text.splitlines()[1:]]

    assert [models(order) for order in ("given", "name", "score", "parameters")] == [
        ["a", "b"],
        ["a", "b"],
        ["b", "a"],
        ["b", "a"],
    ]


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
def test_latex_compiles_with_booktabs_alone(runs: list[Path], tmp_path: Path) -> None:
    words = ["--name", f"b={NASTY}", "--base", "a", "--reported", "2104.07566-table-1:IMDN-BAM"]
    table = srbench("table", *runs, "--format", "latex", *words)
    sentence = srbench("table", *runs, "--format", "latex", "--sentence")
    page = rf"\documentclass{{article}}\usepackage{{booktabs}}\begin{{document}}{table.stdout}{sentence.stdout}"
    (tmp_path / "page.tex").write_text(page + r"\end{document}", encoding="utf-8")
    command = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "-no-shell-escape", "page.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "page.pdf").exists()


def test_reported_rows_are_apart_and_never_bold(runs: list[Path]) -> None:
    latex = srbench("table", *runs, "--format", "latex", "--reported", "2104.07566-table-1:IMDN-BAM").stdout
    row = next(line for line in latex.splitlines() if "IMDN-BAM" in line and r"$\times$4" in line)
    assert row == r"$\times$4 & \textit{IMDN-BAM} & 694.3 & \textit{32.24 / 0.8955} & \textit{28.75 / 0.7847} \\"


def test_sentence_states_border_colour_and_datasets(runs: list[Path]) -> None:
    text = srbench("table", *runs, "--sentence").stdout
    assert "protocol matlab-y (version 1)" in text and "(2 pixels for ×2 and 4 pixels for ×4)" in text
    assert "as MATLAB's rgb2ycbcr" in text and "Set14 (14 images, canonical pixels)" in text


def test_sweep_folder_gives_its_runs_in_order(runs: list[Path], tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    (sweep / "runs").mkdir(parents=True)
    for run in runs:
        run.rename(sweep / "runs" / run.name)
    combinations = [{"run": f"runs/{name}"} for name in ("b4", "a4")]
    (sweep / "sweep.json").write_text(json.dumps({"combinations": combinations}))
    lines = srbench("table", sweep, "--format", "csv").stdout.splitlines()
    assert [line.partition(",")[0] for line in lines[1:]] == ["b", "a"]


def test_runs_on_other_pixels_are_refused(runs: list[Path], tmp_path: Path) -> None:
    other = write_run(tmp_path / "c", "c", {"Set5": [31.0, 32.0]}, hr="other")
    result = srbench("table", runs[0], other)
    assert result.exit_code == 1
    assert "got another HR in the runs of a and c for i000, i001; evaluate both on the same files" in result.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--metric", "psnr_z"], "unknown metric of these runs 'psnr_z'; did you mean"),
        (["--base", "c"], "unknown model of these runs 'c'"),
        (["--name", "c=x"], "expected the path or the model of one of the runs (a, b), got 'c'"),
        (["--protocol", "bam2021"], "expected runs under bam2021, got runs under matlab-y"),
        (["--reported", "nobody-2000"], "unknown source of reported rows 'nobody-2000'"),
    ],
)
def test_wrong_names_are_reported_with_the_known_ones(runs: list[Path], words: list[str], message: str) -> None:
    result = srbench("table", *runs, *words)
    assert result.exit_code == 1 and message in result.stderr


def test_two_runs_of_one_model_need_labels(tmp_path: Path) -> None:
    first, second = (write_run(tmp_path / name, "a", {"Set5": [30.0]}) for name in ("one", "two"))
    assert "name them apart with --name RUN=LABEL" in srbench("table", first, second).stderr
    named = srbench("table", first, second, "--name", f"{first}=A = 1", "--name", f"{second}=B", "--format", "csv")
    assert [line.partition(",")[0] for line in named.stdout.splitlines()[1:]] == ["A = 1", "B"]
