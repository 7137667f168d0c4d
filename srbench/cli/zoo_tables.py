"""What `srbench zoo list` and `srbench zoo info` show about networks and weights: table rows, lines and JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict

from srbench.files import cache_dir
from srbench.zoo.costs import Cost
from srbench.zoo.networks import ATTENTIONS, Network, Variant, find_variant
from srbench.zoo.sizes import cost_of, cost_of_network, has_own_size
from srbench.zoo.trained import kept_path
from srbench.zoo.weights_catalogue import ExpectedScore, WeightsEntry, entries_of, times

NETWORK_HEAD = ("network", "title", "own attention", "scales", "parameters K", "MACs G", "weights")
VARIANT_HEAD = ("network", "title", "scale", "parameters K", "MACs G", "weights", "where")


def network_row(network: Network) -> tuple[str, ...]:
    """Return the row of a network, under `NETWORK_HEAD`."""
    costs = [cost_of_network(network.name, scale) for scale in network.scales]
    scales = " ".join(str(scale) for scale in network.scales)
    parameters = " / ".join(_thousands(cost.parameters) if cost else "-" for cost in costs)
    macs = " / ".join(_billions(cost.macs) if cost else "-" for cost in costs)
    return (network.name, network.title, network.attention, scales, parameters, macs, _tags_of(network))


def _tags_of(network: Network) -> str:
    """Return the tags of a network's weights.

    A tag that lacks some scales of the network is followed by the scales it has.
    """
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


def variant_rows(variant: Variant) -> Iterable[tuple[str, ...]]:
    """Yield one row for each scale of a variant, under `VARIANT_HEAD`."""
    for scale, cost in _costs(variant).items():
        entries = [entry for entry in entries_of(variant.name) if scale in entry.scales and not has_own_size(entry)]
        where = " ".join(dict.fromkeys(_where(entry) for entry in entries)) or "-"
        yield (variant.name, variant.title, f"×{scale}", *_size(cost), _tags(entries), where)


def own_size_rows(entry: WeightsEntry) -> Iterable[tuple[str, ...]]:
    """Yield one row for each scale of weights whose network has another size than the paper's, under `VARIANT_HEAD`."""
    for scale in entry.scales if has_own_size(entry) else ():
        title = find_variant(entry.network).title
        yield (entry.name, title, f"×{scale}", *_size(cost_of(entry, scale)), _tags([entry]), _where(entry))


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


def variant_record(variant: Variant) -> dict[str, object]:
    """Return a variant with its weights, ready for JSON."""
    network = variant.network
    return {
        "name": variant.name,
        "title": variant.title,
        "attention": variant.attention,
        "attentions": [kind for kind in ATTENTIONS if network.hosts(kind)],
        "scales": list(network.scales),
        "value_range": network.value_range,
        "costs": _cost_record(_costs(variant)),
        "weights": [weights_record(entry) for entry in entries_of(variant.name)],
        "source": network.source,
        "citation": network.citation,
    }


def _costs(variant: Variant) -> dict[int, Cost]:
    """Return the cost by scale, without the scales whose cost is not known."""
    costs = {scale: cost_of_network(variant.name, scale) for scale in variant.network.scales}
    return {scale: cost for scale, cost in costs.items() if cost}


def weights_record(entry: WeightsEntry) -> dict[str, object]:
    """Return an entry of the catalogue of weights, ready for JSON."""
    record = asdict(entry) | {"options": dict(entry.options), "spec": entry.spec, "pinned": entry.pinned}
    costs = {scale: cost for scale in entry.scales if (cost := cost_of(entry, scale))}
    return record | {"where": _where(entry), "costs": _cost_record(costs)}


def _cost_record(costs: Mapping[int, Cost]) -> dict[str, dict[str, int]]:
    return {str(scale): asdict(cost) | {"flops": cost.flops} for scale, cost in costs.items()}


def network_description(name: str, variant: Variant) -> list[tuple[str, str]]:
    """Return labels and texts that describe the network of a variant, which the user called `name`."""
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
    # A name that is not a variant belongs to weights of another size; their own description shows their cost.
    for scale, cost in _costs(variant).items() if name == variant.name else ():
        rows.append((f"×{scale}", f"{_in_words(cost)} for 1280×720, at the paper's size"))
    return rows


def _forms(variant: Variant) -> str:
    """Return the forms of a network in words: what each of them sets, and which one is the default."""
    network = variant.network
    if len(network.forms()) == 1:
        return "one form: authors, unit and paper are the same"
    lines = []
    for form in network.forms():
        settings = ", ".join(f"{key} {value}" for key, value in network.form_options(form).items())
        lines.append(f"{form} ({settings})" if settings else form)
    return f"{'; '.join(lines)}; built in {variant.default_form}"


def _in_words(cost: Cost) -> str:
    return "{} K parameters, {} G MACs".format(*_size(cost))


def weights_description(entry: WeightsEntry) -> list[tuple[str, str]]:
    """Return labels and texts that describe an entry of the catalogue of weights."""
    options = ", ".join(f"{key}={value}" for key, value in entry.options)
    sizes = {scale: cost for scale in entry.scales if has_own_size(entry) and (cost := cost_of(entry, scale))}
    rows = [
        ("weights", f"{entry.spec} {times(entry.scales)}" + (f" ({options})" if options else "")),
        ("size", "; ".join(f"×{scale} {_in_words(cost)}" for scale, cost in sizes.items())),
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
