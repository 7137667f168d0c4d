"""`srbench leaderboard`: build, check, export and serve the site. Each command loads what it needs when it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import click
from click.core import ParameterSource

from srbench.cli.common_options import submissions_option
from srbench.cli.notes import CommandGroup, note
from srbench.errors import SubmissionError, counted
from srbench.plugins import disable_plugins


@click.group(cls=CommandGroup, short_help="Build, check, export and serve the leaderboard.")
def command() -> None:
    """Build, check, export and serve the leaderboard: a static site from a folder of submissions."""
    disable_plugins()  # pages and checks must not depend on installed plugins


_output = click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path("site"),
    show_default=True,
    metavar="DIR",
    help="An empty folder, or a site built before.",
)


@command.command("build")
@submissions_option
@_output
@click.option("--repository", default="", metavar="URL", help="Link to the source code in header and footer.")
@click.option("--docs", default="", metavar="URL", help="Link to the documentation in header and footer.")
@click.option("--site-url", default="", metavar="URL", help="Address of the published site, for canonical links.")
def build_command(submissions: Path, output: Path, repository: str, docs: str, site_url: str) -> None:
    """Build the site. Entries that cannot be shown are reported and left out."""
    _build(submissions, output, {"--repository": repository, "--docs": docs, "--site-url": site_url})
    click.echo(output / "index.html")


@command.command("check")
@click.argument("ids", nargs=-1, metavar="[ID]...")
@submissions_option
@click.option(
    "--base",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="The submissions folder before a change: also check that the change adds or changes one entry only.",
)
@click.option(
    "--rescore",
    "images",
    type=click.Path(path_type=Path),
    metavar="IMAGES",
    help="Score SR images, IMAGES/DATASET/NAME.png, again and compare with the one given ID.",
)
@click.option("--rerun", is_flag=True, help="Run the weights of the one given ID again, in a separate process.")
@click.option(
    "--rerun-crops",
    is_flag=True,
    help="Make only the sample crops again, of the one given ID, whose weights were run again before.",
)
@click.option(
    "--weights",
    type=click.Path(path_type=Path, exists=True),
    metavar="PATH",
    help="With --rerun and --rerun-crops: file or folder of weights that the catalogue does not have.",
)
@click.option(
    "--data-root",
    type=click.Path(path_type=Path),
    help="With --rescore or --rerun: folder of the datasets; default $SRBENCH_DATA.",
)
@click.option(
    "--device",
    default="auto",
    metavar="NAME",
    show_default=True,
    help="With --rerun and --rerun-crops: auto, cpu, cuda or cuda:N.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=1),
    default=3600,
    show_default=True,
    metavar="SECONDS",
    help="With --rerun and --rerun-crops: how long one run may take.",
)
@click.option(
    "--accept",
    "accept",
    multiple=True,
    metavar="TEXT",
    help="With --rescore or --rerun: part of the message of a review that you looked at; may be repeated.",
)
@click.option("--by", metavar="NAME", help="With --accept: the person who accepts the reviews, for the record.")
@click.option(
    "--thorough",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    help="With --rerun: also score a folder of HR images that nobody has published, and compare with bicubic.",
)
@click.option(
    "--earlier",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    help="With --rerun: a submissions folder with an earlier, re-run entry of this ID; only new runs are made again.",
)
@click.option("--strict", is_flag=True, help="Also fail if a person should review an entry.")
@click.option("--output", type=click.Path(path_type=Path), metavar="DIR", help="Also write DIR/check.json.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
def check_command(
    ids: tuple[str, ...],
    submissions: Path,
    base: Path | None,
    images: Path | None,
    rerun: bool,
    rerun_crops: bool,
    weights: Path | None,
    data_root: Path | None,
    device: str,
    timeout: float,
    accept: tuple[str, ...],
    by: str | None,
    thorough: Path | None,
    earlier: Path | None,
    strict: bool,
    output: Path | None,
    form: str,
) -> None:
    """Check entries: schema, hashes, coverage, means, plausibility, names; --rescore and --rerun verify one.

    Without an ID, the results of studies in the same folder are checked, too.

    The exit code is 1 if there is an error. --rescore and --rerun write verification.json and verified.json, which a
    maintainer commits.
    """
    from leaderboard.study_pages import read_studies
    from srbench.cli.submission_check import accepted_reviews, check_in_worker, report, verify, verify_crops
    from srbench.verification.check_all import check_submissions
    from srbench.verification.earlier import earlier_acceptances
    from srbench.verification.findings import CheckFinding
    from srbench.verification.rerun import RerunSettings

    _require_their_use(click.get_current_context(), rescore=images is not None, rerun=rerun, crops=rerun_crops)
    if (images or rerun or rerun_crops) and len(ids) != 1:
        raise click.UsageError("--rescore, --rerun and --rerun-crops verify one entry: give one ID")
    if bool(accept) != bool(by):
        raise click.UsageError("--accept and --by belong together: who accepts which review?")
    checked = check_in_worker(submissions, ids, base)
    settings = RerunSettings(weights, data_root, device, timeout, thorough, earlier)
    if (images or rerun) and checked.passed:
        before = earlier_acceptances(checked.entries[0].id, earlier) if earlier else ()
        reviews = accepted_reviews(checked, accept, by, earlier=before)
        again = settings if rerun else None
        verify(checked.entries[0], images=images, data_root=data_root, again=again, accepted=reviews)
        checked = check_submissions(submissions, ids, base=base)
    elif rerun_crops and checked.passed:
        verify_crops(checked.entries[0], settings)
        checked = check_submissions(submissions, ids, base=base)
    if not ids:
        _, damaged = read_studies(submissions)
        findings = [CheckFinding(problem.id, "error", problem.message) for problem in damaged]
        checked = replace(checked, findings=[*checked.findings, *findings])
    click.echo(report(checked, form, output))
    _require_passing([finding.severity for finding in checked.findings], strict)


def _require_passing(severities: Sequence[str], strict: bool) -> None:
    failing = {"error", "review"} if strict else {"error"}
    if grave := sum(severity in failing for severity in severities):
        raise SubmissionError(f"expected entries that pass, got {counted(grave, 'finding')} against them")


def _require_their_use(context: click.Context, *, rescore: bool, rerun: bool, crops: bool) -> None:
    """Refuse options that the requested check does not use."""
    unused = {} if rerun or crops else dict.fromkeys(("weights", "device", "timeout"), "--rerun or --rerun-crops")
    unused |= {} if rerun else dict.fromkeys(("thorough", "earlier"), "--rerun")
    unused |= {} if rescore or rerun else dict.fromkeys(("data_root", "accept", "by"), "--rescore or --rerun")
    for name, needed in unused.items():
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT:
            raise click.UsageError(f"--{name.replace('_', '-')} needs {needed}: add that, or leave it out")


@command.command("export")
@submissions_option
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path("exports"),
    show_default=True,
    metavar="DIR",
    help="Folder of the files.",
)
@click.option(
    "--format",
    "forms",
    multiple=True,
    metavar="NAME",
    type=click.Choice(["latex", "markdown", "csv", "model-index", "eval-results"]),
    help="latex, markdown, csv, model-index or eval-results; may be repeated. Default: all.",
)
@click.option(
    "--site-url", default="", metavar="URL", help="Address of the published site: the source that eval-results name."
)
def export_command(submissions: Path, output: Path, forms: tuple[str, ...], site_url: str) -> None:
    """Write the tables for papers (LaTeX), Markdown and CSV, and results in the hub's two formats."""
    from leaderboard.exports import FORMATS, export

    exported = export(submissions, output, forms or FORMATS, site_url=site_url)
    for problem in exported.problems:
        click.echo(f"left out {problem.id}: {problem.message}", err=True)
    for path in exported.files:
        click.echo(path)


@command.command("serve")
@submissions_option
@_output
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    metavar="N",
    default=8000,
    show_default=True,
    help="The port; 0 takes a free one.",
)
@click.option(
    "--data-root",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    help="Add crops of your own copies of the datasets in DIR to the gallery. They stay on this machine.",
)
@click.option(
    "--image",
    "images",
    multiple=True,
    metavar="DATASET/NAME",
    help="With --data-root: an image to show; may be repeated. Default: images that papers often show.",
)
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="SPEC",
    help="With --data-root: a model to run; may be repeated. Default: bicubic and the first three of the front page.",
)
@click.option("--scale", type=click.IntRange(2, 4), metavar="N", default=4, show_default=True, help="With --data-root.")
@click.option(
    "--device", default="auto", metavar="NAME", show_default=True, help="With --data-root: auto, cpu, cuda or cuda:N."
)
def serve_command(
    submissions: Path,
    output: Path,
    port: int,
    data_root: Path | None,
    images: tuple[str, ...],
    models: tuple[str, ...],
    scale: int,
    device: str,
) -> None:
    """Build the site and serve it to this machine until interrupted."""
    from leaderboard.serving import serve

    _require_data_root(click.get_current_context(), data_root)
    _build(submissions, output)
    memory = {} if data_root is None else _local_gallery(submissions, data_root, images, models, scale, device)
    serve(output, port=port, ready=click.echo, memory=memory)


def _require_data_root(context: click.Context, data_root: Path | None) -> None:
    for name in ("images", "models", "scale", "device"):
        if data_root is None and context.get_parameter_source(name) is not ParameterSource.DEFAULT:
            raise click.UsageError(f"--{name.removesuffix('s')} needs --data-root: add that, or leave it out")


def _local_gallery(
    submissions: Path, data_root: Path, images: Sequence[str], models: Sequence[str], scale: int, device: str
) -> dict[str, bytes]:
    from leaderboard.collection import collect
    from leaderboard.local_gallery import default_models, local_files
    from srbench.local_crops import make_local_crops
    from srbench.upscalers.base import Options

    collection = collect(submissions)
    crops = make_local_crops(
        models or default_models(collection, scale),
        data_root=data_root,
        images=images,
        scale=scale,
        options=Options(device=device),
        report=note,
    )
    return local_files(collection, crops)


def _build(submissions: Path, output: Path, addresses: Mapping[str, str] | None = None) -> None:
    from leaderboard.addresses import web_address
    from leaderboard.data_commit import commit_of
    from leaderboard.rendering import SiteLinks
    from leaderboard.site import build

    for option, address in (addresses or {}).items():
        if address != web_address(address):
            raise click.UsageError(f"{option}: expected an address such as https://example.org/, got {address!r}")
    links = SiteLinks(*(addresses or {}).values())
    report = build(submissions, output, replace(links, commit=commit_of(submissions)))
    for problem in report.problems:
        click.echo(f"left out {problem.id}: {problem.message}", err=True)
    note(f"{counted(report.entries, 'entry', 'entries')}; {counted(report.files, 'file')} written")
