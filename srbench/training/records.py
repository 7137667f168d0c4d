"""The record of a finished training, and whether the weights beside it are those that it speaks of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from srbench.errors import TrainingError, WeightsError
from srbench.files import sha256_of
from srbench.zoo.checkpoints import RECORD_KEY
from srbench.zoo.reading import read_checkpoint

WEIGHTS, RECORD = "weights.safetensors", "training.json"
"""What a finished training is: its weights, and the record of how they came about."""

STAGE: Mapping[str, tuple[type, ...]] = {
    "recipe": (dict,),
    "recipe_sha256": (str,),
    "steps": (int,),
    "patches": (int,),
    "seed": (int,),
    "seconds": (int, float),
    "train_set": (dict,),
    "history": (list,),
}
"""What a record says of a training that another went on from, and of what types."""
_KINDS: Mapping[str, tuple[type, ...]] = {
    **STAGE,
    "network": (str,),
    "scale": (int,),
    "held_out": (list,),
    "protocol": (str,),
    "started": (str,),
    "psnr": (int, float, type(None)),
    "processes": (int,),
    "accumulate": (int,),
    "compiled": (bool,),
    "graphs": (bool,),
    "environment": (dict,),
    "key": (dict,),
}
_INSIDE: Mapping[str, Mapping[str, tuple[type, ...]]] = {
    "recipe": {"name": (str,), "held_out": (list,)},
    "train_set": {"name": (str,), "fingerprint": (str,), "images": (int,)},
    "environment": {"device": (str,)},
}
_ABSENT = object()


def snapshot_name(percent: int) -> str:
    """The file that keeps a training's weights as they were after so many percent of its steps."""
    return f"weights-{percent}.safetensors"


def read_training(folder: Path) -> dict[str, Any]:
    """The record of a finished training. Raises TrainingError for a folder without a whole one and its weights."""
    try:
        record = whole_record(folder)
    except (OSError, ValueError) as error:
        raise TrainingError(
            f"{folder}: expected the folder of a finished training, got no readable {RECORD} "
            f"({error}); finish it by repeating its srbench train"
        ) from error
    require_own_weights(folder, record)
    return record


def whole_record(folder: Path) -> dict[str, Any]:
    """The record in a folder. Raises OSError for none, ValueError for one that lacks what a record has to have."""
    record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    if not isinstance(record, dict):
        raise ValueError(f"expected a JSON object, got {type(record).__name__}")
    # Records from before they named the pixels they were trained on have none.
    kinds = {**_KINDS, "pixels": (list,)} if "pixels" in record else _KINDS
    if wrong := [*_wrong(record, kinds), *_wrong_stages(record.get("stages", []))]:
        raise ValueError(f"missing, or of another kind: {', '.join(wrong)}")
    return record


def require_own_weights(folder: Path, record: Mapping[str, Any]) -> None:
    """Raises TrainingError unless the weights in a folder are there and those that its record speaks of."""
    path = folder / WEIGHTS
    try:
        own = (
            _says_the_same(path, record)
            if "weights_sha256" not in record
            else (sha256_of(path) == record["weights_sha256"])
        )
    except (OSError, ValueError, WeightsError) as error:
        raise TrainingError(
            f"{folder}: expected the weights of a finished training, got none ({error}); train it anew "
            "in another folder"
        ) from error
    if not own:
        raise TrainingError(
            f"{path}: expected the weights that {RECORD} beside it speaks of, got others; put those "
            "back, or train anew in another folder"
        )


def as_one(record: Mapping[str, Any]) -> dict[str, Any]:
    """What a record and its earlier stages were together: one recipe's name and hash, and sums.

    The hash of a training in stages is that of the stages' hashes, a line each; of one in a single stage its recipe's.
    """
    stages = [*record.get("stages", ()), record]
    hashes = [stage["recipe_sha256"] for stage in stages]
    return {
        "recipe": ", then ".join(stage["recipe"]["name"] for stage in stages),
        "recipe_sha256": hashes[0] if len(hashes) == 1 else hashlib.sha256("\n".join(hashes).encode()).hexdigest(),
        **{key: sum(stage[key] for stage in stages) for key in ("steps", "patches", "seconds")},
    }


def _says_the_same(path: Path, record: Mapping[str, Any]) -> bool:
    """Whether a file says of itself what the record says, which from before records held its hash is all there is."""
    told = json.loads(read_checkpoint(path).metadata.get(RECORD_KEY, "{}"))
    if not isinstance(told, dict) or any(told.get(key) != record[key] for key in ("network", "seed")):
        return False
    # Of a training in stages the first files told the last stage alone.
    return any(
        (told.get("recipe_sha256"), told.get("steps")) == (one["recipe_sha256"], one["steps"])
        for one in (as_one(record), record)
    )


def _wrong(record: Mapping[Any, Any], kinds: Mapping[str, tuple[type, ...]]) -> Iterator[str]:
    """The keys whose values are missing or of another kind; a truth value is no number."""
    for key, kind in kinds.items():
        value = record.get(key, _ABSENT)
        if not isinstance(value, kind) or (isinstance(value, bool) and bool not in kind):
            yield key
        elif key in _INSIDE:
            yield from (f"{key}.{inner}" for inner in _wrong(record[key], _INSIDE[key]))


def _wrong_stages(stages: Any) -> Iterator[str]:
    for number, stage in enumerate(stages if isinstance(stages, list) else [stages], start=1):
        whole = stage if isinstance(stage, dict) else {}
        yield from (f"{key} of stage {number}" for key in _wrong(whole, {**STAGE, "weights_sha256": (str,)}))
