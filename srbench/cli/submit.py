"""`srbench submit`: a submission from finished runs."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from srbench.cli.common_options import submissions_option
from srbench.errors import SubmissionError
from srbench.scores import Run, read_run
from srbench.submissions import (
    Draft,
    draft_submission,
    extend_submission,
    json_schema,
    read_submission,
    write_submission,
)
from srbench.submissions.create import spec_of
from srbench.submissions.crops import SAMPLES_NAME
from srbench.submissions.metadata import complete_field, complete_metadata
from srbench.submissions.read import VERIFICATION_NAME
from srbench.verification.model_facts import model_facts


def _print_schema(context: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked:
        click.echo(json_schema(), nl=False)
        context.exit()


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=click.Path(path_type=Path, exists=True))
@click.option("--id", "name", required=True, metavar="ID", help="The entry's name: a-z 0-9 . and -.")
@click.option(
    "--about",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="TOML or JSON: title, authors, paper, code, license, date, training, runtime, claims, footnotes.",
)
@click.option("--title", help="Default: the model's name; a folder of images has none.")
@click.option("--author", "authors", multiple=True, help="May be repeated.")
@click.option("--code", metavar="URL", help="https address of the code.")
@click.option("--license", "licence", help="Licence of the weights or images.")
@click.option(
    "--samples",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    help="SR crops of the Sample set, as `srbench samples` writes them.",
)
@submissions_option
@click.option(
    "--replace", is_flag=True, help="Replace an existing entry of this id, its samples and its verification included."
)
@click.option(
    "--extend",
    is_flag=True,
    help="Add the runs to the existing entry of this id, which keeps its other scores, its facts and its samples.",
)
@click.option(
    "--schema",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_schema,
    help="Print the JSON Schema of submission.json.",
)
def command(
    runs: tuple[Path, ...],
    name: str,
    about: Path | None,
    title: str | None,
    authors: tuple[str, ...],
    code: str | None,
    licence: str | None,
    samples: Path | None,
    submissions: Path,
    replace: bool,
    extend: bool,
) -> None:
    """Make a submission to the leaderboard from runs of one model.

    RUN is a folder that `srbench evaluate --output` wrote. All need the same model and options, and complete datasets.
    """
    if replace and extend:
        raise click.UsageError("--replace and --extend exclude each other")
    loaded = [read_run(run) for run in runs]
    said = complete_metadata(_read_about(about), str(about)) if about else {}
    flags = {
        "title": ("--title", title),
        "authors": ("--author", list(authors) or None),
        "code": ("--code", code),
        "license": ("--license", licence),
    }
    said |= {name: complete_field(name, value, flag) for name, (flag, value) in flags.items() if value is not None}
    folder = submissions / name
    draft = _draft(loaded, folder, said, extend=extend)
    own_samples = folder / SAMPLES_NAME if (folder / SAMPLES_NAME).exists() else None
    if extend:
        samples = samples or own_samples
    dropped = own_samples and not samples
    was_verified = (folder / VERIFICATION_NAME).exists()
    write_submission(submissions, draft, samples=samples, replace=replace or extend)
    if dropped:
        click.echo("removed the entry's samples, which may show another model; give new ones with --samples", err=True)
    if was_verified:
        click.echo(
            f"removed {VERIFICATION_NAME}, which holds only for the replaced files; maintainers verify", err=True
        )
    click.echo(f"wrote {folder}; see it with `srbench leaderboard check {name} --submissions {submissions}`")


def _draft(runs: Sequence[Run], folder: Path, about: Mapping[str, object], *, extend: bool) -> Draft:
    facts = model_facts(spec_of([run.facts for run in runs]), sorted({run.facts.scale for run in runs}))
    if not extend:
        return draft_submission(runs, id=folder.name, about=about, model=facts)
    if not folder.is_dir():
        raise SubmissionError(f"{folder}: expected an existing entry to extend, got none; leave out --extend")
    return extend_submission(read_submission(folder), runs, about=about, model=facts)


def _read_about(path: Path) -> dict[str, object]:
    try:
        text = path.read_text(encoding="utf-8")
        document = tomllib.loads(text) if path.suffix.lower() == ".toml" else json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise SubmissionError(f"{path}: expected TOML or JSON, got a file that does not parse ({error})") from error
    if not isinstance(document, dict):
        raise SubmissionError(f"{path}: expected a table of fields, got {type(document).__name__}")
    return document
