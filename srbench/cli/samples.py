"""`srbench samples`: SR crops of the Sample set for a submission."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from srbench.cli.inference_options import adapter_options
from srbench.samples import make_samples
from srbench.submissions.crops import SCALE
from srbench.upscalers.base import Options


@click.command()
@click.option("--model", required=True, metavar="SPEC", help="What to run: zoo:imdn@authors, bicubic, …")
@click.option(
    "--scale",
    type=int,
    default=SCALE,
    show_default=True,
    help=f"The leaderboard shows ×{SCALE}; crops of other scales are only for you, as NAME_x2.webp.",
)
@click.option(
    "--output",
    required=True,
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="A new folder, for `srbench submit --samples`.",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1.")
@click.option("--self-ensemble", is_flag=True, help="Average over the eight flips and rotations.")
@adapter_options
def command(model: str, scale: int, output: Path, device: str, self_ensemble: bool, options: Options) -> None:
    """Write the SR crops that the leaderboard's image slider shows: 7 lossless WebP files, at most 100 kB together."""
    options = replace(options, device=device, self_ensemble=self_ensemble)
    for path in make_samples(model, output, scale, options=options).values():
        click.echo(path)
    if scale != SCALE:
        click.echo(
            f"crops at ×{scale} are for looking at: the leaderboard shows ×{SCALE}, and `srbench submit` takes "
            "no others",
            err=True,
        )
