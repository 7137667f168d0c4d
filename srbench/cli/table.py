"""`srbench table`: scores of finished runs as a table for papers and pages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from leaderboard.literature import literature_rows
from srbench.errors import ComparisonError, UnknownNameError
from srbench.escaping import latex_text, unknown_to_latex
from srbench.run_comparison import unmatched_settings
from srbench.run_folders import ModelRuns, group_runs, read_runs
from srbench.score_tables.cells import PSNR_DIGITS
from srbench.score_tables.formats import TableStyle, csv_scores, latex_scores, markdown_scores, text_scores
from srbench.score_tables.marks import MarkRule
from srbench.score_tables.protocol_text import protocol_sentences
from srbench.score_tables.tabulate import ModelTable, Order, protocols_of, tabulate

_RENDERERS = {"text": text_scores, "markdown": markdown_scores, "latex": latex_scores}


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--format",
    "form",
    type=click.Choice([*_RENDERERS, "csv"]),
    default="text",
    show_default=True,
    help="latex needs the package booktabs; csv has all digits.",
)
@click.option(
    "--bold",
    "rule",
    type=click.Choice(["max", "tied", "none"]),
    default="max",
    show_default=True,
    help="Mark the best printed number, the highest tier by the rule of the leaderboard, or nothing; the second best "
    "are marked in the same way.",
)
@click.option("--metric", "metrics", multiple=True, metavar="NAME", help="May be repeated.  [default: PSNR and SSIM]")
@click.option("--protocol", "protocols", multiple=True, metavar="NAME", help="May be repeated.  [default: all]")
@click.option(
    "--order",
    type=click.Choice(["given", "name", "score", "parameters"]),
    default="given",
    show_default=True,
    help="Order of the rows; score: by the first column.",
)
@click.option(
    "--name",
    "names",
    multiple=True,
    metavar="RUN=LABEL",
    help="Name the models of a table: RUN is a path or a model spec. May be repeated.",
)
@click.option(
    "--base",
    "bases",
    multiple=True,
    metavar="[LABEL=]BASE",
    help="Print the difference to BASE, such as ↑0.03, for all other models or only for LABEL. May be repeated.",
)
@click.option(
    "--reported",
    multiple=True,
    metavar="ID[:NETWORK]",
    help="Add rows that a paper printed, such as 2104.07566-table-1:IMDN-BAM; they are separate and never marked.",
)
@click.option(
    "--digits",
    type=click.IntRange(0, 6),
    metavar="N",
    default=PSNR_DIGITS,
    show_default=True,
    help="Decimals of values in dB.",
)
@click.option("--sentence", is_flag=True, help="Print the sentences that describe the protocol, for text or latex.")
def command(
    runs: tuple[Path, ...],
    form: str,
    rule: MarkRule,
    metrics: tuple[str, ...],
    protocols: tuple[str, ...],
    order: Order,
    names: tuple[str, ...],
    bases: tuple[str, ...],
    reported: tuple[str, ...],
    digits: int,
    sentence: bool,
) -> None:
    """Print a table of finished runs: models × datasets, scale by scale.

    RUN is a folder that `srbench evaluate --output` wrote, or a folder that contains such folders, as `srbench sweep`
    writes it. Runs of one model on several datasets become one row. Several protocols become several tables.
    """
    found = read_runs(runs)
    models = group_runs(found, parse_labels(names, [str(path) for path in runs]))
    tables = [
        tabulate(models, protocol=protocol, metrics=metrics, order=order)
        for protocol in dict.fromkeys(protocols) or protocols_of(models)
    ]
    literature = [row for name in reported for row in literature_rows(name)]
    style = TableStyle(rule, _bases(bases, models), literature, digits)
    if form == "latex":
        _warn_about_signs(models)
    if sentence:
        texts = [protocol_sentences(table) for table in tables]
        click.echo("\n\n".join(map(latex_text, texts) if form == "latex" else texts))
    elif form == "csv":
        click.echo(csv_scores(tables))
    else:
        click.echo(_joined(tables, style, form))


def parse_labels(names: Sequence[str], paths: Sequence[str]) -> dict[str, str]:
    """Return labels by path or spec from `RUN=LABEL` texts; a RUN that contains `=` itself is found among `paths`."""
    labels = {}
    for text in names:
        run = next((path for path in paths if text.startswith(f"{path}=")), text.partition("=")[0])
        label = text[len(run) + 1 :].strip()
        if not run or not label:
            raise click.UsageError(f"--name: expected RUN=LABEL, got {text!r}")
        labels[run] = label
    return labels


def find_model(name: str, models: Sequence[ModelRuns]) -> ModelRuns:
    """Return the model of a label, a spec or a run's path. Raises UnknownNameError."""
    for model in models:
        if model.named(name):
            return model
    raise UnknownNameError("model of these runs", name, [model.label for model in models])


def _bases(texts: Sequence[str], models: Sequence[ModelRuns]) -> dict[str, str]:
    bases: dict[str, str] = {}
    for text in texts:
        name, equals, other = text.rpartition("=")
        base = find_model(other, models)
        variants = [find_model(name, models)] if equals else [model for model in models if model is not base]
        for variant in variants:
            bases[variant.label] = base.label
            _warn_about_training(variant, base)
    return bases


def _warn_about_training(variant: ModelRuns, base: ModelRuns) -> None:
    scale = next((scale for scale in variant.scales if scale in base.scales), None)
    if scale is None:
        raise ComparisonError(
            f"expected runs of {variant.label} and {base.label} at one scale, got none; leave out --base"
        )
    for difference in unmatched_settings(variant.at(scale).record, base.at(scale).record):
        click.echo(f"warning: A = {variant.label}, B = {base.label}: {difference}", err=True)


def _warn_about_signs(models: Sequence[ModelRuns]) -> None:
    for model in models:
        if signs := unknown_to_latex(model.label):
            click.echo(
                f"warning: {model.label}: LaTeX sets {', '.join(signs)} only with further packages; choose another "
                "name with --name RUN=LABEL",
                err=True,
            )


def _joined(tables: Sequence[ModelTable], style: TableStyle, form: str) -> str:
    return "\n\n".join(_RENDERERS[form](table, style).rstrip("\n") for table in tables)
