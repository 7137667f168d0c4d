"""`srbench data`: list, download, import, verify and preview datasets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from srbench.cli.common_options import data_root_option
from srbench.cli.notes import CommandGroup, note
from srbench.errors import counted
from srbench.images import pixel_sha256
from srbench.tables import text_table

if TYPE_CHECKING:
    from srbench.datasets.importing import ImportReport
    from srbench.datasets.listing import Listed

_replace = click.option(
    "--replace", is_flag=True, help="Replace an existing split even if images, LR files or canonical pixels get lost."
)


@click.group(cls=CommandGroup)
def command() -> None:
    """List, download, import, verify and preview datasets."""


@command.command("list")
@click.argument("names", nargs=-1)
@data_root_option
def list_command(names: tuple[str, ...], data_root: Path | None) -> None:
    """Show each dataset's state, size, licence and source."""
    from srbench.datasets import data_root as root_of
    from srbench.datasets import find_entry
    from srbench.datasets.listing import list_datasets

    wanted = {find_entry(name.partition(":")[0]).name for name in names}
    rows = [row for row in list_datasets(data_root) if not wanted or row.name in wanted]
    table: list[tuple[str, ...]] = [("dataset", "split", "state", "images", "size", "licence", "source")]
    for row in rows:
        count = f"{row.found}/{row.expected if row.expected is not None else '?'}"
        table.append((row.name, row.split, row.state, count, _size(row), row.licence, row.source))
    click.echo(text_table(table[0], table[1:]))
    note(f"under {root_of(data_root)}")


@command.command()
@click.argument("names", nargs=-1, required=True)
@data_root_option
@click.option("--allow-unpinned", is_flag=True, help="Also use archives whose hash is not published.")
@_replace
def download(names: tuple[str, ...], data_root: Path | None, allow_unpinned: bool, replace: bool) -> None:
    """Fetch and import the named datasets; NAME:SPLIT is one split, such as DIV2K:train.

    Without :SPLIT, the split that is evaluated (DIV2K: validation). The size is printed first.
    """
    from srbench.datasets import find_entry
    from srbench.datasets.download import download_dataset

    for name in names:  # a misspelt name is reported before anything is fetched
        title, _, split = name.partition(":")
        find_entry(title).split(split or None)
    for name in names:
        reports = download_dataset(
            name,
            data_root=data_root,
            allow_unpinned=allow_unpinned,
            replace=replace,
            announce=lambda text: click.echo(text, err=True),
        )
        for report in reports:
            _tell(report)


@command.command("import")
@click.argument("name")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=click.Path(path_type=Path))
@data_root_option
@_replace
def import_command(name: str, paths: tuple[Path, ...], data_root: Path | None, replace: bool) -> None:
    """Import dataset NAME from folders, archives or Parquet files.

    The layouts of EDSR, DIV2K, BasicSR (folders and LMDB), SelfExSR, RCAN and BSDS500, flat folders, and the
    Parquet files of the Hugging Face hub are known. Lossless TIFF and WebP are stored as PNG.
    """
    from srbench.datasets.importing import import_dataset

    for report in import_dataset(name, paths, data_root=data_root, replace=replace):
        _tell(report)


@command.command()
@click.argument("names", nargs=-1)
@data_root_option
@click.pass_context
def verify(ctx: click.Context, names: tuple[str, ...], data_root: Path | None) -> None:
    """Compare datasets with the canonical pixels.

    Print whether each dataset is canonical, a known variant, or different, and how; without NAMES, for the datasets
    found locally. The exit code is 0 only if all are canonical or a known variant.
    """
    from srbench.datasets import available_datasets
    from srbench.datasets.verify import verify_dataset
    from srbench.errors import DatasetError, ImageError

    chosen = names or tuple(available_datasets(data_root))
    if not chosen:
        raise DatasetError("expected datasets to verify, found none; `srbench data list` shows where it looks")
    failed = False
    for name in chosen:
        # A dataset that is missing or cannot be read must not stop the check of the others.
        try:
            report = verify_dataset(name, data_root=data_root)
        except (DatasetError, ImageError) as error:
            click.echo(f"Error: {error}", err=True)
            failed = True
        else:
            click.echo("\n".join(report.lines))
            failed |= not report.ok
    if failed:
        ctx.exit(1)


@command.command()
@click.argument("names", nargs=-1)
@data_root_option
@click.option("--scale", default=4, metavar="N", show_default=True, help="Scale of the LR.")
@click.option("--count", default=4, metavar="N", show_default=True, help="Images on a sheet.")
@click.option("--weight", is_flag=True, help="Also show the weights of psnr_y_aliased.")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="DIR",
    default=Path(),
    help="Folder of the sheets; default: the current folder.",
)
def preview(names: tuple[str, ...], data_root: Path | None, scale: int, count: int, weight: bool, output: Path) -> None:
    """Draw a contact sheet of each dataset.

    A sheet shows HR, LR, bicubic and the five crops of some images. Without NAMES, sheets of the datasets found locally
    are drawn, else of Sample.
    """
    from srbench.datasets import available_datasets, open_dataset
    from srbench.datasets.preview import contact_sheet
    from srbench.errors import DatasetError

    sheets: dict[Path, str] = {}
    for name in dict.fromkeys(names or available_datasets(data_root) or ["Sample"]):
        path = output / f"{open_dataset(name, data_root=data_root).name}_x{scale}.png"
        if path in sheets:
            raise DatasetError(
                f"{path} would be the sheet of {sheets[path]} and of {name}; draw one of them into "
                "another folder, with --output"
            )
        sheets[path] = name
    for path, name in sheets.items():
        click.echo(contact_sheet(name, scale=scale, data_root=data_root, output=path, count=count, weight=weight))


def _tell(report: ImportReport) -> None:
    lr = ", ".join(f"×{scale}" for scale in report.lr_scales) or "none"
    click.echo(
        f"{report.name} ({report.split}): {len(report.names)} of {report.n_expected} images from {report.taken_from}, "
        f"given LR: {lr}; pixels: {report.variant}; fingerprint {report.fingerprint}"
    )
    click.echo(f"written to {report.path}", err=True)
    for given, name in report.renamed.items():
        click.echo(f"  {given} is {name}", err=True)
    for reason, count in report.skipped.items():
        click.echo(f"  left out {count}: {reason}", err=True)
    if len(report.names) < report.n_expected:
        click.echo(f"warning: {report.name} lacks {counted(report.n_expected - len(report.names), 'image')}", err=True)
    for scale, count in report.partial_lr.items():
        click.echo(
            f"warning: given LR ×{scale} lacks {len(report.names) - count} of its {len(report.names)} images", err=True
        )


def _size(row: Listed) -> str:
    from srbench.datasets.listing import size_text

    if row.size:
        return size_text(row.size)
    if not row.download_bytes:
        return "-"
    return f"{'at least ' if row.at_least else ''}{size_text(row.download_bytes)} to download"


@command.command("fingerprint")
@click.argument("names", nargs=-1, required=True, metavar="NAME|DIR...")
@data_root_option
def fingerprint_command(names: tuple[str, ...], data_root: Path | None) -> None:
    """Print name, size and pixel hash of each image, as JSON in the form of srbench/datasets/fingerprints.json.

    A catalogue entry for a new dataset needs these rows. The fingerprint of all images is printed on stderr.
    """
    from srbench.datasets import open_dataset

    found: dict[str, list[list[str | int]]] = {}
    for name in names:
        dataset = open_dataset(name, data_root=data_root)
        rows: list[list[str | int]] = []
        for image in dataset.names:
            pixels = dataset.hr(image)
            rows.append([image, pixels.shape[1], pixels.shape[0], pixel_sha256(pixels)])
        found[dataset.name] = rows
        note(f"{dataset.name}: {counted(len(rows), 'image')}, fingerprint {dataset.fingerprint}")
    click.echo(json.dumps(found, ensure_ascii=False))
