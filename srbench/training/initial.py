"""Weights that a training starts from by transfer: of any network, scale or attention, as far as they fit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from torch import Tensor

from srbench.errors import TrainingError, WeightsError, listed
from srbench.files import sha256_of
from srbench.records.training_documents import InitDocument
from srbench.training.folder import CHECKPOINT
from srbench.training.records import RECORD, WEIGHTS, as_one, read_training
from srbench.upscalers.own_weights import PREFIX
from srbench.zoo.checkpoints import Architecture, closest, detect, fetch_weights, load
from srbench.zoo.networks import TRAINED_FORM, Form, find_variant
from srbench.zoo.reading import RECORD_KEY, Checkpoint, read_checkpoint
from srbench.zoo.weights_catalogue import WeightsEntry, entries_of, entry_of, find_weights, names_file, times
from srbench.zoo.wrapping import preferred

State = Mapping[str, Tensor]
_SHOWN = 8


@dataclass(frozen=True)
class TransferSource:
    """Weights to start from: their name for the record, the hash of the file, and their network.

    `trained` holds what is known about the training that made them; empty if nothing is known.
    """

    name: str
    sha256: str
    fit: Architecture
    weights: State
    trained: Mapping[str, object]

    @property
    def form(self) -> Form | None:
        """The form of the weights; None if their options belong to no form, or for a network of the user's code."""
        if self.fit.network.startswith(PREFIX):
            return None
        return find_variant(self.fit.network).network.form_of(dict(self.fit.options))

    @property
    def origin(self) -> str:
        """A hash that is equal for both sources of a pair: two networks that differ only in their attention.

        Sources of unknown training are a pair only if they are the same file.
        """
        facts = {key: self.trained.get(key) for key in ("recipe_sha256", "fingerprint", "steps")}
        if None in facts.values():
            return self.sha256
        facts |= {"network": _base_name(self.fit.network), "scale": self.fit.scale, "form": self.form}
        facts |= {"init": origin_of(self.trained.get("init"))}
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Transfer:
    """Which tensors of a source a network takes: those of equal name and shape.

    `fresh` names the network's tensors that stay as they were initialised, `unused` those of the source that the
    network does not take.
    """

    source: TransferSource
    taken: State
    fresh: tuple[str, ...]
    unused: tuple[str, ...]

    def record(self) -> InitDocument:
        """Return the `init` of the training's record and weights, ready for JSON."""
        return {
            "source": self.source.name,
            "sha256": self.source.sha256,
            "origin": self.source.origin,
            "network": self.source.fit.network,
            "scale": self.source.fit.scale,
            "taken": len(self.taken),
            "fresh": list(self.fresh),
            "unused": list(self.unused),
        }


def open_source(init: str, network: str, *, scale: int, source_scale: int | None, form: Form | None) -> TransferSource:
    """Open `zoo:NAME[@TAG|@FILE]`, a weights file or a folder of a training as weights to start `network` from.

    `source_scale` chooses among the scales of a source; by default it is `scale`, or the only one that there is. `form`
    is the form of a file whose record does not name it.

    Raises:
        TrainingError: no such file or folder, or a folder whose training is unfinished.
        UnknownNameError, WeightsError, FetchError: weights that cannot be found or read.
    """
    if init.startswith("zoo:"):
        name, at, tag = init.removeprefix("zoo:").partition("@")
        if not (at and names_file(tag)):
            return _published(name, tag if at else None, source_scale or scale, explicit=source_scale is not None)
        return _of_file(Path(tag), init, name, source_scale or scale, source_scale, form)
    path = Path(init)
    if path.is_dir():
        return _of_folder(path)
    if not path.is_file():
        raise TrainingError(f"--init: expected zoo:NAME, a weights file or the folder of a training, got {init!r}")
    return _of_file(path, init, network, scale, source_scale, form)


def transfer(source: TransferSource, expected: State, *, strict: bool) -> Transfer:
    """Choose what a network with the tensors `expected` takes from a source.

    Raises TrainingError if nothing fits, or with `strict` if anything is left over on either side.
    """
    taken = {
        key: tensor for key, tensor in source.weights.items() if key in expected and expected[key].shape == tensor.shape
    }
    fresh = tuple(key for key in expected if key not in taken)
    unused = tuple(key for key in source.weights if key not in taken)
    if not taken:
        raise TrainingError(
            f"--init {source.name}: expected tensors that fit by name and shape, got none ({source.fit}); choose "
            "weights of the same network or of a similar one"
        )
    if strict and (fresh or unused):
        raise TrainingError(
            f"--init-strict: expected every tensor of {source.name} to fit, got {_some(fresh)} without a source and "
            f"{_some(unused)} without use; leave out --init-strict to initialise the rest"
        )
    return Transfer(source, taken, fresh, unused)


def describe(record: InitDocument) -> str:
    """Return two or three lines about what a training took from its source; `record` is the `init` of its record."""
    head = f"started from {record['source']} (sha256 {record['sha256'][:12]}…): {record['taken']} tensors taken"
    parts = [("fresh", record["fresh"]), ("not used", record["unused"])]
    return "\n".join([head, *(f"{len(keys)} {what}: {_some(keys)}" for what, keys in parts if keys)])


def origin_of(init: object) -> str | None:
    """Return the `origin` in a record's `init`, which two transfers of a pair share; None for a training from
    scratch."""
    return str(init["origin"]) if isinstance(init, Mapping) and init else None


def _base_name(network: str) -> str:
    return network if network.startswith(PREFIX) else find_variant(network).network.name


def resolve_form(chosen: Form | None, source: TransferSource | None) -> Form:
    """Return the form of a training: the form of the weights it starts from, else the chosen one, else `unit`.

    Raises TrainingError if the weights have a form other than the chosen one, or no known form.
    """
    if source is None or source.fit.network.startswith(PREFIX):
        return chosen or TRAINED_FORM
    network = find_variant(source.fit.network).network
    if source.form is None:
        options = ", ".join(f"{key}={value}" for key, value in source.fit.options)
        raise TrainingError(f"--init {source.name}: expected weights in one of the forms, got {options}")
    if chosen and network.form_options(chosen) != network.form_options(source.form):
        raise TrainingError(
            f"--form {chosen}: expected the form of the weights in --init, {source.form}; leave out --form"
        )
    return chosen or source.form


def require_no_stage(init: str, source: TransferSource, *, network: str, scale: int, fingerprint: str) -> None:
    """Raise TrainingError for weights of a training of the same network and scale on the same images."""
    same = source.fit.network == network and source.fit.scale == scale
    if same and source.trained.get("fingerprint") == fingerprint and (folder := _folder_of(init)):
        raise TrainingError(
            f"--init {init}: expected another network, scale or training set, got a training of {network} ×{scale} "
            f"on the same images; continue it with --start {folder}"
        )


def _folder_of(init: str) -> Path | None:
    """Return the output folder of a training, if `init` is the path of that folder or of a weights file in it."""
    path = Path(init.partition("@")[2] if init.startswith("zoo:") else init)
    folder = path if path.is_dir() else path.parent
    return folder if path.exists() and (folder / RECORD).exists() else None


def _published(name: str, tag: str | None, scale: int, *, explicit: bool) -> TransferSource:
    scales = sorted({served for entry in entries_of(name) if tag in (None, entry.tag) for served in entry.scales})
    if scales and scale not in scales:
        if explicit or len(scales) > 1:
            raise TrainingError(
                f"--init zoo:{name}: expected weights for ×{scale}, got {times(scales)}; choose one with --init-scale"
            )
        scale = scales[0]
    entry = find_weights(name, tag=tag, scale=scale)
    path = fetch_weights(entry)
    return _from_entry(entry, scale, read_checkpoint(path), sha256_of(path))


def _from_entry(entry: WeightsEntry, scale: int, checkpoint: Checkpoint, sha256: str) -> TransferSource:
    fit = Architecture(entry.network, scale, entry.options)
    made = entry.training
    trained = {} if made is None else asdict(made)
    return TransferSource(f"{entry.spec} ×{scale}", sha256, fit, _state(checkpoint, fit), trained)


def _of_folder(folder: Path) -> TransferSource:
    if not (folder / RECORD).exists() and (folder / CHECKPOINT).exists():
        raise TrainingError(
            f"--init {folder}: expected a finished training, got an unfinished one; finish it by repeating its "
            "command, then continue it with --start"
        )
    record = read_training(folder)
    checkpoint = read_checkpoint(folder / WEIGHTS)
    fit = detect(checkpoint)[0]
    together = as_one(record)
    trained = {
        "recipe_sha256": together["recipe_sha256"],
        "steps": together["steps"],
        "fingerprint": record["train_set"]["fingerprint"],
        "init": record.get("init"),
    }
    name = f"training of {record['network']} ×{record['scale']}, recipe {record['recipe']['name']}"
    return TransferSource(name, sha256_of(folder / WEIGHTS), fit, _state(checkpoint, fit), trained)


def _of_file(
    path: Path, init: str, name: str, scale: int, source_scale: int | None, form: Form | None
) -> TransferSource:
    if path.name == WEIGHTS and (path.parent / RECORD).exists():
        return _of_folder(path.parent)
    checkpoint, sha256 = read_checkpoint(path), sha256_of(path)
    if entry := entry_of(sha256):
        served = source_scale or (scale if scale in entry.scales else entry.scales[0])
        return _from_entry(entry, served, checkpoint, sha256)
    fits = [fit for fit in detect(checkpoint) if source_scale in (None, fit.scale)]
    if not fits and name.startswith(PREFIX):
        fits = [Architecture(name, source_scale or scale)]
    if form is not None and RECORD_KEY not in checkpoint.metadata:
        fits = [fit.in_form(form) for fit in fits]
    fits.sort(key=lambda fit: (fit.network != name, fit.scale != scale))
    if not fits:
        raise WeightsError(
            f"--init {init}: expected the weights of a network that srbench knows, got others; name the network with "
            "srbench zoo convert first"
        )
    if RECORD_KEY not in checkpoint.metadata and form is None and not fits[0].network.startswith(PREFIX):
        # `load` checks that the form of the file is known.
        load(fits[0].network, scale=fits[0].scale, file=path)
    record = json.loads(checkpoint.metadata.get(RECORD_KEY, "{}"))
    return TransferSource(path.name, sha256, fits[0], _state(checkpoint, fits[0]), record)


def _state(checkpoint: Checkpoint, fit: Architecture) -> State:
    if fit.network.startswith(PREFIX):
        return {key: tensor.float() for key, tensor in preferred(checkpoint.views).state.items()}
    reading = closest(checkpoint, fit)
    if reading.mismatch:
        raise WeightsError(f"{checkpoint.path} does not fit {fit}: {reading.mismatch}")
    return {key: tensor.float() for key, tensor in reading.state.items()}


def _some(keys: tuple[str, ...] | list[str]) -> str:
    return listed(list(keys), _SHOWN) if keys else "none"
