"""`srbench zoo`: list, describe, fetch, convert and export networks. Listing imports no torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from srbench.cli.common_options import data_root_option
from srbench.cli.notes import CommandGroup
from srbench.cli.zoo_saturation import saturation
from srbench.cli.zoo_tables import (
    NETWORK_HEAD,
    VARIANT_HEAD,
    network_description,
    network_row,
    own_size_rows,
    variant_record,
    variant_rows,
    weights_description,
    weights_record,
)
from srbench.errors import UnknownNameError, WeightsError
from srbench.files import write_atomic
from srbench.tables import text_table
from srbench.zoo.networks import ATTENTIONS, FORMS, NETWORKS, Form, Variant, find_variant, listed_variants
from srbench.zoo.sizes import has_own_size
from srbench.zoo.trained import record_of, scales_of, scores_at
from srbench.zoo.weights_catalogue import (
    CATALOGUE,
    DEFAULT_TAG,
    Setting,
    WeightsEntry,
    entries_of,
    gpu_note,
    times,
)

READER_MEMORY, READER_TIMES_FILE, READER_SECONDS = 2 << 30, 20, 1800.0
"""What `convert` may take: bytes, further bytes for each byte of the file, and seconds."""

if TYPE_CHECKING:
    from torch import nn

_FORMAT = click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_PAPER_ATTENTIONS = ("none", "bam")


@click.group(cls=CommandGroup)
def command() -> None:
    """List, describe, fetch, convert and export networks and their weights."""


command.add_command(saturation)


@command.command("list")
@click.option("-v", "--verbose", is_flag=True, help="One row per variant and scale: parameters, MACs, weights.")
@_FORMAT
def list_networks(verbose: bool, form: str) -> None:
    """List the networks, their variants and their weights."""
    if form == "json":
        click.echo(json.dumps([variant_record(variant) for variant in _listed(verbose)], indent=2))
    elif verbose:
        rows = [row for variant in listed_variants() for row in variant_rows(variant)]
        click.echo(text_table(VARIANT_HEAD, rows + [row for entry in CATALOGUE for row in own_size_rows(entry)]))
    else:
        click.echo(text_table(NETWORK_HEAD, [network_row(network) for network in NETWORKS.values()]))
        click.echo(
            "\nParameters and MACs (for 1280×720) are those of the paper's size; `zoo info` has those of "
            + ", ".join(dict.fromkeys(entry.spec.removeprefix("zoo:") for entry in CATALOGUE if has_own_size(entry)))
        )
        click.echo("Every network takes another attention as NAME-ATTENTION: " + ", ".join(ATTENTIONS))
        click.echo("Published weights of other variants and sizes: " + ", ".join(_only_published()))
        for note in filter(None, map(gpu_note, NETWORKS.values())):
            click.echo(note)


@command.command("info")
@click.argument("name")
@_FORMAT
def info(name: str, form: str) -> None:
    """Describe one network, one of its variants, or published weights (NAME or NAME@TAG)."""
    entries, variant = _described(name)
    if form == "json":
        click.echo(
            json.dumps(variant_record(variant) | {"weights": [weights_record(entry) for entry in entries]}, indent=2)
        )
        return
    for label, text in network_description(name.removeprefix("zoo:").partition("@")[0], variant):
        click.echo(f"{label:<12}{text}")
    for entry in entries:
        click.echo("")
        for label, text in weights_description(entry):
            click.echo(f"{label:<12}{text}")


@command.command("fetch")
@click.argument("specs", nargs=-1, required=True, metavar="NAME[@TAG]...")
@click.option("--scale", type=int, metavar="N", help="Only the weights for this scale.")
@click.option(
    "--unpinned",
    is_flag=True,
    help="Also fetch files of unknown hash; the hash found is stored and checked from then on.",
)
def fetch(specs: tuple[str, ...], scale: int | None, unpinned: bool) -> None:
    """Fetch weights into the cache, check their hash, and print one path per file."""
    from srbench.zoo.checkpoints import fetch_weights

    for spec in specs:
        for entry in _entries(spec, scale):
            click.echo(str(fetch_weights(entry, allow_unpinned=unpinned)))


@command.command("convert")
@click.argument("source", type=_FILE, metavar="FILE")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Default: FILE as .safetensors.")
@click.option("--network", help="The network, or NAME@TAG for the hyper-parameters of published weights.")
@click.option("--scale", type=int, metavar="N", help="The scale, if keys and shapes do not determine it.")
@click.option("--option", "options", multiple=True, metavar="KEY=VALUE", help="A hyper-parameter; may be repeated.")
@click.option("--form", type=click.Choice(FORMS), help="The form that the weights were trained in.")
def convert(
    source: Path,
    output: Path | None,
    network: str | None,
    scale: int | None,
    options: tuple[str, ...],
    form: Form | None,
) -> None:
    """Convert a published checkpoint to safetensors with a record of its network and source."""
    from srbench.bounded_process import BoundedWorker
    from srbench.zoo.conversion import convert as convert_file
    from srbench.zoo.conversion import describe

    name, settings = _named_form(network)
    given = tuple(_setting(name, text) for text in options)
    given = (*_form_settings(name, form), *given)
    chosen = tuple((dict(settings or ()) | dict(given)).items()) if given or settings is not None else None
    memory = READER_MEMORY + READER_TIMES_FILE * source.stat().st_size
    with BoundedWorker(convert_file, error=WeightsError, memory=memory, seconds=READER_SECONDS) as worker:
        done = worker.call(source, output, network=name, scale=scale, options=chosen)
    click.echo(describe(done))


@command.command("export")
@click.argument("spec", metavar="NAME[@TAG|@FILE]|python:FILE.py:factory[@FILE]")
@click.option("--scale", type=int, metavar="N", required=True)
@click.option("--format", "form", type=click.Choice(["onnx"]), default="onnx", show_default=True, help="What to write.")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Default: NAME_xSCALE.onnx.")
@click.option("--weights", type=_FILE, help="A checkpoint of your own in place of published weights.")
@click.option(
    "--factory-arg", "arguments", multiple=True, metavar="KEY=VALUE", help="An argument of a python: factory."
)
def export(
    spec: str, scale: int, form: str, output: Path | None, weights: Path | None, arguments: tuple[str, ...]
) -> None:
    """Export a network with its weights, and compare the output of the file with that of the network."""
    from srbench.upscalers.base import Options
    from srbench.upscalers.factory_args import parse_factory_args
    from srbench.upscalers.loading import module_of, open_upscaler
    from srbench.upscalers.own_weights import split_weights
    from srbench.zoo import load

    if spec.startswith("python:"):
        if weights is not None:
            raise click.UsageError("expected a zoo network for --weights, got a python: spec; pass a --factory-arg")
        options = Options(device="cpu", factory_arg=parse_factory_args(arguments))
        module = module_of(open_upscaler(spec, scale=scale, options=options))
        name = split_weights(spec.removeprefix("python:"))[0].rpartition(":")[2]
        _report_export(module, output or Path(f"{name}_x{scale}.{form}"))
        return
    if arguments:
        raise click.UsageError("expected a python: spec for --factory-arg, got a zoo network; leave it out")
    name, at, tag = spec.removeprefix("zoo:").partition("@")
    if at and weights is not None:
        raise click.UsageError(f"expected a tag or a file after {name}@, or --weights, got both")
    loaded = load(name, tag=tag if at else None, scale=scale, file=weights)
    _report_export(loaded.module, output or Path(f"{name}_x{scale}.{form}"))


def _report_export(module: nn.Module, target: Path) -> None:
    from srbench.zoo.export import export_onnx

    difference = export_onnx(module, target)
    click.echo(f"{target}: any input size, at most {difference:.1e} from the network's own output")


@command.command("publish")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="DIR")
@click.option("--replace", is_flag=True, help="Replace an existing entry.")
@click.option("--licence", default="Apache-2.0", show_default=True, help="The licence of the weights.")
@data_root_option
def publish(folder: Path, replace: bool, licence: str, data_root: Path | None) -> None:
    """Score a finished training, and add its weights in half precision and its record to the catalogue.

    DIR is what `srbench train --output` wrote. The weights become @srbench of this checkout.
    """
    from srbench.training.publishing import publish as publish_training

    published = publish_training(folder, data_root=data_root, licence=licence, replace=replace)
    record, path = published.record, published.weights
    click.echo(f"{path}: {path.stat().st_size} bytes, sha256 {record['file']['sha256'][:12]}…")
    head = ("dataset", "scale", "images", "PSNR / SSIM", "bicubic", "change by half precision")
    rows = [
        (
            name,
            f"×{scale}",
            str(means["images"]),
            _means(means),
            _means(scores_at(record, scale)["bicubic"][name]),
            f"{scores_at(record, scale)['half_precision']['psnr_y_change'][name]:+z.5f} dB",
        )
        for scale in scales_of(record)
        for name, means in scores_at(record, scale)["scores"].items()
    ]
    click.echo(text_table(head, rows))
    for remark in published.remarks:
        click.echo(remark)


@command.command("card")
@click.argument("name", metavar="NAME")
@click.option("--scale", type=int, metavar="N", help="The scale, if there are weights for several.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the card to this file; by default it is printed.",
)
def card(name: str, scale: int | None, output: Path | None) -> None:
    """Write the model card of weights trained here, in the hub's format, from their record."""
    from srbench.zoo.trained_cards import model_card

    entries = _entries(name if "@" in name else f"{name}@{DEFAULT_TAG}", scale)
    if entries[0].tag != DEFAULT_TAG:
        raise WeightsError(
            f"{name}: expected weights that were trained here, whose record a card is made of, got those "
            f"tagged @{entries[0].tag}, which have none; see `srbench zoo info {name}`"
        )
    if len(entries) > 1:
        scales = times(sorted(scale for entry in entries for scale in entry.scales))
        raise click.UsageError(f"{name} has weights for {scales}: choose one with --scale")
    text = model_card(record_of(entries[0].file.name))
    if output is None:
        click.echo(text, nl=False)
    else:
        write_atomic(output, text)


def _means(means: dict[str, float]) -> str:
    return f"{means['psnr_y']:.3f} / {means['ssim_y']:.4f}"


def _listed(verbose: bool) -> list[Variant]:
    variants = listed_variants()
    return list(variants) if verbose else [variant for variant in variants if variant.name in NETWORKS]


def _described(name: str) -> tuple[list[WeightsEntry], Variant]:
    entries = _entries(name, None) if "@" in name else list(entries_of(name))
    return entries, find_variant(entries[0].network if entries else name)


def _entries(spec: str, scale: int | None) -> list[WeightsEntry]:
    name, at, tag = spec.removeprefix("zoo:").partition("@")
    entries = [entry for entry in entries_of(name) if not at or entry.tag == tag]
    if not entries_of(name):
        find_variant(name)
        raise WeightsError(f"{name} has no published weights; networks that have: {', '.join(_published())}")
    if not entries:
        raise UnknownNameError(f"weights tag of {name}", tag, {entry.tag for entry in entries_of(name)})
    served = [entry for entry in entries if scale is None or scale in entry.scales]
    if not served:
        scales = times(sorted({scale for entry in entries for scale in entry.scales}))
        raise WeightsError(f"{spec} has no weights for ×{scale}; it has {scales}")
    return served


def _only_published() -> list[str]:
    """Return the specs of published weights whose network has no row in the short list."""
    return list(dict.fromkeys(entry.spec.removeprefix("zoo:") for entry in CATALOGUE if entry.name not in NETWORKS))


def _published() -> list[str]:
    return list(dict.fromkeys(entry.name for entry in CATALOGUE))


def _named_form(text: str | None) -> tuple[str | None, tuple[Setting, ...] | None]:
    """Return the network and hyper-parameters that `--network NAME[@TAG]` stands for; without a tag, the network's
    default ones.
    """
    if text is None:
        return None, None
    if "@" not in text:
        return find_variant(text).name, ()
    entry = _entries(text, None)[0]
    return entry.network, entry.options


def _form_settings(network: str | None, form: Form | None) -> tuple[Setting, ...]:
    """Return the options of a form. Raises click.UsageError without a network."""
    if form is None:
        return ()
    if network is None:
        raise click.UsageError(f"--form {form}: expected --network with it; name the network")
    return tuple(find_variant(network).network.form_options(form).items())


def _setting(network: str | None, text: str) -> Setting:
    key, equals, value = text.partition("=")
    if network is None or not equals:
        raise click.UsageError(f"--option {text}: expected KEY=VALUE together with --network")
    try:
        return key, json.loads(value.lower())
    except (ValueError, RecursionError) as error:
        raise click.UsageError(f"--option {text}: expected a number, true or false, got {value!r}") from error
