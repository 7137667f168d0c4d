"""Weights that srbench trained: beside each file `NAME-xS.safetensors` lies its record, `NAME-xS.json`.

What is there is what the catalogue lists. Files above `LARGEST_PACKAGED` are not package data: only their records are
here, and the files lie in `weights/` of a checkout, or in the folder that `$SRBENCH_MIRROR` names.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from srbench.errors import WeightsError
from srbench.fetch import RemoteFile

FOLDER = Path(__file__).parent
"""Where records and small weights lie."""

WEIGHTS_FOLDER = Path(__file__).parents[3] / "weights"
"""Where larger weights lie in a checkout; an installed package has none."""

LARGEST_PACKAGED = 4_200_000
"""Bytes up to which a weights file is package data."""

LARGEST_KEPT = 35_000_000
"""Bytes up to which a weights file is kept at all."""

RECORD_VERSION = 1
"""Version of the layout of a record."""

Record = dict[str, Any]
"""What a record holds, ready for JSON: `network`, `scale`, `options`, `file`, `licence`, `training`, `scores`, …"""


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
    init: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Training:
        """The part of a record's `training` that is kept here; the rest stays in the record."""
        return cls(**{name: record[name] for name in cls.__dataclass_fields__ if name in record or name != "init"})


def weights_name(network: str, scale: int) -> str:
    """The file name of a network's weights at a scale."""
    return f"{network}-x{scale}.safetensors"


def read_record(path: Path) -> Record:
    """A record as it is on the disk. Raises WeightsError for a damaged one or one of another version."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        version = record["schema_version"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{path}: expected a record of trained weights, got {error!r}; publish it again") from error
    if version != RECORD_VERSION:
        raise WeightsError(f"{path}: expected a record of version {RECORD_VERSION}, got {version!r}; publish it again")
    whole: Record = record
    return whole


def record_of(weights: str) -> Record:
    """The record beside the weights file of this name."""
    return read_record((FOLDER / weights).with_suffix(".json"))


def records(folder: Path = FOLDER) -> Iterator[Record]:
    """Every record in a folder, by file name."""
    return map(read_record, sorted(folder.glob("*.json")))


def kept_path(file: RemoteFile) -> Path | None:
    """Where a file lies in the package or the checkout, if it does."""
    return next((folder / file.name for folder in (FOLDER, WEIGHTS_FOLDER) if (folder / file.name).is_file()), None)
