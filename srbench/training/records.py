"""Read the record of a finished training, and check that the weights next to it are the ones it describes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from srbench.errors import TrainingError, WeightsError
from srbench.files import sha256_of
from srbench.records.record_model import validate
from srbench.records.training import TrainingRecord
from srbench.records.training_documents import StageDocument, StagesTotal, TrainingDocument
from srbench.zoo.reading import RECORD_KEY, read_checkpoint

WEIGHTS, RECORD, LOG = "weights.safetensors", "training.json", "log.jsonl"
"""The files of a finished training: its weights, the record of how they were made, and its log."""

RECORD_CHECKSUM = "record_sha256"
"""The field with the hash of all other fields of a record."""


def snapshot_name(percent: int) -> str:
    """Return the file name of a training's weights after a percentage of its steps."""
    return f"weights-{percent}.safetensors"


def read_training(folder: Path) -> TrainingDocument:
    """Return the record of a finished training. Raises TrainingError for a folder without its record or weights."""
    try:
        record = checked_record(folder)
    except (OSError, ValueError) as error:
        raise TrainingError(
            f"{folder}: expected the folder of a finished training, got no readable {RECORD} "
            f"({error}); finish it by repeating its srbench train"
        ) from error
    require_own_files(folder, record)
    return record


def checked_record(folder: Path) -> TrainingDocument:
    """Read and check the record in a folder. Raises OSError if it is missing, ValueError if it is invalid."""
    record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    try:
        validate(TrainingRecord, record, RECORD, error=TrainingError)
    except TrainingError as error:
        raise ValueError(str(error)) from None
    if RECORD_CHECKSUM in record and record != with_checksum(record):
        raise ValueError(f"{RECORD_CHECKSUM}: expected the hash of its other fields; the record was changed")
    checked: TrainingDocument = record
    return checked


def with_checksum(record: Mapping[str, object]) -> dict[str, object]:
    """Return a record with the hash of its fields. Records of earlier versions have none."""
    fields = {key: value for key, value in record.items() if key != RECORD_CHECKSUM}
    text = json.dumps(fields, sort_keys=True, ensure_ascii=False)
    return {**fields, RECORD_CHECKSUM: hashlib.sha256(text.encode()).hexdigest()}


def require_own_files(folder: Path, record: TrainingDocument) -> None:
    """Raise TrainingError unless the folder has the weights and, if there is one, the log that its record describes."""
    _require_own_weights(folder, record)
    path = folder / LOG
    if "log_sha256" in record and path.exists() and sha256_of(path) != record["log_sha256"]:
        raise TrainingError(
            f"{path}: expected the log that {RECORD} next to it describes, got different content; restore it, or train "
            "again in another folder"
        )


def _require_own_weights(folder: Path, record: TrainingDocument) -> None:
    path = folder / WEIGHTS
    try:
        own = (
            _says_the_same(path, record)
            if "weights_sha256" not in record
            else (sha256_of(path) == record["weights_sha256"])
        )
    except (OSError, ValueError, WeightsError) as error:
        raise TrainingError(
            f"{folder}: expected the weights of a finished training, got none ({error}); train it again "
            "in another folder"
        ) from error
    if not own:
        raise TrainingError(
            f"{path}: expected the weights that {RECORD} next to it describes, got others; restore those, "
            "or train again in another folder"
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
    metadata = json.loads(read_checkpoint(path).metadata.get(RECORD_KEY, "{}"))
    if not isinstance(metadata, dict) or any(metadata.get(key) != record[key] for key in ("network", "seed")):
        return False
    # Early weights files of trainings in stages describe only the last stage.
    return any(
        (metadata.get("recipe_sha256"), metadata.get("steps")) == (one["recipe_sha256"], one["steps"])
        for one in (as_one(record), record)
    )
