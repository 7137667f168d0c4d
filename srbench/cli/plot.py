"""`srbench plot`: scores over size or speed, and differences image by image, for papers."""

from __future__ import annotations

from pathlib import Path

import click

from srbench.cli.paper_options import paper_options
from srbench.cli.table import find_model, parse_labels
from srbench.errors import FigureError
from srbench.figures.canvas import parse_width, require_output
from srbench.figures.plot_data import TITLES, Quantity, axis_title, differences_of, points_of
from srbench.figures.plot_drawing import plot_differences, plot_points
from srbench.run_folders import group_runs, read_runs
from srbench.score_tables.tabulate import ModelTable, Place, protocols_of, tabulate


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=click.Path(path_type=Path, exists=True))
@click.option(
    "-o", "--output", required=True, metavar="FILE.png|pdf|svg", type=click.Path(path_type=Path), help="The plot."
)
@click.option(
    "--over",
    "quantity",
    type=click.Choice(list(TITLES)),
    default="parameters",
    show_default=True,
    help="The x axis. macs are known for networks of the zoo; seconds are those of the runs, on one machine.",
)
@click.option("--differences", is_flag=True, help="Plot each model minus the base, image by image.")
@click.option("--base", metavar="RUN|LABEL", help="With --differences.  [default: the last model]")
@click.option("--metric", default=None, metavar="NAME", help="The score.  [default: the protocol's PSNR]")
@click.option("--dataset", metavar="NAME", help="[default: the first of the runs]")
@click.option("--scale", type=int, metavar="N", help="[default: the largest of the runs]")
@click.option("--protocol", metavar="NAME", help="[default: the first of the runs]")
@click.option("--name", "names", multiple=True, metavar="RUN=LABEL", help="Name a model. May be repeated.")
@paper_options(width="column", font_size=8.0)
def command(
    runs: tuple[Path, ...],
    output: Path,
    quantity: Quantity,
    differences: bool,
    base: str | None,
    metric: str | None,
    dataset: str | None,
    scale: int | None,
    protocol: str | None,
    names: tuple[str, ...],
    width: str,
    font: str,
    font_size: float,
) -> None:
    """Plot the scores of runs over parameters, MACs or seconds, or differences per image. Needs matplotlib.

    RUN is a folder of `srbench evaluate --output`, or a folder that contains such folders, as `srbench sweep` writes.
    """
    if base and not differences:
        raise click.UsageError("--base is for --differences")
    inches = parse_width(width)
    require_output(output)
    models = group_runs(read_runs(runs), parse_labels(names, [str(path) for path in runs]))
    table = tabulate(models, protocol=protocol or protocols_of(models)[0], metrics=[metric] if metric else [])
    place, shown = _place(table, dataset, scale), table.metrics[0]
    heading = f"{place[1]} ×{place[0]}, {table.protocol}"
    if differences:
        reference = find_model(base, models) if base else models[-1]
        row = next((one for one in table.rows if one.model is reference), None)
        if row is None:
            raise FigureError(f"expected scores of {reference.label} under {table.protocol}, got none")
        found = differences_of(table, place, shown.name, row)
        label = found[0].label if len(found) == 1 else "model"
        heading = f"{heading}: {label} − {row.label}"
        title = f"difference of {axis_title(shown)}"
        plot_differences(found, output, title=title, heading=heading, width=inches, font=font, size=font_size)
    else:
        points, reasons = points_of(table, place, shown.name, quantity)
        for reason in reasons:
            click.echo(f"warning: left out: {reason}", err=True)
        titles = TITLES[quantity], axis_title(shown)
        plot_points(points, output, titles=titles, heading=heading, width=inches, font=font, size=font_size)
    click.echo(output)


def _place(table: ModelTable, dataset: str | None, scale: int | None) -> Place:
    places = [place for row in table.rows for place in row.cells]
    for place in sorted(dict.fromkeys(places), key=lambda one: -one[0]):
        if (dataset is None or place[1] == dataset) and (scale is None or place[0] == scale):
            return place
    known = ", ".join(f"{name} ×{number}" for number, name in dict.fromkeys(places))
    raise FigureError(f"expected a dataset and a scale of the runs ({known}), got {dataset or 'any'} ×{scale or 'any'}")
