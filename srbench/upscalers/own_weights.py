"""Weights of a `python:` network that `srbench train` wrote: `python:FILE.py:factory@weights.safetensors`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from pydantic import JsonValue
from torch import Tensor, nn

from srbench.errors import UpscalerError, WeightsError
from srbench.records.record_model import validate
from srbench.records.run import StatedTraining, TransferFacts
from srbench.upscalers.factory_args import FactoryArgs, describe_factory_args, published_args
from srbench.zoo.reading import RECORD_KEY, read_checkpoint
from srbench.zoo.wrapping import preferred

PREFIX = "python:"
"""What the spec of a network in the user's own code starts with."""

# The first colon before a dotted name that ends at the end or at an @. Drive letters and @ in folders do not match.
_SPEC = re.compile(r"(?P<factory>.+?:[A-Za-z_][\w.]*)(?:@(?P<weights>.+))?")


def split_weights(rest: str) -> tuple[str, Path | None]:
    """Split the text after `python:` into factory and weights file; the file is None without one.

    Examples:
        >>> split_weights("nets/net.py:make@out/weights.safetensors")[0]
        'nets/net.py:make'
    """
    match = _SPEC.fullmatch(rest)
    if match is None or match["weights"] is None:
        return rest, None
    return match["factory"], Path(match["weights"]).expanduser()


def load_weights(spec: str, module: nn.Module, path: Path, *, scale: int, arguments: FactoryArgs) -> dict[str, object]:
    """Put a file's tensors into a module, strictly; return the facts about their training for a run's record.

    Raises:
        WeightsError: a file that cannot be read.
        UpscalerError: tensors that do not fit the module, another scale, or other arguments of the factory.
    """
    checkpoint = read_checkpoint(path)
    record = read_record(path, checkpoint.metadata)
    _require_alike(spec, record, path, scale, arguments)
    _fill(spec, module, preferred(checkpoint.views).state, path)
    return {"weights_file": path.name, **stated_training(record, path)}


def read_record(path: Path, metadata: Mapping[str, str]) -> dict[str, JsonValue]:
    """Return the record in the metadata of a weights file; empty where there is none. Raises WeightsError."""
    try:
        record = json.loads(metadata.get(RECORD_KEY, "{}"))
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"{path}: expected a record in JSON, got {error}; train the network again") from error
    return record if isinstance(record, dict) else {}


def stated_training(record: Mapping[str, JsonValue], path: Path) -> dict[str, object]:
    """Return what the record of a weights file states about its training, with the names of a run's record.

    Raises:
        WeightsError: values that srbench would not have written.
    """
    stated = {name: record[name] for name in StatedTraining.model_fields if record.get(name) is not None}
    if data := record.get("train_set"):
        stated["training_data"] = data
    if isinstance(init := stated.get("init"), dict):
        stated["init"] = {name: value for name, value in init.items() if name in TransferFacts.model_fields}
    facts = validate(StatedTraining, stated, f"{path}: its record", error=WeightsError)
    texts = [*facts.plain().values(), *(facts.init.plain().values() if facts.init else ())]
    if not all(text.isprintable() for text in texts if isinstance(text, str)):
        raise WeightsError(f"{path}: expected printable texts in its record, got others; convert the file again")
    return {**facts.plain()}


def _require_alike(spec: str, record: Mapping[str, JsonValue], path: Path, scale: int, arguments: FactoryArgs) -> None:
    scales, trained = record.get("scales", [scale]), record.get("factory_args", {})
    if not isinstance(scales, list) or not scales or not isinstance(trained, dict):
        raise WeightsError(f"{path}: expected a record with scales and factory_args, got others; train it again")
    if scale not in scales:
        raise UpscalerError(
            f"{spec}: expected the scale of its weights, {scales}, got {scale}; use --scale {scales[0]}"
        )
    if record.get("source_sha256") and trained != published_args(arguments):
        wanted = " ".join(f"--factory-arg {text}" for text in describe_factory_args(trained)) or "no --factory-arg"
        raise UpscalerError(f"{spec}: expected the arguments that its weights were trained with; give {wanted}")


def _fill(spec: str, module: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    own = module.state_dict()
    wrong = sorted(key for key in own.keys() | state.keys() if key not in own or key not in state)
    wrong += [key for key in own if key in state and own[key].shape != state[key].shape]
    if wrong:
        raise UpscalerError(
            f"{spec}: expected the tensors of the network in {path.name}, got others ({', '.join(wrong[:3])}); give "
            "the code and the --factory-arg that it was trained with"
        )
    module.load_state_dict({key: value.to(own[key].dtype) for key, value in state.items()}, strict=True)
