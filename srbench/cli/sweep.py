"""`srbench sweep`: score every model on every set at every scale under every protocol."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import click
from tqdm import tqdm

from srbench.cli.common_options import data_root_option, metrics_option, protocols_option
from srbench.cli.inference_options import accept_random_option, inference_options
from srbench.cli.notes import is_quiet
from srbench.protocols import SCALES, LrSource
from srbench.score_output import further_metrics, metric_cell, score_cells, score_csv
from srbench.summaries import ProtocolSummary
from srbench.sweep import Engine, Grid, InProcess, Processes, RayCluster, sweep
from srbench.sweep.jobs import JobResult
from srbench.tables import text_table
from srbench.upscalers.base import Options


@click.command("sweep", short_help="Score every model on every set at every scale under every protocol.")
@click.option("--model", "models", multiple=True, required=True, metavar="SPEC", help="May be repeated.")
@click.option("--dataset", "datasets", multiple=True, required=True, metavar="NAME|folder:DIR", help="May be repeated.")
@click.option(
    "--scale",
    "scales",
    multiple=True,
    required=True,
    type=click.Choice([str(scale) for scale in SCALES]),
    help="May be repeated.",
)
@protocols_option
@metrics_option
@click.option(
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write a folder per run and one table of all runs there; finished runs are not computed again.",
)
@click.option(
    "--engine",
    type=click.Choice(["local", "ray"]),
    default="local",
    show_default=True,
    help="Where to compute: this machine (local) or a Ray cluster.",
)
@click.option("--jobs", type=click.IntRange(min=1), metavar="N", help="Processes of this machine; default 1.")
@click.option("--cpus", type=click.FloatRange(min=0), metavar="N", help="Cores of a job on a Ray cluster; default 1.")
@click.option("--gpus", type=click.FloatRange(min=0), metavar="N", help="GPUs of a job on a Ray cluster; default 0.")
@click.option(
    "--lr",
    type=click.Choice(["made", "given"]),
    default="made",
    show_default=True,
    help="made: the protocol makes LR from HR. given: the dataset's LR files, which must be MATLAB's bicubic.",
)
@data_root_option
@inference_options
@accept_random_option
@click.option(
    "--format", "output_format", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True
)
@click.pass_context
def command(
    context: click.Context,
    models: tuple[str, ...],
    datasets: tuple[str, ...],
    scales: tuple[str, ...],
    protocols: tuple[str, ...],
    metrics: tuple[str, ...],
    output: Path,
    engine: str,
    jobs: int | None,
    cpus: float | None,
    gpus: float | None,
    lr: LrSource,
    data_root: Path | None,
    options: Options,
    accept_random: bool,
    output_format: str,
) -> None:
    """Score every model on every set at every scale under every protocol.

    Combinations that the output folder already contains are not computed again. On a Ray cluster each node needs
    srbench, and the datasets and weights at the same paths; only this process writes results.
    """
    grid = Grid(models, datasets, tuple(map(int, scales)), protocols, lr, options, data_root, accept_random, metrics)
    outcome = sweep(grid, output, engine=_engine(engine, jobs, cpus, gpus), watch=_watch)
    click.echo(_render(outcome.documents, output_format))
    for problem in outcome.problems:
        click.echo(f"failed: {problem}", err=True)
    if outcome.problems:
        context.exit(1)


def _engine(name: str, jobs: int | None, cpus: float | None, gpus: float | None) -> Engine:
    if name == "ray":
        if jobs is not None:
            raise click.UsageError(
                "--jobs is for --engine local; a Ray cluster runs as many jobs at once as --cpus and --gpus allow"
            )
        return RayCluster(cpus=1 if cpus is None else cpus, gpus=gpus or 0)
    if cpus is not None or gpus is not None:
        raise click.UsageError("--cpus and --gpus are for --engine ray; use --jobs here")
    return Processes(jobs) if jobs and jobs > 1 else InProcess()


def _watch(results: Iterable[JobResult], images: int) -> Iterator[JobResult]:
    with tqdm(total=images, unit="image", disable=is_quiet() or None, desc="sweep") as bar:
        for result in results:
            bar.update(len({(row["dataset"], row["image"]) for row in result.rows}))
            yield result


def _render(documents: list[ProtocolSummary], output_format: str) -> str:
    if output_format == "json":
        return json.dumps([document.to_json() for document in documents], indent=1, allow_nan=False)
    if output_format == "csv":
        return score_csv(documents)
    metrics = further_metrics(documents)
    lines = [
        [
            document.model,
            f"×{document.scale}",
            document.protocol,
            name,
            *score_cells(facts),
            *(metric_cell(facts, column) for column in metrics),
        ]
        for document in documents
        for name, facts in document.datasets.items()
    ]
    return text_table(
        ["model", "scale", "protocol", "dataset", "images", "PSNR / SSIM", *metrics.values()], lines, rule=True
    )
