"""`srbench compare`: compare models with one base, image by image and metric by metric."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
from pydantic import JsonValue

from srbench.cli.table import find_model
from srbench.errors import ComparisonError, ResultsError
from srbench.metrics.metric_entries import METRICS
from srbench.run_comparison import STATEMENT, Comparison, compare_runs
from srbench.run_folders import ModelRuns, NamedRun, group_runs, read_runs
from srbench.statistics import MIN_IMAGES, PairedDifference, p_text
from srbench.tables import text_table

_METHOD = (
    "95% interval: Student's t over the images. p: Wilcoxon's signed-rank test.\n"
    "p (Holm): corrected over the datasets of this table, for each metric."
)


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN_A RUN_B...", type=click.Path(path_type=Path, exists=True))
@click.option("--base", metavar="RUN|MODEL", help="The model that all others are compared with.  [default: the last]")
@click.option("--common", is_flag=True, help="Compare only the datasets, scales and protocols that both models have.")
@click.option(
    "--unmatched", is_flag=True, help="Also compare runs whose options or training differ, and list the differences."
)
@click.option("--format", "output_format", type=click.Choice(["table", "json"]), default="table", show_default=True)
def command(runs: tuple[Path, ...], base: str | None, common: bool, unmatched: bool, output_format: str) -> None:
    """Compare runs image by image: RUN_A minus RUN_B.

    A RUN is a folder that `srbench evaluate --output` wrote, the scores.parquet in it, or a folder with several runs,
    such as one of `srbench sweep`. With more than two models, each is compared with the base. Runs need equal
    protocols, scales, HR and LR.
    """
    found = read_runs(runs)
    if len(found) == 1:
        raise click.UsageError(f"expected at least two runs, got {found[0].run.path} alone")
    comparisons = [
        comparison
        for model, other in _pairs(found, base)
        for comparison in _compared(model, other, unmatched=unmatched, common=common)
    ]
    if output_format == "json":
        documents = [_document(comparison) for comparison in comparisons]
        click.echo(json.dumps(documents[0] if len(documents) == 1 else documents, indent=1, allow_nan=False))
    else:
        click.echo("\n\n".join(_table(comparison) for comparison in comparisons))


def _pairs(runs: Sequence[NamedRun], base: str | None) -> list[tuple[ModelRuns, ModelRuns]]:
    """Return each model paired with the base. Two runs form a pair even if both are of one model."""
    if len(runs) == 2 and runs[0].asked != runs[1].asked and base is None:
        first, second = (ModelRuns(str(one.run.record["model"]["spec"]), (one,)) for one in runs)
        return [(first, second)]
    models = group_runs(runs)
    reference = find_model(base, models) if base else models[-1]
    others = [model for model in models if model is not reference]
    if not others:
        raise ResultsError(f"expected runs of at least two models, got {reference.label} alone; evaluate another model")
    return [(model, reference) for model in others]


def _compared(model: ModelRuns, base: ModelRuns, *, unmatched: bool, common: bool) -> Iterator[Comparison]:
    scales = [scale for scale in model.scales if scale in base.scales]
    if not scales or (not common and sorted(model.scales) != sorted(base.scales)):
        ours, theirs = (", ".join(map(str, sorted(one.scales))) for one in (model, base))
        hint = "compare the common ones with --common" if scales else "evaluate both alike"
        raise ComparisonError(f"the scales differ: A ({model.label}) has {ours}, B ({base.label}) has {theirs}; {hint}")
    for scale in scales:
        yield from compare_runs(model.at(scale), base.at(scale), unmatched=unmatched, common=common)


def _document(comparison: Comparison) -> dict[str, JsonValue]:
    datasets: dict[str, JsonValue] = {
        dataset: {"n": next(iter(table.values())).n, **{metric: _numbers(found) for metric, found in table.items()}}
        for dataset, table in comparison.datasets.items()
    }
    return {
        "model_a": comparison.model_a,
        "model_b": comparison.model_b,
        "scale": comparison.scale,
        "protocol": comparison.protocol,
        "datasets": datasets,
        "unmatched": list(comparison.unmatched),
        "statement": STATEMENT,
    }


def _numbers(found: PairedDifference) -> dict[str, JsonValue]:
    return {
        "mean_difference": found.mean,
        "interval_95": None if found.interval is None else list(found.interval),
        "p_value": found.p_value,
        "p_holm": found.p_holm,
        "won": found.won,
        "lost": found.lost,
    }


def _table(comparison: Comparison) -> str:
    head = ["dataset", "n", "metric", "A - B", "95% interval", "p", "p (Holm)", "A wins", "B wins"]
    rows = [
        [dataset, str(found.n), metric, *_cells(metric, found)]
        for dataset, table in comparison.datasets.items()
        for metric, found in table.items()
    ]
    notes = [f"Not made alike: {difference}." for difference in comparison.unmatched]
    if lower := comparison.lower_is_better:
        notes.append(f"Lower is better: {', '.join(lower)}. There, the model with the lower score wins.")
    differences = [found for table in comparison.datasets.values() for found in table.values()]
    if any(found.p_value is not None for found in differences):
        notes.append(_METHOD)
    if any(found.n < MIN_IMAGES for found in differences):
        notes.append(f"Below {MIN_IMAGES} images neither an interval nor a p-value is given.")
    title = [
        f"A  {comparison.model_a}",
        f"B  {comparison.model_b}",
        f"×{comparison.scale}, protocol {comparison.protocol}",
    ]
    return "\n".join([*title, "", text_table(head, rows), "", *notes, STATEMENT])


def _cells(metric: str, found: PairedDifference) -> list[str]:
    unit = f" {METRICS[metric].unit}" if metric in METRICS and METRICS[metric].unit else ""
    digits = 3 if unit else 5
    return [
        "-" if found.mean is None else f"{found.mean:+z.{digits}f}{unit}",
        "-" if found.interval is None else " to ".join(f"{end:+z.{digits}f}" for end in found.interval),
        p_text(found.p_value),
        p_text(found.p_holm),
        "-" if found.won is None else f"{found.won:.0%}",
        "-" if found.lost is None else f"{found.lost:.0%}",
    ]
