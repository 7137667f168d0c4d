"""Check an entry against the catalogues: protocols, datasets, pixels, network and weights. No torch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping

from srbench.datasets.catalogue import CATALOGUE
from srbench.datasets.imageset import SAMPLE_NAMES
from srbench.datasets.pixel_variants import identify_variant
from srbench.errors import SrbenchError
from srbench.images import fingerprint
from srbench.protocols import get_protocol
from srbench.records.shared import DatasetFacts
from srbench.records.submission import SubmissionRecord, SubmittedModel, SubmittedRun
from srbench.submissions.confusables import badge_in
from srbench.submissions.create import public_spec
from srbench.zoo.costs import OUTPUT_SIZE
from srbench.zoo.networks import find_variant
from srbench.zoo.sizes import cost_of
from srbench.zoo.weights_catalogue import DEFAULT_TAG, TAGS, WeightsEntry, entries_of

LR_SIZE = (240, 360)
"""Height and width of the LR that MACs are given for, as in the paper's Table 2."""

Pixels = Mapping[str, Mapping[str, str]]
"""The hash of each HR image, by dataset and image name."""

BASELINES = {"bicubic": "Bicubic (MATLAB)", "bicubic:pillow": "Bicubic (Pillow)"}
"""The titles of models without trained weights, by spec."""

_MACS_TOLERANCE = 1e-3


def pixels_of(rows: Iterable[tuple[str, str, str]]) -> dict[str, dict[str, str]]:
    """Return the pixel hashes from the (dataset, image, hr_sha256) of an entry's rows."""
    found: dict[str, dict[str, str]] = {}
    for dataset, image, sha256 in rows:
        found.setdefault(dataset, {})[image] = sha256
    return found


def catalogue_errors(record: SubmissionRecord, pixels: Pixels) -> Iterator[str]:
    """Yield each contradiction between an entry and the catalogues. An entry with a contradiction is refused.

    Costs are compared with the catalogue. MACs may differ by a thousandth, since the LR has another size there.
    """
    for option, text in (("title", record.title), *(("author", name) for name in record.authors)):
        if badge := badge_in(text):
            yield (
                f"{option}: expected a name without the words and signs of badges, got {badge!a}; "
                f"choose another --{option}"
            )
    for run in record.runs:
        yield from _protocol_errors(run)
        for name, facts in run.datasets.items():
            yield from _dataset_errors(name, facts, pixels[name])
    yield from _model_errors(record)


def named_facts(spec: str) -> dict[str, str | None]:
    """Return the fields of a submission's `model` that the spec alone determines: name, network, attention and tag.

    Raises:
        UnknownNameError: a zoo spec without a known network.
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
    """Return the catalogue's weights of a zoo spec by scale; empty for other specs and for weights in a file."""
    name, _, tag = spec.removeprefix("zoo:").partition("@")
    return {scale: entry for entry in entries_of(name) if entry.tag == (tag or DEFAULT_TAG) for scale in entry.scales}


def _protocol_errors(run: SubmittedRun) -> Iterator[str]:
    for name, facts in run.protocols.items():
        try:
            protocol = get_protocol(name)
        except SrbenchError as error:
            yield str(error)
            continue
        if facts.version != protocol.version:
            yield f"{name}: expected version {protocol.version}, got {facts.version}; evaluate again"
        if run.scale not in protocol.preparation.scales:
            yield f"{name}: not defined at ×{run.scale}"


def _dataset_errors(name: str, stated: DatasetFacts, hashes: Mapping[str, str]) -> Iterator[str]:
    counts = {"Sample": {len(SAMPLE_NAMES)}} | {
        entry.name: {split.count for split in entry.splits} for entry in CATALOGUE.values()
    }
    if name not in counts:
        yield f"{name}: expected a dataset that srbench knows ({', '.join(counts)})"
        return
    if None not in counts[name] and len(hashes) not in counts[name]:
        yield f"{name}: expected {' or '.join(map(str, counts[name]))} images, got {len(hashes)}"
    if fingerprint(hashes.values()) != stated.fingerprint:
        yield f"{name}: the fingerprint does not belong to the hashes of the images"
    if (variant := identify_variant(name, hashes)) != stated.variant:
        yield f"{name}: stated as {stated.variant}, but its pixels are {variant}"


def _model_errors(record: SubmissionRecord) -> Iterator[str]:
    spec = record.model.spec
    try:
        facts = named_facts(spec)
    except SrbenchError as error:
        yield f"model.spec: {error}"
        return
    if not spec.startswith("zoo:"):
        return
    for name, value in facts.items():
        stated = getattr(record.model, name)
        if name != "name" and value is not None and stated != value:
            yield f"model.{name}: stated as {stated}, but {spec} has {value}"
    yield from _cost_errors(record.model)
    served = served_weights(spec)
    for run in record.runs:
        pinned = served[run.scale].file.sha256 if run.scale in served else None
        if pinned and run.weights_sha256 != pinned:
            yield f"×{run.scale}: the weights' hash differs from that of {spec} in the catalogue"


def _cost_errors(model: SubmittedModel) -> Iterator[str]:
    for scale, weights in served_weights(model.spec).items():
        cost = cost_of(weights, scale)
        if cost is None:
            continue
        parameters, macs = ((counts or {}).get(str(scale)) for counts in (model.parameters, model.macs))
        if parameters is not None and parameters != cost.parameters:
            yield f"model.parameters: stated as {parameters} at ×{scale}, but {model.spec} has {cost.parameters}"
        about = cost.macs * math.prod(LR_SIZE) * scale**2 / math.prod(OUTPUT_SIZE)
        if macs is not None and abs(macs / about - 1) > _MACS_TOLERANCE:
            yield f"model.macs: stated as {macs} at ×{scale}, but {model.spec} has about {about:.0f}"
