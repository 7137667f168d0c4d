"""`srbench evaluate`: score a model on benchmark sets under named protocols."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import click
from tqdm import tqdm

from srbench.cli.common_options import data_root_option, metrics_option, protocols_option
from srbench.cli.inference_options import accept_random_option, inference_options
from srbench.cli.notes import is_quiet, note
from srbench.datasets import available_datasets, open_dataset
from srbench.datasets.pairs import with_lr_folder
from srbench.errors import counted
from srbench.evaluation import Plan, as_metrics
from srbench.journal import Row
from srbench.protocols import SCALES, LrSource, get_protocol
from srbench.result import make_result
from srbench.runs import ProgressHook, Shard, execute, local_device
from srbench.score_output import ScoreTable, score_csv
from srbench.summaries import ProtocolSummary
from srbench.upscalers.base import Options
from srbench.upscalers.loading import open_upscaler


@click.command("evaluate", short_help="Score a model on benchmark sets under named protocols.")
@click.option(
    "--model",
    required=True,
    metavar="SPEC",
    help="zoo:NAME[@TAG], spandrel:FILE, onnx:FILE, images:DIR, python:pkg.module:factory, "
    "python:FILE.py:factory, bicubic or bicubic:pillow.",
)
@click.option("--scale", required=True, type=click.Choice([str(scale) for scale in SCALES]))
@click.option(
    "--dataset",
    "datasets",
    multiple=True,
    metavar="NAME|folder:DIR|DIR",
    help="May be repeated. Without it: every benchmark set found locally, else the embedded Sample.",
)
@protocols_option
@metrics_option
@click.option(
    "--lr",
    type=click.Choice(["made", "given", "any"]),
    default="made",
    show_default=True,
    help="made: the protocol makes LR from HR. given: the dataset's LR files, which must be MATLAB's bicubic. any: LR "
    "files of any origin, which is printed with the scores.",
)
@click.option(
    "--lr-dir",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="With --lr given or any: the folder of the LR files, which are in DIR, DIR/X4, DIR/DATASET or DIR/DATASET/X4.",
)
@click.option(
    "--lr-pattern",
    metavar="P",
    help="With --lr-dir: the names of the files, such as {name}_LRBI_x{scale}; by default the usual endings are tried.",
)
@data_root_option
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write scores.parquet and run.json there; repeat the command to resume an interrupted run.",
)
@click.option(
    "--save-images",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write SR images as PNG. A resumed run also writes the images that are missing.",
)
@inference_options
@accept_random_option
@click.option(
    "--format", "output_format", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True
)
def command(
    model: str,
    scale: str,
    datasets: tuple[str, ...],
    protocols: tuple[str, ...],
    metrics: tuple[str, ...],
    lr: LrSource,
    lr_dir: Path | None,
    lr_pattern: str | None,
    data_root: Path | None,
    output: Path | None,
    save_images: Path | None,
    options: Options,
    accept_random: bool,
    output_format: str,
) -> None:
    """Score a model on benchmark sets under named protocols."""
    chosen = [get_protocol(name) for name in dict.fromkeys(protocols)]
    further = as_metrics(metrics)
    shard = Shard.from_environment()
    options = replace(options, device=local_device(options.device))
    upscaler = open_upscaler(model, scale=int(scale), options=options)
    sets = [open_dataset(name, data_root=data_root) for name in dict.fromkeys(datasets) or _found(data_root)]
    sets = with_lr_folder(sets, lr=lr, folder=lr_dir, pattern=lr_pattern)
    if not shard.rank:
        for remark in upscaler.remarks:
            note(f"remark: {upscaler.identity.spec}: {remark}")
    plan = Plan(upscaler, sets, chosen, lr, save_images, further)
    outcome = execute(
        plan,
        output,
        shard=shard,
        progress=_progress_hook(upscaler.identity.spec, output, shard),
        accept_random=accept_random,
    )
    if outcome is None:
        return  # only the first process reports
    result = make_result(plan, *outcome)
    for warning in result.warnings:
        click.echo(f"warning: {warning}", err=True)
    click.echo(_render(result.summaries, output_format))


def _found(data_root: Path | None) -> list[str]:
    found = available_datasets(data_root)
    if found:
        return found
    note(
        "no benchmark sets found locally: using the embedded Sample; get the standard ones with "
        "`srbench data download Set5 Set14 BSD100 Urban100` or point --data-root at them"
    )
    return ["Sample"]


def _progress_hook(label: str, output: Path | None, shard: Shard) -> ProgressHook:
    def progress(batches: Iterable[list[Row]], kept: int, total: int) -> Iterable[list[Row]]:
        if kept and not shard.rank:
            note(f"{output}: resumed; {counted(kept, 'score')} already computed")
        off = True if shard.rank or is_quiet() else None  # None switches the bar off if stderr is not a terminal
        return tqdm(batches, total=total, unit="image", disable=off, desc=label)

    return progress


def _render(documents: list[ProtocolSummary], output_format: str) -> str:
    if output_format == "table":
        return ScoreTable.of(documents).text()
    if output_format == "csv":
        return score_csv(documents)
    found = [document.to_json() for document in documents]
    return json.dumps(found[0] if len(found) == 1 else found, indent=1, allow_nan=False)
