"""`srbench samples`: SR crops of the Sample set for a submission."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from srbench.cli.common_options import device_option, self_ensemble_option
from srbench.cli.inference_options import adapter_options
from srbench.samples import make_samples
from srbench.submissions.crops import SCALE, TEXTURE_SCALES
from srbench.upscalers.base import Options


@click.command()
@click.option(
    "--model", required=True, metavar="SPEC", help="The model to run, such as zoo:imdn@authors; see srbench evaluate."
)
@click.option(
    "--scale",
    type=int,
    metavar="N",
    default=SCALE,
    show_default=True,
    help="Submissions take ×2, ×3 and ×4; crops of other scales are only for your own use.",
)
@click.option(
    "--output",
    required=True,
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="A folder for `srbench submit --samples`; the crops of all scales may share it.",
)
@device_option
@self_ensemble_option
@adapter_options
def command(model: str, scale: int, output: Path, device: str, self_ensemble: bool, options: Options) -> None:
    """Write the lossless SR crops that the leaderboard's gallery and image slider show.

    At each scale these are 3 large crops of regular structure (NAME_x4.webp); at ×4 also 7 small ones (NAME.webp).
    """
    options = replace(options, device=device, self_ensemble=self_ensemble)
    for path in make_samples(model, output, scale, options=options).values():
        click.echo(path)
    if scale not in TEXTURE_SCALES:
        click.echo(
            f"crops at ×{scale} are only for your own use: `srbench submit` takes crops at ×2, ×3 and ×4",
            err=True,
        )
