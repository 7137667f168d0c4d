"""`srbench zoo`: list, describe, fetch, convert and export networks. Listing imports no torch."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from srbench.cli.messages import CommandGroup
from srbench.cli.zoo_saturation import saturation
from srbench.errors import UnknownNameError, WeightsError
from srbench.files import cache_dir, write_atomic
from srbench.tables import text_table
from srbench.zoo.costs import COSTS, Cost
from srbench.zoo.networks import ATTENTIONS, FORMS, NETWORKS, VARIANTS, Form, Network, Variant, find_variant
from srbench.zoo.sizes import cost_of, has_own_size
from srbench.zoo.trained import kept_path, record_of
from srbench.zoo.weights_catalogue import (
    CATALOGUE,
    DEFAULT_TAG,
    ExpectedScore,
    Setting,
    WeightsEntry,
    entries_of,
    times,
)

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
        click.echo(json.dumps([_variant_record(variant) for variant in _listed(verbose)], indent=2))
    elif verbose:
        rows = [row for variant in VARIANTS for row in _verbose_rows(variant)]
        click.echo(text_table(_VERBOSE_HEAD, rows + [row for entry in CATALOGUE for row in _own_size_rows(entry)]))
    else:
        click.echo(text_table(_HEAD, [_row(network) for network in NETWORKS.values()]))
        click.echo(
            "\nParameters and MACs (for 1280×720) are those of the paper's size; `zoo info` tells those of "
            + ", ".join(dict.fromkeys(entry.spec.removeprefix("zoo:") for entry in CATALOGUE if has_own_size(entry)))
        )
        click.echo("Every network takes another attention as NAME-ATTENTION: " + ", ".join(ATTENTIONS))
        click.echo("Published weights of other variants and sizes: " + ", ".join(_only_published()))


@command.command("info")
@click.argument("name")
@_FORMAT
def info(name: str, form: str) -> None:
    """Describe one network, one of its variants, or published weights (NAME or NAME@TAG)."""
    entries, variant = _described(name)
    if form == "json":
        click.echo(
            json.dumps(_variant_record(variant) | {"weights": [_entry_record(entry) for entry in entries]}, indent=2)
        )
        return
    for label, text in _description(name.removeprefix("zoo:").partition("@")[0], variant):
        click.echo(f"{label:<12}{text}")
    for entry in entries:
        click.echo("")
        for label, text in _weights_description(entry):
            click.echo(f"{label:<12}{text}")


@command.command("fetch")
@click.argument("specs", nargs=-1, required=True, metavar="NAME[@TAG]...")
@click.option("--scale", type=int, help="Only the weights for this scale.")
@click.option("--unpinned", is_flag=True, help="Fetch files of unknown hash too; the hash found is kept and enforced.")
def fetch(specs: tuple[str, ...], scale: int | None, unpinned: bool) -> None:
    """Fetch weights into the cache, their hash checked; prints one path per file."""
    from srbench.zoo.checkpoints import fetch_weights

    for spec in specs:
        for entry in _entries(spec, scale):
            click.echo(str(fetch_weights(entry, allow_unpinned=unpinned)))


@command.command("convert")
@click.argument("source", type=_FILE, metavar="FILE")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Default: FILE as .safetensors.")
@click.option("--network", help="The network, or NAME@TAG for the hyper-parameters of published weights.")
@click.option("--scale", type=int, help="The scale, where keys and shapes leave it open.")
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
    """Convert an authors' checkpoint to safetensors with a record of what it is."""
    from srbench.zoo.conversion import convert as convert_file
    from srbench.zoo.conversion import describe

    name, settings = _named_form(network)
    given = tuple(_setting(name, text) for text in options)
    given = (*_form_settings(name, form), *given)
    chosen = tuple((dict(settings or ()) | dict(given)).items()) if given or settings is not None else None
    click.echo(describe(convert_file(source, output, network=name, scale=scale, options=chosen)))


@command.command("export")
@click.argument("spec", metavar="NAME[@TAG|@FILE]|python:FILE.py:factory")
@click.option("--scale", type=int, required=True)
@click.option("--format", "form", type=click.Choice(["onnx"]), default="onnx", show_default=True, help="What to write.")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Default: NAME_xSCALE.onnx.")
@click.option("--weights", type=_FILE, help="A checkpoint of your own in place of published weights.")
@click.option(
    "--factory-arg", "arguments", multiple=True, metavar="KEY=VALUE", help="An argument of a python: factory."
)
def export(
    spec: str, scale: int, form: str, output: Path | None, weights: Path | None, arguments: tuple[str, ...]
) -> None:
    """Export a network with its weights, checked against the output of the network itself."""
    from srbench.upscalers.base import Options
    from srbench.upscalers.factory_args import parse_factory_args
    from srbench.upscalers.loading import module_of, open_upscaler
    from srbench.zoo import load

    if spec.startswith("python:"):
        if weights is not None:
            raise click.UsageError("expected a zoo network for --weights, got a python: spec; pass a --factory-arg")
        options = Options(device="cpu", factory_arg=parse_factory_args(arguments))
        module = module_of(open_upscaler(spec, scale=scale, options=options))
        _report_export(module, output or Path(f"{spec.rpartition(':')[2]}_x{scale}.{form}"))
        return
    if arguments:
        raise click.UsageError("expected a python: spec for --factory-arg, got a zoo network; leave it out")
    name, at, tag = spec.removeprefix("zoo:").partition("@")
    if at and weights is not None:
        raise click.UsageError(f"expected a tag or a file after {name}@, or --weights, got both")
    loaded = load(name, tag=tag if at else None, scale=scale, file=weights)
    _report_export(loaded.module, output or Path(f"{name}_x{scale}.{form}"))


def _report_export(module: Any, target: Path) -> None:
    from srbench.zoo.export import export_onnx

    difference = export_onnx(module, target)
    click.echo(f"{target}: any input size, at most {difference:.1e} from the network's own output")


@command.command("publish")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="DIR")
@click.option("--replace", is_flag=True, help="Publish over an entry that is there already.")
@click.option("--licence", default="Apache-2.0", show_default=True, help="The licence of the weights.")
@click.option("--data-root", type=click.Path(path_type=Path), help="The folder of the datasets; default $SRBENCH_DATA.")
def publish(folder: Path, replace: bool, licence: str, data_root: Path | None) -> None:
    """Add a finished training to the catalogue: half-precision weights, scored, and their record.

    DIR is what `srbench train --output` wrote. The weights become @srbench of this checkout.
    """
    from srbench.training.publishing import publish as publish_training

    published = publish_training(folder, data_root=data_root, licence=licence, replace=replace)
    record, path = published.record, published.weights
    click.echo(f"{path}: {path.stat().st_size} bytes, sha256 {record['file']['sha256'][:12]}…")
    head = ("dataset", "images", "PSNR / SSIM", "bicubic", "change by half precision")
    rows = [
        (
            name,
            str(means["images"]),
            _means(means),
            _means(record["bicubic"][name]),
            f"{record['half_precision']['psnr_y_change'][name]:+z.5f} dB",
        )
        for name, means in record["scores"].items()
    ]
    click.echo(text_table(head, rows))
    for remark in published.remarks:
        click.echo(remark)


@command.command("card")
@click.argument("name", metavar="NAME")
@click.option("--scale", type=int, help="Which scale, where there are several.")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Default: print it.")
def card(name: str, scale: int | None, output: Path | None) -> None:
    """Write the model card of weights trained here, in the hub's format, from their record."""
    from srbench.zoo.trained_cards import model_card

    entries = _entries(name if "@" in name else f"{name}@{DEFAULT_TAG}", scale)
    if entries[0].tag != DEFAULT_TAG:
        raise WeightsError(
            f"{name}: expected weights that were trained here, whose record a card is made of, got those "
            f"tagged @{entries[0].tag}, which have none; `srbench zoo info {name}` tells what is known"
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


_HEAD = ("network", "title", "own attention", "scales", "parameters K", "MACs G", "weights")
_VERBOSE_HEAD = ("network", "title", "scale", "parameters K", "MACs G", "weights", "where")


def _row(network: Network) -> tuple[str, ...]:
    costs = [COSTS.get((network.name, scale)) for scale in network.scales]  # networks of plugins are not counted
    scales = " ".join(str(scale) for scale in network.scales)
    parameters = " / ".join(_thousands(cost.parameters) if cost else "-" for cost in costs)
    macs = " / ".join(_billions(cost.macs) if cost else "-" for cost in costs)
    return (network.name, network.title, network.attention, scales, parameters, macs, _tags_of(network))


def _tags_of(network: Network) -> str:
    """The tags of its weights; those that do not serve all of its scales with the ones that they do."""
    served: dict[str, set[int]] = {}
    for entry in entries_of(network.name):
        served.setdefault(f"@{entry.tag}", set()).update(entry.scales)
    return (
        " ".join(
            tag if scales >= set(network.scales) else f"{tag} ({times(sorted(scales))})"
            for tag, scales in served.items()
        )
        or "-"
    )


def _verbose_rows(variant: Variant) -> Iterable[tuple[str, ...]]:
    for scale, cost in _costs(variant).items():
        entries = [entry for entry in entries_of(variant.name) if scale in entry.scales and not has_own_size(entry)]
        where = " ".join(dict.fromkeys(_where(entry) for entry in entries)) or "-"
        yield (variant.name, variant.title, f"×{scale}", *_size(cost), _tags(entries), where)


def _own_size_rows(entry: WeightsEntry) -> Iterable[tuple[str, ...]]:
    for scale in entry.scales if has_own_size(entry) else ():
        title = find_variant(entry.network).title
        yield (entry.name, title, f"×{scale}", *_size(cost_of(entry, scale)), _tags([entry]), _where(entry))


def _listed(verbose: bool) -> list[Variant]:
    return list(VARIANTS) if verbose else [variant for variant in VARIANTS if variant.name in NETWORKS]


def _size(cost: Cost | None) -> tuple[str, str]:
    return ("-", "-") if cost is None else (_thousands(cost.parameters), _billions(cost.macs))


def _tags(entries: Iterable[WeightsEntry]) -> str:
    return " ".join(dict.fromkeys(f"@{entry.tag}" for entry in entries)) or "-"


def _where(entry: WeightsEntry) -> str:
    if kept_path(entry.file):
        return "here"
    if (cache_dir() / entry.file.name).is_file():
        return "cached"
    return "pinned" if entry.pinned else "unpinned"


def _thousands(count: int) -> str:
    return f"{count / 1e3:.1f}"


def _billions(count: int) -> str:
    return f"{count / 1e9:.1f}"


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
    """Specs of published weights whose network is not a row of the short list."""
    return list(dict.fromkeys(entry.spec.removeprefix("zoo:") for entry in CATALOGUE if entry.name not in NETWORKS))


def _published() -> list[str]:
    return list(dict.fromkeys(entry.name for entry in CATALOGUE))


def _variant_record(variant: Variant) -> dict[str, Any]:
    network = variant.network
    return {
        "name": variant.name,
        "title": variant.title,
        "attention": variant.attention,
        "attentions": [kind for kind in ATTENTIONS if network.hosts(kind)],
        "scales": list(network.scales),
        "value_range": network.value_range,
        "costs": _cost_record(_costs(variant)),
        "weights": [_entry_record(entry) for entry in entries_of(variant.name)],
        "source": network.source,
        "citation": network.citation,
    }


def _costs(variant: Variant) -> dict[int, Cost]:
    """Cost by scale; empty for a variant that is not listed, whose cost is not stored."""
    return {scale: COSTS[variant.name, scale] for scale in variant.network.scales if (variant.name, scale) in COSTS}


def _entry_record(entry: WeightsEntry) -> dict[str, Any]:
    record = asdict(entry) | {"options": dict(entry.options), "spec": entry.spec, "pinned": entry.pinned}
    costs = {scale: cost for scale in entry.scales if (cost := cost_of(entry, scale))}
    return record | {"where": _where(entry), "costs": _cost_record(costs)}


def _cost_record(costs: Mapping[int, Cost]) -> dict[str, dict[str, int]]:
    return {str(scale): asdict(cost) | {"flops": cost.flops} for scale, cost in costs.items()}


def _description(name: str, variant: Variant) -> list[tuple[str, str]]:
    network = variant.network
    rows = [
        ("network", f"{variant.name} ({variant.title})"),
        ("attention", f"{variant.attention}, {network.slot}"),
        ("hosts", " ".join(kind for kind in ATTENTIONS if network.hosts(kind))),
        ("value range", f"0…{network.value_range:g} inside, RGB in [0, 1] at input and output"),
        ("forms", _forms(variant)),
        ("source", network.source),
        ("citation", network.citation),
    ]
    # Weights of a name that is no variant are of another size, and say so themselves.
    for scale, cost in _costs(variant).items() if name == variant.name else ():
        rows.append((f"×{scale}", f"{_told(cost)} for 1280×720, at the paper's size"))
    return rows


def _forms(variant: Variant) -> str:
    """The forms with what each sets, the default one named; `one form` for a network that has no other."""
    network = variant.network
    if len(network.forms()) == 1:
        return "one form: authors, unit and paper are the same"
    told = []
    for form in network.forms():
        settings = ", ".join(f"{key} {value}" for key, value in network.form_options(form).items())
        told.append(f"{form} ({settings})" if settings else form)
    return f"{'; '.join(told)}; built in {variant.default_form}"


def _told(cost: Cost) -> str:
    return "{} K parameters, {} G MACs".format(*_size(cost))


def _weights_description(entry: WeightsEntry) -> list[tuple[str, str]]:
    options = ", ".join(f"{key}={value}" for key, value in entry.options)
    sizes = {scale: cost for scale in entry.scales if has_own_size(entry) and (cost := cost_of(entry, scale))}
    rows = [
        ("weights", f"{entry.spec} {times(entry.scales)}" + (f" ({options})" if options else "")),
        ("size", "; ".join(f"×{scale} {_told(cost)}" for scale, cost in sizes.items())),
        ("file", f"{entry.file.name}, {entry.file.size or '?'} bytes, {_where(entry)}"),
        ("sha256", entry.file.sha256 or (f"{entry.sha256_prefix}…" if entry.sha256_prefix else "unknown")),
        ("address", " ".join(entry.file.urls)),
        ("licence", entry.licence),
        ("source", entry.source),
        ("trained on", entry.training_data),
        ("recipe", _recipe(entry)),
        ("matlab-y", _scores(entry.scores)),
        ("published", _scores(entry.published)),
        ("note", entry.note),
    ]
    return [(label, text) for label, text in rows if text]


def _recipe(entry: WeightsEntry) -> str:
    made = entry.training
    if made is None:
        return ""
    return f"{made.recipe} (sha256 {made.recipe_sha256[:12]}…), {made.steps} steps, seed {made.seed}, on {made.device}"


def _scores(scores: Iterable[ExpectedScore]) -> str:
    return "; ".join(f"{score.dataset} ×{score.scale} {score.psnr_y:g}/{score.ssim_y:g}" for score in scores)


def _named_form(text: str | None) -> tuple[str | None, tuple[Setting, ...] | None]:
    """The network and hyper-parameters that `--network NAME[@TAG]` stands for; without a tag, the network's own."""
    if text is None:
        return None, None
    if "@" not in text:
        return find_variant(text).name, ()
    entry = _entries(text, None)[0]
    return entry.network, entry.options


def _form_settings(network: str | None, form: Form | None) -> tuple[Setting, ...]:
    """The options of a form. Raises click.UsageError without a network."""
    if form is None:
        return ()
    if network is None:
        raise click.UsageError(f"--form {form}: expected --network with it; name the network")
    return tuple(find_variant(network).network.form_options(form).items())


def _setting(network: str | None, text: str) -> Setting:
    key, equals, value = text.partition("=")
    if network is None or not equals:
        raise click.UsageError(f"--option {text}: expected KEY=VALUE beside --network")
    try:
        return key, json.loads(value.lower())
    except ValueError as error:
        raise click.UsageError(f"--option {text}: expected a number, true or false, got {value!r}") from error
