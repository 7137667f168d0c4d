"""Options that several commands have, with one help text."""

from __future__ import annotations

from pathlib import Path

import click

data_root_option = click.option(
    "--data-root",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The folder of the datasets; default $SRBENCH_DATA.",
)
device_option = click.option(
    "--device", default="auto", show_default=True, metavar="NAME", help="auto, cpu, cuda or cuda:N."
)
self_ensemble_option = click.option("--self-ensemble", is_flag=True, help="Average over eight flips and rotations.")
