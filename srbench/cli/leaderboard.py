"""`srbench leaderboard`: build, check, export and serve the site. Each command loads what it needs when it runs."""

from __future__ import annotations

from pathlib import Path

import click


@click.group(short_help="Build, check, export and serve the leaderboard.")
def command() -> None:
    """Build, check, export and serve the leaderboard: a static site from a folder of submissions."""


_submissions = click.option("--submissions", type=click.Path(path_type=Path), default=Path("submissions"),
                            show_default=True, metavar="DIR", help="Where entries lie.")
_output = click.option("--output", type=click.Path(path_type=Path), default=Path("site"), show_default=True,
                       metavar="DIR", help="An empty folder, or a site built before.")  # fmt: skip


@command.command("build")
@_submissions
@_output
def build_command(submissions: Path, output: Path) -> None:
    """Build the site; only what changed since the last build is made again.

    Entries that cannot be shown are reported and left out.
    """
    _build(submissions, output)
    click.echo(output / "index.html")


@command.command("serve")
@_submissions
@_output
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 takes a free one.")
def serve_command(submissions: Path, output: Path, port: int) -> None:
    """Build the site and serve it to this machine until interrupted."""
    from leaderboard.serving import serve

    _build(submissions, output)
    serve(output, port=port, ready=click.echo)


def _build(submissions: Path, output: Path) -> None:
    from leaderboard.site import build

    report = build(submissions, output)
    for problem in report.problems:
        click.echo(f"left out {problem.id}: {problem.message}", err=True)
    click.echo(f"{report.entries} entries; {report.written} files written, {report.unchanged} unchanged, "
               f"{report.removed} removed", err=True)  # fmt: skip
