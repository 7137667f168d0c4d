"""`srbench zoo saturation`: which attention maps of untrained networks are saturated."""

from __future__ import annotations

import click

PAPER_VARIANTS = tuple(
    f"{name}-bam" for name in ("edsr", "carn", "carn-m", "msrn", "s-lwsr32", "awsrn", "rcan", "imdn", "pan", "drln")
)
"""The ten networks of the BAM paper with BAM."""


@click.command("saturation")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--scale", type=int, metavar="N", default=4, show_default=True)
def saturation(names: tuple[str, ...], scale: int) -> None:
    """Print how far the attention maps of untrained networks are saturated, in each form, as a Markdown table.

    Without NAME: the ten networks of the BAM paper with BAM.
    """
    from srbench.training.saturation import table

    click.echo(table(names or PAPER_VARIANTS, scale=scale))
