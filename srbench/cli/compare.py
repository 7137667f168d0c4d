"""`srbench compare`: two runs on the same images, metric by metric."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from srbench.scores import read_run
from srbench.statistics import MIN_IMAGES, STATEMENT, Comparison, PairedDifference, compare_runs
from srbench.tables import text_table

_METHOD = (
    "95% interval: Student's t over the images. p: Wilcoxon's signed-rank test.\n"
    "p (Holm): corrected over the datasets of this table, for each metric."
)
_UNITS = {"psnr_y": "dB", "psnr_rgb": "dB", "psnr_y_aliased": "dB"}


@click.command()
@click.argument("run_a", type=click.Path(path_type=Path, exists=True))
@click.argument("run_b", type=click.Path(path_type=Path, exists=True))
@click.option("--unmatched", is_flag=True, help="Compare runs that were not made or trained alike, and say how.")
@click.option("--format", "output_format", type=click.Choice(["table", "json"]), default="table", show_default=True)
def command(run_a: Path, run_b: Path, unmatched: bool, output_format: str) -> None:
    """Compare two runs image by image: RUN_A minus RUN_B.

    RUN_A and RUN_B are folders that `srbench evaluate --output` wrote, or the scores.parquet in them. They need equal
    protocols, scales, HR and LR.
    """
    comparisons = compare_runs(read_run(run_a), read_run(run_b), unmatched=unmatched)
    if output_format == "json":
        documents = [_document(comparison) for comparison in comparisons]
        click.echo(json.dumps(documents[0] if len(documents) == 1 else documents, indent=1, allow_nan=False))
    else:
        click.echo("\n\n".join(_table(comparison) for comparison in comparisons))


def _document(comparison: Comparison) -> dict[str, Any]:
    return {
        "model_a": comparison.model_a,
        "model_b": comparison.model_b,
        "scale": comparison.scale,
        "protocol": comparison.protocol,
        "datasets": {
            dataset: {"n": next(iter(table.values())).n, **{metric: _numbers(found) for metric, found in table.items()}}
            for dataset, table in comparison.datasets.items()
        },
        "unmatched": list(comparison.unmatched),
        "statement": STATEMENT,
    }


def _numbers(found: PairedDifference) -> dict[str, Any]:
    return {
        "mean_difference": found.mean,
        "interval_95": found.interval,
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
    unit = f" {_UNITS[metric]}" if metric in _UNITS else ""
    digits = 3 if unit else 5
    return [
        "-" if found.mean is None else f"{found.mean:+z.{digits}f}{unit}",
        "-" if found.interval is None else " to ".join(f"{end:+z.{digits}f}" for end in found.interval),
        "-" if found.p_value is None else f"{found.p_value:.2g}",
        "-" if found.p_holm is None else f"{found.p_holm:.2g}",
        "-" if found.won is None else f"{found.won:.0%}",
        "-" if found.lost is None else f"{found.lost:.0%}",
    ]
