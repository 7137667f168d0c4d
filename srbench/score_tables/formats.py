"""Print a table of scores as text, Markdown, LaTeX for booktabs, or CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from srbench.escaping import csv_cell, latex_text, markdown_text
from srbench.score_tables.cells import PSNR_DIGITS, PrintedCell, PrintedNumber, PrintedRow, printed_rows
from srbench.score_tables.marks import Mark, MarkRule
from srbench.score_tables.tabulate import ModelTable
from srbench.statistics import MIN_IMAGES
from srbench.tables import table_of_markdown, text_table

_RULES = {
    "max": "the best printed value; ties are marked together",
    "tied": "the best, all that are not significantly below it (Wilcoxon over the images, Holm) or within one unit of "
    f"the last digit, and those with means between; below {MIN_IMAGES} images only the digit counts",
}

_REPORTED = {"psnr_y": "psnr", "psnr_rgb": "psnr", "ssim_y": "ssim", "ssim_rgb": "ssim"}
"""What papers call the metrics whose values they print."""


@dataclass(frozen=True)
class ReportedRow:
    """A row that another source printed: its label, its source, and PSNR and SSIM as printed by scale and dataset."""

    label: str
    source: str
    parameters: str
    cells: Mapping[tuple[int, str], tuple[str, ...]]


@dataclass(frozen=True)
class TableStyle:
    """How a table is printed.

    Attributes:
        rule: which numbers are marked as best; the next ones are marked as second best.
        bases: by label of a model, the label of the model that its differences are to.
        reported: rows from the literature, which are printed apart and never marked.
        decibel_digits: decimals of values in dB.
    """

    rule: MarkRule = "max"
    bases: Mapping[str, str] | None = None
    reported: Sequence[ReportedRow] = ()
    decibel_digits: int = PSNR_DIGITS


def text_scores(table: ModelTable, style: TableStyle) -> str:
    """Return a table of plain text: `*` marks the best numbers, `+` the second best."""
    head, rows = ["scale", "model", "params (K)", *table.datasets], []
    for scale in table.scales:
        rows += [
            [f"×{scale}", row.label, row.parameters, *(_joined(cell, _text_number) for cell in row.cells)]
            for row in _printed(table, scale, style)
        ]
        rows += [
            [f"×{scale}", f"{row.label} (reported)", row.parameters, *_reported_cells(row, table, scale)]
            for row in _reported(table, scale, style)
        ]
    marks = [f"* {_RULES[style.rule]}; + the second best."] if style.rule != "none" else []
    return "\n".join([_summary(table), "", text_table(head, rows, rule=True), "", *marks, *_notes(table, style)])


def markdown_scores(table: ModelTable, style: TableStyle) -> str:
    """Return a Markdown table: the best numbers are bold, the second best underlined."""
    head, rows = ["scale", "model", "params (K)", *map(markdown_text, table.datasets)], []
    for scale in table.scales:
        rows += [
            [
                f"×{scale}",
                markdown_text(row.label),
                row.parameters,
                *(_joined(cell, _markdown_number) for cell in row.cells),
            ]
            for row in _printed(table, scale, style)
        ]
        rows += [
            [
                f"×{scale}",
                f"*{markdown_text(row.label)}* (reported)",
                row.parameters,
                *map(markdown_text, _reported_cells(row, table, scale)),
            ]
            for row in _reported(table, scale, style)
        ]
    marks = [f"Bold: {_RULES[style.rule]}. Underlined: the second best."] if style.rule != "none" else []
    notes = " ".join(map(markdown_text, [*marks, *_notes(table, style)]))
    return "\n\n".join([markdown_text(_summary(table)), table_of_markdown(head, rows), notes]).rstrip()


def latex_scores(table: ModelTable, style: TableStyle) -> str:
    r"""Return a `tabular` that needs the package booktabs alone; all text in it is escaped."""
    groups = []
    for scale in table.scales:
        group = []
        for row in _printed(table, scale, style):
            cells = [_joined(cell, _latex_number) for cell in row.cells]
            group.append([rf"$\times${scale}", latex_text(row.label), row.parameters.replace(",", r"\,"), *cells])
        groups.append(group)
        reported = [
            [
                rf"$\times${scale}",
                rf"\textit{{{latex_text(row.label)}}}",
                latex_text(row.parameters),
                *(rf"\textit{{{latex_text(cell)}}}" for cell in _reported_cells(row, table, scale)),
            ]
            for row in _reported(table, scale, style)
        ]
        groups += [reported] if reported else []
    marks = [f"Bold: {_RULES[style.rule]}. Underlined: the second best."] if style.rule != "none" else []
    head = ["Scale", "Model", "Params (K)", *map(latex_text, table.datasets)]
    comments = [_summary(table), r"Needs \usepackage{booktabs}.", *marks, *_notes(table, style)]
    return latex_tabular(head, groups, comments=comments)


def latex_tabular(head: Sequence[str], groups: Sequence[Sequence[Sequence[str]]], *, comments: Sequence[str]) -> str:
    r"""Return a `tabular` for booktabs: head and rows are LaTeX; a `\midrule` precedes each group.

    The third column is set right, the first two left, all others centred. In a group, the first cell is printed once.
    """
    lines = [f"% {' '.join(comment.split())}" for comment in comments]
    lines += [rf"\begin{{tabular}}{{llr{'c' * (len(head) - 3)}}}", r"\toprule", rf"{' & '.join(head)} \\"]
    for group in groups:
        lines.append(r"\midrule")
        for number, (first, *others) in enumerate(group):
            lines.append(rf"{' & '.join([first if number == 0 else '', *others])} \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def latex_marked(value: str, change: str, mark: Mark | None) -> str:
    """Return a number as LaTeX: the best bold, the second best underlined, the difference to its base in brackets."""
    styles = {"first": r"\textbf", "second": r"\underline"}
    text = latex_text(value)
    return (f"{styles[mark]}{{{text}}}" if mark else text) + (f" ({latex_text(change)})" if change else "")


def csv_scores(tables: Sequence[ModelTable]) -> str:
    """Return CSV, a line per model, scale, protocol and dataset: all digits, and an empty cell for a missing mean."""
    metrics = list(dict.fromkeys(metric.name for table in tables for metric in table.metrics))
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["model", "parameters", "scale", "protocol", "dataset", "n", "n_expected", *metrics])
    for table in tables:
        for row in table.rows:
            for (scale, dataset), cell in row.cells.items():
                facts = [csv_cell(row.label), row.parameters.get(scale, ""), scale, table.protocol, dataset]
                means = [cell.mean(metric) for metric in metrics]
                writer.writerow([*facts, cell.n, cell.n_expected, *("" if one is None else one for one in means)])
    return buffer.getvalue().rstrip("\n")


def _printed(table: ModelTable, scale: int, style: TableStyle) -> list[PrintedRow]:
    bases = style.bases or {}
    return printed_rows(table, scale, rule=style.rule, bases=bases, decibel_digits=style.decibel_digits)


def _reported(table: ModelTable, scale: int, style: TableStyle) -> list[ReportedRow]:
    return [row for row in style.reported if any((scale, dataset) in row.cells for dataset in table.datasets)]


def _reported_cells(row: ReportedRow, table: ModelTable, scale: int) -> list[str]:
    """Return what the source printed, for the PSNR and the SSIM of the table; `-` for other metrics."""
    cells = []
    for dataset in table.datasets:
        printed = dict(zip(("psnr", "ssim"), row.cells.get((scale, dataset), ()), strict=False))
        values = [printed.get(_REPORTED.get(metric.name, "")) or "-" for metric in table.metrics]
        cells.append(" / ".join(values) if printed else "-")
    return cells


def _joined(cell: PrintedCell, style: Callable[[PrintedNumber], str]) -> str:
    return " / ".join(map(style, cell)) if cell else "-"


def _text_number(number: PrintedNumber) -> str:
    mark = {"first": "*", "second": "+", None: ""}[number.mark]
    return f"{number.value}{mark}{f' ({number.change})' if number.change else ''}"


def _markdown_number(number: PrintedNumber) -> str:
    before, after = {"first": ("**", "**"), "second": ("<u>", "</u>"), None: ("", "")}[number.mark]
    return f"{before}{number.value}{after}{f' ({number.change})' if number.change else ''}"


def _latex_number(number: PrintedNumber) -> str:
    return latex_marked(number.value, number.change, number.mark)


def _summary(table: ModelTable) -> str:
    arrows = {"higher": "↑", "lower": "↓"}
    shown = " / ".join(f"{one.title}{' in dB' if one.unit else ''} {arrows[one.direction]}" for one in table.metrics)
    return f"{shown} under {table.protocol} v{table.version}: {table.summary}"


def _notes(table: ModelTable, style: TableStyle) -> list[str]:
    notes = [
        f"{row.label}: no mean on {dataset} at ×{scale}, which has {cell.n} of {cell.n_expected} images."
        for row in table.rows
        for (scale, dataset), cell in row.cells.items()
        if cell.n != cell.n_expected
    ]
    compared = {label: base for label, base in (style.bases or {}).items() if label != base}
    if compared:
        one = next(iter(compared.values())) if len(set(compared.values())) == 1 else "its base"
        notes.append(f"↑ and ↓ in brackets: higher and lower than {one}.")
    sources = list(dict.fromkeys(row.source for row in style.reported))
    if sources:
        notes.append(f"Reported rows are printed as in {'; '.join(sources)}: not measured here, not ranked.")
    return notes
