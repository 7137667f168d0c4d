"""An entry held against the catalogues: its protocols, datasets, pixels, network and weights. No torch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from srbench.datasets.catalogue import CATALOGUE
from srbench.datasets.imageset import SAMPLE_NAMES
from srbench.datasets.variants import identify_variant
from srbench.errors import SrbenchError
from srbench.images import fingerprint
from srbench.protocols import get_protocol
from srbench.submissions.packing import public_spec
from srbench.zoo.catalogue import DEFAULT_TAG, TAGS, WeightsEntry, entries_of
from srbench.zoo.costs import OUTPUT_SIZE
from srbench.zoo.networks import find_variant
from srbench.zoo.sizes import cost_of

LR_SIZE = (240, 360)
"""Height and width of the LR that MACs are given for, as in the paper's Table 2."""

Pixels = Mapping[str, Mapping[str, str]]
"""By dataset, the hash of each HR image by its name."""

BASELINES = {"bicubic": "Bicubic (MATLAB)", "bicubic:pillow": "Bicubic (Pillow)"}
"""The titles of the model specs in which nothing is learnt."""

_MACS_TOLERANCE = 1e-3


def pixels_of(rows: Iterable[tuple[str, str, str]]) -> dict[str, dict[str, str]]:
    """`Pixels` out of (dataset, image, hr_sha256) of the rows of an entry."""
    found: dict[str, dict[str, str]] = {}
    for dataset, image, sha256 in rows:
        found.setdefault(dataset, {})[image] = sha256
    return found


def catalogue_errors(document: Mapping[str, Any], pixels: Pixels) -> Iterator[str]:
    """What an entry says otherwise than the catalogues: each an error that keeps the entry out.

    Costs are held against those on record, MACs to a thousandth, since their LR is another there.
    """
    for run in document["runs"]:
        yield from _protocol_errors(run)
        for name, facts in run["datasets"].items():
            yield from _dataset_errors(name, facts, pixels[name])
    yield from _model_errors(document)


def named_facts(spec: str) -> dict[str, Any]:
    """The fields of a submission's `model` that follow from the spec alone: name, network, attention and tag.

    Raises:
        UnknownNameError: a zoo spec of no network.
    """
    kind, _, rest = spec.partition(":")
    name, _, tag = rest.partition("@")
    if spec in BASELINES:
        return {"name": BASELINES[spec]}
    if kind != "zoo":
        return {"name": public_spec(spec).partition(":")[2] or spec}
    entry = next(iter(served_weights(spec).values()), None)
    variant = find_variant(entry.network if entry else name)
    tag = tag or DEFAULT_TAG
    return {
        "name": variant.title,
        "network": variant.network.name,
        "attention": variant.attention,
        "tag": tag if tag in TAGS else None,
    }


def served_weights(spec: str) -> dict[int, WeightsEntry]:
    """By scale, the catalogue's weights behind a zoo spec; none for other specs and for files."""
    name, _, tag = spec.removeprefix("zoo:").partition("@")
    return {scale: entry for entry in entries_of(name) if entry.tag == (tag or DEFAULT_TAG) for scale in entry.scales}


def _protocol_errors(run: Mapping[str, Any]) -> Iterator[str]:
    for name, how in run["protocols"].items():
        try:
            protocol = get_protocol(name)
        except SrbenchError as error:
            yield str(error)
            continue
        if how["version"] != protocol.version:
            yield f"{name}: expected version {protocol.version}, got {how['version']}; evaluate again"
        if run["scale"] not in protocol.preparation.scales:
            yield f"{name}: not defined at ×{run['scale']}"


def _dataset_errors(name: str, stated: Mapping[str, Any], hashes: Mapping[str, str]) -> Iterator[str]:
    counts = {"Sample": {len(SAMPLE_NAMES)}} | {
        entry.name: {split.count for split in entry.splits} for entry in CATALOGUE.values()
    }
    if name not in counts:
        yield f"{name}: expected a dataset that srbench knows ({', '.join(counts)})"
        return
    if None not in counts[name] and len(hashes) not in counts[name]:
        yield f"{name}: expected {' or '.join(map(str, counts[name]))} images, got {len(hashes)}"
    if fingerprint(hashes.values()) != stated["fingerprint"]:
        yield f"{name}: the fingerprint is not that of the images' hashes"
    if (variant := identify_variant(name, hashes)) != stated["variant"]:
        yield f"{name}: stated as {stated['variant']}, but its pixels are {variant}"


def _model_errors(document: Mapping[str, Any]) -> Iterator[str]:
    model = document["model"]
    spec: str = model["spec"]
    try:
        facts = named_facts(spec)
    except SrbenchError as error:
        yield f"model.spec: {error}"
        return
    if not spec.startswith("zoo:"):
        return
    for name, value in facts.items():
        if name != "name" and value is not None and model[name] != value:
            yield f"model.{name}: stated as {model[name]}, but {spec} has {value}"
    yield from _cost_errors(model)
    served = served_weights(spec)
    for run in document["runs"]:
        pinned = served[run["scale"]].file.sha256 if run["scale"] in served else None
        if pinned and run["weights_sha256"] != pinned:
            yield f"×{run['scale']}: the weights' hash is not that of {spec} in the catalogue"


def _cost_errors(model: Mapping[str, Any]) -> Iterator[str]:
    spec = model["spec"]
    for scale, weights in served_weights(spec).items():
        cost = cost_of(weights, scale)
        if cost is None:
            continue
        parameters, macs = ((model[name] or {}).get(str(scale)) for name in ("parameters", "macs"))
        if parameters is not None and parameters != cost.parameters:
            yield f"model.parameters: stated as {parameters} at ×{scale}, but {spec} has {cost.parameters}"
        about = cost.macs * math.prod(LR_SIZE) * scale**2 / math.prod(OUTPUT_SIZE)
        if macs is not None and abs(macs / about - 1) > _MACS_TOLERANCE:
            yield f"model.macs: stated as {macs} at ×{scale}, but {spec} has about {about:.0f}"
