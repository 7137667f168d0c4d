"""`srbench upscale`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import click
from tqdm import tqdm

from srbench.cli.inference_options import inference_options
from srbench.cli.notes import is_quiet, note
from srbench.errors import SrbenchError
from srbench.protocols import SCALES
from srbench.upscalers.base import Options
from srbench.upscalers.loading import is_model_spec
from srbench.upscaling import UpscaleReport, upscale
from srbench.upscaling.folder_plan import SourceFile


@click.command("upscale", short_help="Upscale images without ground truth.")
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="SPEC...",
    help="zoo:NAME[@TAG], spandrel:FILE, onnx:FILE, python:…, bicubic or bicubic:pillow. Several may follow.",
)
@click.option("--scale", required=True, type=click.Choice([str(scale) for scale in SCALES]))
@click.argument("words", nargs=-1, metavar="INPUT...")
@click.option(
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write PNG files there; with several models, into one folder for each. Finished files are kept.",
)
@click.option("--view", is_flag=True, help="Also write DIR/view.html, which compares the results under a slider.")
@inference_options
def command(
    models: tuple[str, ...], scale: str, words: tuple[str, ...], output: Path, view: bool, options: Options
) -> None:
    """Upscale images and folders of images, without ground truth.

    Gray, alpha, 16 bits and ICC profiles are kept, and images are turned as their EXIF orientation says. Without
    --tile, images that do not fit into memory are computed in tiles.
    """
    specs = (*models, *(word for word in words if is_model_spec(word)))
    inputs = [word for word in words if not is_model_spec(word)]
    if not models or not inputs:
        raise click.UsageError("expected at least one --model SPEC and one INPUT, a file or a folder of images")
    report = upscale(specs, inputs, scale=int(scale), output=output, view=view, options=options, say=_say, watch=_bar)
    for message in report.failures.values():
        click.echo(f"error: {message}", err=True)
    click.echo(_summary(report, output))
    if report.failures:
        raise SrbenchError(
            f"expected all images to be upscaled, got {len(report.failures)} that were not; the messages above say why"
        )


def _say(text: str) -> None:
    with tqdm.external_write_mode(file=sys.stderr):  # the progress bar is on the same stream
        note(f"remark: {text}")


def _bar(sources: Sequence[SourceFile]) -> Iterable[SourceFile]:
    return tqdm(sources, unit="image", disable=True if is_quiet() else None, desc="upscale")


def _summary(report: UpscaleReport, output: Path) -> str:
    kept = f", {len(report.kept)} kept from an earlier call" if report.kept else ""
    lines = [f"{output}: {len(report.written)} written{kept}"]
    return "\n".join([*lines, *([f"compare them in {report.view}"] if report.view else [])])
