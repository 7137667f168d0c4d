"""Read the record of a finished training, and check that the weights next to it are the ones it describes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from srbench.errors import TrainingError, WeightsError
from srbench.files import sha256_of
from srbench.records.record_model import validate
from srbench.records.training import TrainingRecord
from srbench.records.training_documents import StageDocument, StagesTotal, TrainingDocument
from srbench.zoo.checkpoints import RECORD_KEY
from srbench.zoo.reading import read_checkpoint

WEIGHTS, RECORD = "weights.safetensors", "training.json"
"""The files of a finished training: its weights, and the record of how they were made."""


def snapshot_name(percent: int) -> str:
    """Return the file name of a training's weights after a percentage of its steps."""
    return f"weights-{percent}.safetensors"


def read_training(folder: Path) -> TrainingDocument:
    """Return the record of a finished training. Raises TrainingError for a folder without its record or weights."""
    try:
        record = whole_record(folder)
    except (OSError, ValueError) as error:
        raise TrainingError(
            f"{folder}: expected the folder of a finished training, got no readable {RECORD} "
            f"({error}); finish it by repeating its srbench train"
        ) from error
    require_own_weights(folder, record)
    return record


def whole_record(folder: Path) -> TrainingDocument:
    """Read and check the record in a folder. Raises OSError if it is missing, ValueError if it is invalid."""
    record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    try:
        validate(TrainingRecord, record, RECORD, error=TrainingError)
    except TrainingError as error:
        raise ValueError(str(error)) from None
    checked: TrainingDocument = record
    return checked


def require_own_weights(folder: Path, record: TrainingDocument) -> None:
    """Raise TrainingError unless the folder has the weights that its record describes."""
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
            f"{path}: expected the weights that {RECORD} next to it describes, got others; restore those, "
            "or train anew in another folder"
        )


def as_one(record: TrainingDocument) -> StagesTotal:
    """Return the total of a record and its earlier stages: joined recipe name and hash, and sums.

    A training with one stage has the hash of its recipe; one with several has the hash of their hashes, one per line.
    """
    stages: list[StageDocument] = [*record.get("stages", ()), record]
    hashes = [stage["recipe_sha256"] for stage in stages]
    return {
        "recipe": ", then ".join(str(stage["recipe"]["name"]) for stage in stages),
        "recipe_sha256": hashes[0] if len(hashes) == 1 else hashlib.sha256("\n".join(hashes).encode()).hexdigest(),
        "steps": sum(stage["steps"] for stage in stages),
        "patches": sum(stage["patches"] for stage in stages),
        "seconds": sum(stage["seconds"] for stage in stages),
    }


def _says_the_same(path: Path, record: TrainingDocument) -> bool:
    """Return whether the metadata of a weights file agree with its record, for older records without the file's
    hash."""
    told = json.loads(read_checkpoint(path).metadata.get(RECORD_KEY, "{}"))
    if not isinstance(told, dict) or any(told.get(key) != record[key] for key in ("network", "seed")):
        return False
    # The first files of trainings in stages describe only the last stage.
    return any(
        (told.get("recipe_sha256"), told.get("steps")) == (one["recipe_sha256"], one["steps"])
        for one in (as_one(record), record)
    )
