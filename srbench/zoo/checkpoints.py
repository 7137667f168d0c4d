"""Load networks with their weights: by name, tag and scale, or from a file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from srbench.errors import FetchError, WeightsError
from srbench.fetch import fetch
from srbench.files import sha256_of
from srbench.zoo.blocks import SRNetwork
from srbench.zoo.building import build, key_tables
from srbench.zoo.keys import KeyTable
from srbench.zoo.network_types import Option
from srbench.zoo.networks import Form, find_variant, listed_variants
from srbench.zoo.reading import RECORD_KEY, Checkpoint, Mismatch, compare, read_checkpoint
from srbench.zoo.reparam import merge
from srbench.zoo.trained import kept_path
from srbench.zoo.weights_catalogue import (
    CATALOGUE,
    DEFAULT_TAG,
    Setting,
    WeightsEntry,
    entries_of,
    entry_of,
    find_weights,
    names_file,
    times,
)
from srbench.zoo.wrapping import CheckpointView, State

FILE_TAG = "file"
"""The tag of weights that came from a file of the user's."""

# Larger than any option of a listed network, so that a record cannot request a network that fills the memory.
_LARGEST_OPTION, _LARGEST_SCALE = 4096, 16


@dataclass(frozen=True)
class LoadedNetwork:
    """A network in evaluation mode on the CPU, float32, and the origin of its weights.

    `network` is the name that was asked for, `tag` the weights tag or `file`, `weights_sha256` the file's hash.
    """

    module: SRNetwork
    network: str
    tag: str
    scale: int
    weights_sha256: str
    weights_file: Path
    entry: WeightsEntry | None


@dataclass(frozen=True)
class Architecture:
    """An architecture that a checkpoint may belong to: network, scale, and options that differ from the authors'
    form."""

    network: str
    scale: int
    options: tuple[Setting, ...] = ()

    def __str__(self) -> str:
        options = ", ".join(f"{key}={value}" for key, value in self.options)
        return f"{self.network} ×{self.scale}" + (f" ({options})" if options else "")

    @property
    def settings(self) -> dict[str, object]:
        """All hyper-parameters and the value range."""
        network = find_variant(self.network).network
        return {**network.options, "value_range": network.value_range, **dict(self.options)}

    def in_form(self, form: Form) -> Architecture:
        """Return the same network of the same size in a form."""
        network = find_variant(self.network).network
        size = {key: value for key, value in self.options if key not in network.form_keys}
        return Architecture(self.network, self.scale, tuple({**size, **network.form_options(form)}.items()))

    def build(self, device: torch.device | str = "cpu") -> SRNetwork:
        """Return the untrained network; on `meta` it has only shapes."""
        return build(self.network, scale=self.scale, device=device, form="authors", **dict(self.options))


def load(
    name: str,
    *,
    tag: str | None = None,
    scale: int,
    file: Path | None = None,
    form: Form | None = None,
    allow_unpinned: bool = False,
) -> LoadedNetwork:
    """Return the network `name` with the weights `tag` (default `srbench`) for `scale`, or with the weights in `file`.

    A tag that names a file (see `names_file`) is taken as `file`. Weights of a training form are merged. `form` is the
    form of a file whose record does not name it. Weights are fetched where they are missing and their hash is enforced;
    an unpinned file needs `allow_unpinned`. Raises UnknownNameError for a name or tag that does not exist, WeightsError
    where weights are missing or do not fit.
    """
    if not entries_of(name):
        find_variant(name)
    if file is None and tag is not None and names_file(tag):
        file = Path(tag)
    if file is not None:
        return _load_file(name, scale, file, form)
    entry = find_weights(name, tag=tag, scale=scale)
    fit = Architecture(entry.network, scale, entry.options)
    _require_form(entry.spec, fit, form)
    path = fetch_weights(entry, allow_unpinned=allow_unpinned)
    module = merge(fill(fit, read_checkpoint(path)))
    return LoadedNetwork(module, name, entry.tag, scale, sha256_of(path), path, entry)


def fetch_weights(entry: WeightsEntry, *, allow_unpinned: bool = False) -> Path:
    """Return the path of an entry's file: in the package or the checkout, or else downloaded.

    An unpinned file is fetched only when `allow_unpinned`; its hash is stored next to it and enforced from then on.
    Raises FetchError where no source has the right bytes, WeightsError if the known part of the hash differs.
    """
    if own := kept_path(entry.file):
        if sha256_of(own) != entry.file.sha256:
            raise WeightsError(f"expected sha256 {entry.file.sha256} for {own}, got other bytes; install srbench again")
        return own
    try:
        path = fetch(entry.file, allow_unpinned=allow_unpinned)
    except FetchError as error:
        if entry.tag == DEFAULT_TAG:
            raise FetchError(
                f"expected {entry.file.name}, which is too large for the installed package, got none; set "
                "$SRBENCH_MIRROR to the folder weights/ of a clone of the srbench repository, or copy the file from "
                f"there into the folder that $SRBENCH_MIRROR names (sha256 {entry.file.sha256})"
            ) from error
        if entry.pinned or allow_unpinned:
            raise
        command = f"srbench zoo fetch {entry.name}@{entry.tag} --unpinned"
        raise FetchError(f"{error}; {command} does so, keeps the hash it finds and enforces it from then on") from error
    found = sha256_of(path)
    if not found.startswith(entry.sha256_prefix):
        raise WeightsError(
            f"expected a sha256 that starts with {entry.sha256_prefix}, got {found} for {path}; delete it and retry"
        )
    return path


def halved(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors with those of floats in float16. Raises WeightsError if a value does not fit."""
    halves = {key: value.half() if value.is_floating_point() else value for key, value in state.items()}
    if large := [key for key, value in halves.items() if not bool(torch.isfinite(value).all())]:
        raise WeightsError(
            f"expected weights within ±65504, the range of float16, got larger ones in "
            f"{', '.join(large)}; the training diverged"
        )
    return {key: value.contiguous() for key, value in halves.items()}


def fill(fit: Architecture, checkpoint: Checkpoint) -> SRNetwork:
    """Return the network with the tensors of the checkpoint, loaded strictly with the key family that fits.

    In evaluation mode, without gradients, on the CPU. Where none fits, raises WeightsError with the mismatch report of
    the closest family and with what the checkpoint would fit.
    """
    reading = closest(checkpoint, fit)
    if reading.mismatch:
        raise WeightsError(_misfit(checkpoint, fit, reading.mismatch))
    module = fit.build()
    # Values that these checkpoints do not store, because the authors' code has them, come from the built module: such
    # as the mean of DIV2K.
    module.load_state_dict({**module.state_dict(), **reading.state}, strict=True)
    return module.eval().requires_grad_(False)


@dataclass(frozen=True)
class Reading:
    """A checkpoint read as one network: renamed tensors, removed prefixes of their keys, and mismatches.

    `needs` are the settings that the key family belongs to.
    """

    state: State
    wrapping: tuple[str, ...]
    mismatch: Mismatch
    needs: Mapping[str, float | bool]


def closest(checkpoint: Checkpoint, fit: Architecture) -> Reading:
    """Return the reading of the checkpoint that fits an architecture best, of all its wrappers, prefixes and key
    families.
    """
    expected = expected_shapes(fit)
    own = KeyTable(())
    readings = (_read_as(view, table, expected) for view in checkpoint.views for table in (*_tables(fit), own))
    best: Reading | None = None
    for reading in readings:
        if best is None or len(reading.mismatch) < len(best.mismatch):
            best = reading
        if not best.mismatch:
            break
    if best is None:
        raise WeightsError(f"expected tensors in {checkpoint.path}, got none; save model.state_dict() instead")
    return best


def families(network: str) -> tuple[KeyTable, ...]:
    """Return the rename tables of a network: those of its authors, then those of super-image.

    super-image keeps the authors' names, but its CARN holds the mean shift as a convolution of its own.
    """
    authors = key_tables(network)
    bare = [tuple((theirs.replace("_mean.shifter", "_mean"), ours) for theirs, ours in table.rows) for table in authors]
    return (*authors, *(KeyTable(rows) for rows, table in zip(bare, authors, strict=True) if rows != table.rows))


def expected_shapes(fit: Architecture) -> dict[str, Tensor]:
    """Return the tensors that a network expects, by key, as shapes without values."""
    return fit.build("meta").state_dict()


def detect(checkpoint: Checkpoint) -> tuple[Architecture, ...]:
    """Return every network, scale and set of hyper-parameters whose keys and shapes are those of a checkpoint."""
    if fits := recorded(checkpoint):
        return fits
    known = [fit for fit in known_architectures() if any(_knows(fit, view.state) for view in checkpoint.views)]
    return tuple(fit for fit in known if not closest(checkpoint, fit).mismatch)


def recorded(checkpoint: Checkpoint) -> tuple[Architecture, ...]:
    """Return the architectures in the record of a safetensors file that srbench wrote; empty for other files."""
    text = checkpoint.metadata.get(RECORD_KEY)
    if text is None:
        return ()
    try:
        record = json.loads(text, parse_constant=_no_constant)
        options = tuple((str(key), _plain_option(value)) for key, value in record["options"].items())
        scales = tuple(dict.fromkeys(int(scale) for scale in record["scales"]))
        if not all(1 <= scale <= _LARGEST_SCALE for scale in scales):
            raise ValueError(f"expected scales of 1 to {_LARGEST_SCALE}")
        network = str(record["network"])
        if not network.isascii() or not network.isprintable():
            raise ValueError("expected a network's name")
        return tuple(Architecture(network, scale, options) for scale in scales)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise WeightsError(f"{checkpoint.path} has a record that cannot be read ({error}); convert it again") from error


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def _plain_option(value: object) -> Option:
    """Return an option of a network; raise ValueError for an impossible one, such as a width of a million."""
    if isinstance(value, int | float) and abs(value) <= _LARGEST_OPTION:
        return value
    raise ValueError(f"expected true, false or a number of at most {_LARGEST_OPTION} as option")


def candidate_architectures(name: str) -> tuple[tuple[str, tuple[Setting, ...]], ...]:
    """Return the networks and hyper-parameters of a name: those of the paper, then those of published weights."""
    published = [(entry.network, entry.options) for entry in entries_of(name)]
    listed = any(variant.name == name for variant in listed_variants())
    if listed:
        published += [(name, size) for size in find_variant(name).network.sizes]
    plain = [(name, ())] if listed or all(network == name for network, _ in published) else []
    return tuple(dict.fromkeys((*plain, *published)))


def known_architectures() -> Iterator[Architecture]:
    """Return every listed variant and every published size, at each of its scales."""
    names = dict.fromkeys((*(variant.name for variant in listed_variants()), *(entry.name for entry in CATALOGUE)))
    for network, options in dict.fromkeys(form for name in names for form in candidate_architectures(name)):
        for scale in find_variant(network).network.scales:
            yield Architecture(network, scale, options)


def with_record(state: Mapping[str, Tensor], record: Mapping[str, object]) -> bytes:
    """Return a safetensors file of tensors and a record, for `recorded` and `load`; equal content gives equal bytes."""
    # Only one key, because safetensors writes several keys in a random order, which changes the file.
    return save(dict(state), metadata={RECORD_KEY: json.dumps(record, sort_keys=True)})


def _load_file(name: str, scale: int, file: Path, form: Form | None) -> LoadedNetwork:
    checkpoint, sha256 = read_checkpoint(file), sha256_of(file)
    entry = entry_of(sha256)
    if entry and (name != entry.name or scale not in entry.scales):
        raise WeightsError(f"{file} holds {entry.spec} for {times(entry.scales)}, asked for {name} ×{scale}")
    candidates = [Architecture(network, scale, options) for network, options in candidate_architectures(name)]
    fits = (Architecture(entry.network, scale, entry.options),) if entry else recorded(checkpoint)
    if fits:
        networks = {fit.network for fit in candidates}
        candidates = [fit for fit in fits if fit.network in networks and fit.scale == scale]
        if not candidates:
            raise WeightsError(f"{file} holds {_alternatives(fits)}, asked for {name} ×{scale}")
    elif form is not None:
        candidates = [fit.in_form(form) for fit in candidates]
    best = min(candidates, key=lambda fit: len(closest(checkpoint, fit).mismatch))
    module = merge(fill(best, checkpoint))
    if not fits and form is None:
        _require_one_form(file, best, closest(checkpoint, best).needs)
    _require_form(str(file), best, form)
    return LoadedNetwork(module, name, FILE_TAG, scale, sha256, file, entry)


def _require_one_form(file: Path, fit: Architecture, needs: Mapping[str, float | bool]) -> None:
    """Raise WeightsError if the network has several forms and the keys of the file do not determine which one it is.

    The same tensors give different images in another form.
    """
    network = find_variant(fit.network).network
    choices = network.forms()
    if len(choices) > 1 and not network.form_keys & needs.keys():
        raise WeightsError(
            f"{file}: expected a file that names the form of {fit.network}, got one without a record; give --form "
            f"{' or '.join(choices)}, or write a file with a record: "
            f"srbench zoo convert {file} --network {fit.network} --scale {fit.scale} --form {choices[0]}"
        )


def _require_form(what: str, fit: Architecture, form: Form | None) -> None:
    if form is None:
        return
    network = find_variant(fit.network).network
    found = network.form_of(dict(fit.options))
    if network.form_options(form) != (network.form_options(found) if found else None):
        raise WeightsError(f"{what}: expected weights in the form {form}, got {found or 'others'}; leave out --form")


def _tables(fit: Architecture) -> tuple[KeyTable, ...]:
    """Return the key families of a network whose code computes the same as this architecture."""
    settings = fit.settings
    return tuple(
        table
        for table in families(fit.network)
        if all(settings.get(option) == value for option, value in table.needs.items())
    )


def _read_as(view: CheckpointView, table: KeyTable, expected: Mapping[str, Tensor]) -> Reading:
    state = _rename(view.state, table.for_keys(view.state))
    needed = {key: tensor for key, tensor in expected.items() if key in state or not table.is_in_code(key)}
    return Reading(state, view.wrapping, compare(state, needed), table.needs)


def _rename(state: State, table: KeyTable) -> State:
    result: State = {}
    for key, tensor in state.items():
        if table.leaves_out(key):
            continue
        ours = table.ours(key)
        # A key that is in no row, or whose new name is taken, keeps its name and is reported as unexpected.
        result[key if ours is None or ours in result else ours] = tensor
    return result


def _knows(fit: Architecture, state: State) -> bool:
    """Return whether a key family has a name for each key; this is much faster than building the network."""
    tables = [table.for_keys(state) for table in _tables(fit)]
    return any(
        all(table.ours(key) is not None or table.leaves_out(key) for key in state)
        or all(table.theirs(key) is not None for key in state)
        for table in tables
    )


def _misfit(checkpoint: Checkpoint, fit: Architecture, report: Mismatch) -> str:
    fits = [other for other in detect(checkpoint) if other != fit]
    hint = f"it fits {_alternatives(tuple(fits))}" if fits else "it fits no network that srbench knows"
    return f"{checkpoint.path} does not fit {fit}: {report}; {hint}"


def _alternatives(fits: tuple[Architecture, ...]) -> str:
    return " or ".join(str(fit) for fit in fits)
