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
protocols_option = click.option(
    "--protocol",
    "protocols",
    multiple=True,
    default=["matlab-y"],
    show_default=True,
    metavar="NAME",
    help="May be repeated.",
)
metrics_option = click.option(
    "--metric",
    "metrics",
    multiple=True,
    metavar="NAME",
    help="Add a metric of the 8-bit SR image, such as lpips_alex, dists or niqe. May be repeated.",
)
submissions_option = click.option(
    "--submissions",
    type=click.Path(path_type=Path),
    default=Path("submissions"),
    show_default=True,
    metavar="DIR",
    help="Folder of the entries.",
)
