"""`srbench leaderboard`: build, check, export and serve the site. Each command loads what it needs when it runs."""

from __future__ import annotations

from pathlib import Path

import click


@click.group(short_help="Build, check, export and serve the leaderboard.")
def command() -> None:
    """Build, check, export and serve the leaderboard: a static site from a folder of submissions."""


_submissions = click.option("--submissions", type=click.Path(path_type=Path), default=Path("submissions"),
                            show_default=True, metavar="DIR", help="Where entries lie.")
