"""Convert published checkpoints to safetensors with srbench's keys and a record in the metadata."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Required, TypedDict

from srbench.errors import WeightsError
from srbench.files import sha256_of, write_atomic
from srbench.zoo.checkpoints import Architecture, closest, detect, fill, with_record
from srbench.zoo.networks import TRAINING_FORM, find_variant
from srbench.zoo.reading import Checkpoint, read_checkpoint
from srbench.zoo.reparam import merge
from srbench.zoo.weights_catalogue import Setting, WeightsEntry, entry_of, times


class ConvertedFacts(TypedDict, total=False):
    """The record of a converted checkpoint. The last six fields are present only if they are known."""

    network: Required[str]
    scales: Required[list[int]]
    options: Required[dict[str, int | float | bool]]
    source_file: Required[str]
    source_sha256: Required[str]
    wrapping: Required[list[str]]
    tensors: Required[int]
    merged_from: str
    tag: str
    licence: str
    source: str
    training_data: str
    urls: list[str]


@dataclass(frozen=True)
class Conversion:
    """A converted checkpoint: the file that was written, and the record that it carries."""

    path: Path
    record: ConvertedFacts


def convert(
    source: Path,
    target: Path | None = None,
    *,
    network: str | None = None,
    scale: int | None = None,
    options: tuple[Setting, ...] | None = None,
) -> Conversion:
    """Write `source` to `target` (default: next to it, as `.safetensors`) with srbench's keys, after a strict check.

    Branches of a training form are merged into the convolutions of the deployed form.
    Network, scale and hyper-parameters are detected from keys and shapes, or from the hash of a file that the catalogue
    knows; `network`, `scale` and `options` choose where several fit. Raises WeightsError where none does, or several.
    """
    # `.pth.tar` is one ending with two dots.
    target = Path(str(source).removesuffix(".tar")).with_suffix(".safetensors") if target is None else target
    if target.resolve() == source.resolve():
        raise WeightsError(f"{source} would be overwritten by its own conversion; name another file with --output")
    checkpoint = read_checkpoint(source)
    sha256 = sha256_of(source)
    fits = _chosen(checkpoint, entry_of(sha256), network, scale, options)
    module = merge(fill(fits[0], checkpoint))
    record = _record(checkpoint, sha256, fits)
    tensors = {key: tensor.contiguous() for key, tensor in module.state_dict().items()}
    write_atomic(target, with_record(tensors, record), error=WeightsError)
    return Conversion(target, record)


def _chosen(
    checkpoint: Checkpoint,
    entry: WeightsEntry | None,
    network: str | None,
    scale: int | None,
    options: tuple[Setting, ...] | None,
) -> tuple[Architecture, ...]:
    """Return the architecture that fits, or one per scale if the file serves several scales."""
    if network is not None and scale is not None:
        # Network and scale are given: use only these, so that a mismatch is reported key by key.
        fits: tuple[Architecture, ...] = (Architecture(network, scale, options or ()),)
        fill(fits[0], checkpoint)
        return fits
    known = (
        tuple(Architecture(entry.network, served, entry.options) for served in entry.scales)
        if entry
        else detect(checkpoint)
    )
    fits = tuple(
        fit
        for fit in known
        if network in (None, fit.network) and scale in (None, fit.scale) and options in (None, fit.options)
    )
    if not fits:
        found = " or ".join(map(str, known)) or "no network that srbench knows"
        asked = f", asked for {network or 'any network'} {times([scale]) if scale else 'at any scale'}"
        if options is not None:
            asked += f" with {', '.join(f'{key}={value}' for key, value in options) or 'no option'}"
        raise WeightsError(f"{checkpoint.path} fits {found}{asked}; name both to see key by key what differs")
    if entry is None and not _one_file(fits):
        raise WeightsError(
            f"{checkpoint.path} fits several: {', '.join(map(str, fits))}; their keys and shapes are the same, "
            "so say which it is with --network, --scale and, where hyper-parameters differ, --option"
        )
    return fits


def _one_file(fits: tuple[Architecture, ...]) -> bool:
    """Return whether there is one architecture, or one per scale of a network whose file has the heads of all
    scales."""
    if len({(fit.network, fit.options) for fit in fits}) > 1:
        return False
    return len(fits) == 1 or len(fits) == len(find_variant(fits[0].network).network.scales)


def _record(checkpoint: Checkpoint, sha256: str, fits: tuple[Architecture, ...]) -> ConvertedFacts:
    reading = closest(checkpoint, fits[0])
    record: ConvertedFacts = {
        "network": fits[0].network,
        "scales": [fit.scale for fit in fits],
        "options": {key: value for key, value in fits[0].options if (key, value) != TRAINING_FORM},
        "source_file": checkpoint.path.name,
        "source_sha256": sha256,
        "wrapping": list(reading.wrapping),
        "tensors": len(reading.state),
    }
    if TRAINING_FORM in fits[0].options:
        record["merged_from"] = "training form"
    if entry := entry_of(sha256):
        record |= {"tag": entry.tag, "licence": entry.licence, "source": entry.source}
        record |= {"training_data": entry.training_data, "urls": list(entry.file.urls)}
    return record


def describe(conversion: Conversion) -> str:
    """Return in one line what was found and written."""
    record = conversion.record
    options = "".join(f", {key}={value}" for key, value in record["options"].items())
    found = f"{record['network']} {times(record['scales'])}{options}: {record['tensors']} tensors"
    wrapping = f", taken out of {' '.join(record['wrapping'])}" if record["wrapping"] else ""
    merged = f", merged from its {record['merged_from']}" if "merged_from" in record else ""
    return f"{record['source_file']} is {found}{wrapping}{merged}; written to {conversion.path}"
