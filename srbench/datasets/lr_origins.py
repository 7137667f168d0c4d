"""Detect the origin of given LR files once for each pair of pixels, and refuse LR that is not MATLAB's."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from srbench.datasets.imageset import ImageSet
from srbench.datasets.lrcheck import LrOrigin, lr_origin
from srbench.errors import DatasetError, SrbenchError, counted
from srbench.files import cache_dir, write_atomic

# Increase this number when `lr_origin` learns a further method of shrinking: cached results may then be wrong.
_VERSION = 1
_ORIGINS = TypeAdapter(dict[str, LrOrigin])


def given_origins(images: ImageSet, *, scale: int) -> dict[str, LrOrigin]:
    """Return the origin of each given LR at a scale, by image name.

    The results are kept in the cache folder, under the hashes of both files.

    Raises:
        DatasetError: an image without given LR, or one whose LR has another size than its HR divided by the scale.
        ImageError: a file that cannot be decoded.
    """
    images.require_given(scale)
    record = _record_of(images, scale)
    kept, current = _read(record), dict[str, LrOrigin]()
    keys = {name: _key(images, name, scale) for name in images.names}
    for name, key in keys.items():
        current[key] = kept.get(key) or given_origin(images, name, scale=scale)
    if current.keys() - kept.keys():
        _write(record, current)
    return {name: current[key] for name, key in keys.items()}


def given_origin(images: ImageSet, name: str, *, scale: int) -> LrOrigin:
    """Detect the origin of one given LR from its pixels. Errors as for `given_origins`."""
    lr = images.given_lr(name, scale=scale)
    return lr_origin(images.hr(name), lr, scale=scale, data=images.store.lr(name, scale) or b"")


def require_matlab(images: ImageSet, origins: Mapping[str, LrOrigin], *, scale: int) -> None:
    """Raise DatasetError, naming image and origin, unless all LR files are exactly what MATLAB's bicubic gives."""
    wrong = {name: origin for name, origin in origins.items() if not origin.is_matlab}
    if wrong:
        name, origin = next(iter(wrong.items()))
        raise DatasetError(
            f"{images.name}/{name}: expected given LR at ×{scale} that MATLAB's bicubic made of this HR, got "
            f"{origin.describe()}; {len(wrong)} of {counted(len(origins), 'LR file')} differ from MATLAB's. "
            "Use --lr any, which scores such files and names their origin, or --lr made"
        )


def count_kinds(origins: Mapping[str, LrOrigin]) -> dict[str, int]:
    """Return the number of images by origin, the most frequent origin first."""
    return dict(Counter(origin.kind for origin in origins.values()).most_common())


def lr_files_sha256(images: ImageSet, *, scale: int) -> str:
    """Return one hash over the given LR files of a set."""
    digests = (f"{name} {_file_sha256(images, name, scale)}" for name in images.names)
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def _record_of(images: ImageSet, scale: int) -> Path:
    place = hashlib.sha256(f"{images.location.resolve()} ×{scale}".encode()).hexdigest()
    return cache_dir() / "lr-origins" / f"{place}.json"


def _key(images: ImageSet, name: str, scale: int) -> str:
    parts = (str(_VERSION), images.pixel_hashes[name], _file_sha256(images, name, scale), str(scale))
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()


def _file_sha256(images: ImageSet, name: str, scale: int) -> str:
    return hashlib.sha256(images.store.lr(name, scale) or b"").hexdigest()


def _read(record: Path) -> dict[str, LrOrigin]:
    try:
        return _ORIGINS.validate_python(json.loads(record.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError, ValidationError):
        return {}


def _write(record: Path, origins: Mapping[str, LrOrigin]) -> None:
    try:
        write_atomic(record, json.dumps({key: asdict(origin) for key, origin in origins.items()}))
    except SrbenchError:
        return  # the record only saves time
