"""The header of a packed store: which pairs it holds, with their sizes and hashes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict, cast

from srbench.errors import DatasetError

FORMAT = 2
"""Version of the folder's layout."""

HEADER = "store.json"


@dataclass(frozen=True)
class PackedPair:
    """One HR and LR image in a store; `height` and `width` are the LR's, hashes are of the 3×H×W bytes."""

    name: str
    height: int
    width: int
    hr_sha256: str
    lr_sha256: str


Stamp = list[str | int]
"""The name of a source image and numbers that change whenever its file does."""


class PairFacts(TypedDict):
    """A `PackedPair` in the header and in the journal."""

    name: str
    height: int
    width: int
    hr_sha256: str
    lr_sha256: str


class PackedSource(TypedDict):
    """A source image in the header and in the journal: its stamp, and the pairs that were made from it."""

    stamp: Stamp
    pairs: list[PairFacts]


class StoreIdentity(TypedDict):
    """The identity of the pairs in a store; the first line of the journal."""

    format: int
    scale: int
    key: str


class StoreHeader(StoreIdentity):
    """The header of a finished store."""

    sources: list[PackedSource]


def read_header(folder: Path) -> StoreHeader:
    """Return the header of a finished store. Raise DatasetError for none, a damaged one or another format."""
    try:
        header = json.loads((folder / HEADER).read_text())
        if not isinstance(header, dict):
            raise ValueError("not a JSON object")
    except (OSError, ValueError, RecursionError) as error:
        raise DatasetError(
            f"{folder}: expected a packed store, got no readable {HEADER} ({error}); make one with build_store"
        ) from error
    if header.get("format") != FORMAT:
        raise DatasetError(
            f"{folder}: expected a packed store of format {FORMAT}, got {header.get('format')}; "
            "delete it and pack again"
        )
    if header.pop("sha256", None) != header_sha256(header):
        raise DatasetError(f"{folder}: expected {HEADER} as it was written, got another; delete it and pack again")
    return cast(StoreHeader, header)


def header_sha256(header: Mapping[str, object]) -> str:
    """Return the hash of a header without its field `sha256`."""
    return bytes_sha256(json.dumps(header).encode())


def bytes_sha256(data: bytes | memoryview) -> str:
    """Return the SHA-256 of bytes in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()
