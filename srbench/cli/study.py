"""`srbench study`: carry out a controlled study, and write its report from the stored runs."""

from __future__ import annotations

import json
from pathlib import Path

import click

from srbench.cli.common_options import data_root_option, device_option
from srbench.cli.notes import CommandGroup

_PLAN = click.Path(path_type=Path, exists=True, dir_okay=False)
_OUTPUT = click.option(
    "--output",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="The study's folder: trainings, scores, results.json and report.md.",
)


@click.group(cls=CommandGroup)
def command() -> None:
    """Carry out controlled studies: a plan fixed before its results, several seeds, one report."""


@command.command("run")
@click.argument("plan", type=_PLAN, metavar="FILE")
@_OUTPUT
@data_root_option
@device_option
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    metavar="N",
    default=1,
    show_default=True,
    help="The number of trainings at a time.",
)
@click.option("--compile", "compiled", is_flag=True, help="Use torch.compile.")
@click.option("--graphs", is_flag=True, help="Replay steps as CUDA graphs: on a GPU, without launching each kernel.")
@click.option(
    "--checkpoint-every",
    type=click.IntRange(min=1),
    metavar="N",
    help="Steps between checkpoints of each training; default: one a minute.",
)
@click.option(
    "--scores/--no-scores",
    default=True,
    show_default=True,
    help="Score each training. With --no-scores, repeat the command later, here or on another machine, to score them.",
)
def run(
    plan: Path,
    output: Path,
    data_root: Path | None,
    device: str,
    jobs: int,
    compiled: bool,
    graphs: bool,
    checkpoint_every: int | None,
    scores: bool,
) -> None:
    """Train and score every arm and seed of the study in FILE, then report.

    Trainings and scores that are finished in DIR are not repeated; a folder of another plan is refused.
    """
    from srbench.study.running import Machine, run_study
    from srbench.study.study_plan import load_study
    from srbench.training.optimization import PerfOptions

    study = load_study(plan)
    speed = PerfOptions(compiled=compiled, graphs=graphs)
    run_study(
        study,
        output,
        Machine(
            data_root=data_root,
            device=device,
            workers=jobs,
            speed=speed,
            checkpoint_every=checkpoint_every,
            scores=scores,
        ),
    )
    if scores:
        _report(plan, output)


@command.command("report")
@click.argument("plan", type=_PLAN, metavar="FILE")
@_OUTPUT
@click.option(
    "--finished-seeds",
    is_flag=True,
    help="Report an unfinished study by the seeds that all arms have finished; at least two.",
)
def report(plan: Path, output: Path, finished_seeds: bool) -> None:
    """Rebuild results.json and report.md from the stored runs of the study in FILE; nothing is trained."""
    _report(plan, output, finished=finished_seeds)


def _report(plan: Path, output: Path, *, finished: bool = False) -> None:
    from srbench.files import write_atomic
    from srbench.study.report import report as as_markdown
    from srbench.study.results import collect
    from srbench.study.study_plan import load_study

    results = collect(output, load_study(plan), finished=finished)
    text = as_markdown(results)
    write_atomic(output / "results.json", json.dumps(results.plain(), indent=1, ensure_ascii=False) + "\n")
    write_atomic(output / "report.md", text)
    click.echo(text, nl=False)
