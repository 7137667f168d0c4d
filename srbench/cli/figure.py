"""`srbench figure`: zoomed crops of several models side by side, for papers."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import click

from srbench.cli.common_options import data_root_option
from srbench.cli.inference_options import inference_options
from srbench.cli.notes import note
from srbench.cli.paper_options import paper_options
from srbench.cli.table import parse_labels
from srbench.crop_boxes import CropBox, parse_box
from srbench.datasets import open_dataset
from srbench.figures.canvas import SMALLEST, parse_width, require_output
from srbench.figures.crop_rows import CropModel, CropSource, FigureImage, ScoreOf, find_images
from srbench.figures.layout import draw_rows, readable
from srbench.protocols import SCALES, get_protocol
from srbench.runs import local_device
from srbench.upscalers.base import Options
from srbench.upscalers.loading import open_upscaler


@click.command()
@click.option("--model", "models", multiple=True, required=True, metavar="SPEC", help="May be repeated.")
@click.option("--scale", required=True, type=click.Choice([str(scale) for scale in SCALES]))
@click.option("--image", "images", multiple=True, metavar="DATASET/NAME", help="A row of the figure. May be repeated.")
@click.option(
    "--box",
    "boxes",
    multiple=True,
    metavar="X,Y,W,H",
    help="The crop of each --image, in the same order: left, top, width and height in pixels of the HR image.",
)
@click.option(
    "--auto",
    type=click.IntRange(1, 20),
    metavar="N",
    help="Choose N boxes where texture aliases and the models differ, in the --image or in all images of --dataset.",
)
@click.option("--dataset", "datasets", multiple=True, metavar="NAME|DIR", help="With --auto. May be repeated.")
@click.option("--size", default="64,48", show_default=True, metavar="W,H", help="With --auto, the size of the boxes.")
@click.option("--name", "names", multiple=True, metavar="SPEC=LABEL", help="Name a model. May be repeated.")
@click.option("--protocol", default="matlab-y", show_default=True, metavar="NAME")
@click.option(
    "--scores",
    type=click.Choice(["image", "box", "none"]),
    default="image",
    show_default=True,
    help="Below each crop: PSNR / SSIM of the complete image, of the box alone, or nothing.",
)
@click.option("--no-bicubic", is_flag=True, help="Leave out the crop of MATLAB's bicubic.")
@paper_options(width="text", font_size=7.0)
@data_root_option
@click.option(
    "-o", "--output", required=True, metavar="FILE.png|pdf|svg", type=click.Path(path_type=Path), help="The figure."
)
@inference_options
def command(
    models: tuple[str, ...],
    scale: str,
    images: tuple[str, ...],
    boxes: tuple[str, ...],
    auto: int | None,
    datasets: tuple[str, ...],
    size: str,
    names: tuple[str, ...],
    protocol: str,
    scores: ScoreOf,
    no_bicubic: bool,
    width: str,
    font: str,
    font_size: float,
    data_root: Path | None,
    output: Path,
    options: Options,
) -> None:
    """Draw an image with a box, and next to it the crops of HR, LR, bicubic and models with their scores.

    Each row is an --image with its --box; --auto chooses the boxes. Needs matplotlib (extra `figures`).
    """
    _require_boxes(images, boxes, auto, datasets)
    chosen = [parse_box(text) for text in boxes]
    inches = parse_width(width)
    require_output(output)
    opened = lru_cache(maxsize=None)(lambda name: open_dataset(name, data_root=data_root))
    subjects = find_images(images, datasets, opened)
    labelled = _models(models, parse_labels(names, models), int(scale), options, bicubic=not no_bicubic)
    source = CropSource(labelled, get_protocol(protocol), int(scale))
    pairs = _boxes(source, subjects, chosen, auto, size)
    rows = [source.row(subject, box, scores) for subject, box in pairs]
    smallest = draw_rows(rows, output, width=inches, font=font, size=font_size)
    if not readable(smallest):
        click.echo(
            f"warning: some text is {smallest:.1f} points high, which is hard to read below {SMALLEST:g}; use a larger "
            "--width, fewer models, or shorter labels (--name SPEC=LABEL)",
            err=True,
        )
    click.echo(output)


def _require_boxes(
    images: tuple[str, ...], boxes: tuple[str, ...], auto: int | None, datasets: tuple[str, ...]
) -> None:
    if auto is not None and boxes:
        raise click.UsageError("--auto chooses the boxes; leave out --box, or --auto")
    if auto is None and datasets:
        raise click.UsageError("--dataset is for --auto; name single images with --image DATASET/NAME")
    if auto is None and (not images or len(images) != len(boxes)):
        raise click.UsageError(
            f"expected one --box for each --image, got {len(images)} images and {len(boxes)} boxes; or use --auto N"
        )
    if auto is not None and not images and not datasets:
        raise click.UsageError("--auto: expected images to choose from, got none; give --dataset or --image")


def _models(
    specs: tuple[str, ...], labels: dict[str, str], scale: int, options: Options, *, bicubic: bool
) -> list[CropModel]:
    for name in labels:
        if name not in specs:
            raise click.UsageError(f"--name: expected one of the models {', '.join(specs)}, got {name!r}")
    options = replace(options, device=local_device(options.device))
    opened = [
        CropModel(labels.get(spec, short_label(spec)), open_upscaler(spec, scale=scale, options=options))
        for spec in dict.fromkeys(specs)
    ]
    first = [CropModel("Bicubic", open_upscaler("bicubic", scale=scale))] if bicubic and "bicubic" not in specs else []
    return first + opened


def short_label(spec: str) -> str:
    """Return a model's label for figures: `imdn` for `zoo:imdn@authors`; other specs are unchanged."""
    return spec.removeprefix("zoo:").partition("@")[0] if spec.startswith("zoo:") else spec


def _boxes(
    source: CropSource, subjects: list[FigureImage], boxes: list[CropBox], auto: int | None, size: str
) -> list[tuple[FigureImage, CropBox]]:
    if auto is None:
        return list(zip(subjects, boxes, strict=True))
    wanted = parse_box(f"0,0,{size}")
    found = source.choose(subjects, auto, width=wanted.width, height=wanted.height)
    for subject, box in found:
        note(f"chosen: --image {subject.label} --box {box}")
    if len(found) < auto:
        click.echo(f"warning: only {len(found)} of {auto} boxes fit without overlap", err=True)
    return found
