"""Weights that srbench trained: files `NAME-xS.safetensors`, each with its record `NAME-xS.json`.

The catalogue lists every record in this folder. Files above `LARGEST_PACKAGED` are not package data: they are stored in
`weights/` of a checkout, or in the folder that `$SRBENCH_MIRROR` names.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from srbench.errors import WeightsError
from srbench.fetch import RemoteFile
from srbench.records.training_documents import (
    InitDocument,
    PublishedTrainingDocument,
    ScoresDocument,
    WeightsDocument,
)

FOLDER = Path(__file__).parent
"""Folder of the records and of small weights files."""

WEIGHTS_FOLDER = Path(__file__).parents[3] / "weights"
"""Folder of larger weights files in a checkout; an installed package does not have it."""

LARGEST_PACKAGED = 4_200_000
"""Largest size in bytes of a weights file that is package data."""

LARGEST_KEPT = 35_000_000
"""Largest size in bytes of a weights file in the repository."""

RECORD_VERSION = 1
"""Version of the layout of a record."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """How a network was trained: enough to tell whether two networks were trained alike.

    `recipe` is a name, `recipe_sha256` the hash of its values, `fingerprint` that of the training images' pixels;
    `steps` are optimiser steps, `patches` the patches seen in them. `init` says of a transfer what it started from;
    None is a training from scratch.
    """

    recipe: str
    recipe_sha256: str
    data: str
    fingerprint: str
    steps: int
    patches: int
    seed: int
    device: str
    init: InitDocument | None = None

    @classmethod
    def of(cls, record: PublishedTrainingDocument) -> Training:
        """Return the training described by a record's `training`; fields of it that this class lacks are left out."""
        return cls(
            recipe=record["recipe"],
            recipe_sha256=record["recipe_sha256"],
            data=record["data"],
            fingerprint=record["fingerprint"],
            steps=record["steps"],
            patches=record["patches"],
            seed=record["seed"],
            device=record["device"],
            init=record.get("init"),
        )


def weights_name(network: str, *scales: int) -> str:
    """Return the file name of a network's weights for one scale or several.

    Examples:
        >>> weights_name("imdn", 4), weights_name("carn", 2, 3, 4)
        ('imdn-x4.safetensors', 'carn-x2x3x4.safetensors')
    """
    return f"{network}-{''.join(f'x{scale}' for scale in scales)}.safetensors"


def scales_of(record: WeightsDocument) -> tuple[int, ...]:
    """Return every scale that the weights of a record serve."""
    return tuple(record.get("scales") or (record["scale"],))


def scores_at(record: WeightsDocument, scale: int) -> ScoresDocument:
    """Return `scores`, `bicubic` and `half_precision` of a record at one of its scales."""
    return record if scale == record["scale"] else record["other_scales"][str(scale)]


def read_record(path: Path) -> WeightsDocument:
    """Read a record file. Raises WeightsError if it is damaged or has a different version."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        version = record["schema_version"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise WeightsError(f"{path}: expected a record of trained weights, got {error!r}; publish it again") from error
    if version != RECORD_VERSION:
        raise WeightsError(f"{path}: expected a record of version {RECORD_VERSION}, got {version!r}; publish it again")
    document: WeightsDocument = record
    return document


def record_of(weights: str) -> WeightsDocument:
    """Return the record next to the weights file with this name."""
    return read_record((FOLDER / weights).with_suffix(".json"))


def records(folder: Path = FOLDER) -> Iterator[WeightsDocument]:
    """Return every record in a folder, in the order of file names."""
    return map(read_record, sorted(folder.glob("*.json")))


def kept_path(file: RemoteFile) -> Path | None:
    """Return the path of a file in the package or the checkout; None if it is in neither."""
    return next((folder / file.name for folder in (FOLDER, WEIGHTS_FOLDER) if (folder / file.name).is_file()), None)
