"""Datasets: named sets of HR images with a fingerprint, also as (lr, hr) pairs for torch.

`open_dataset` reads a set from files and needs no torch; `Set5`, `DIV2K` and the others are torch
Datasets of (lr, hr), which are imported at their first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from srbench.datasets.catalogue import CATALOGUE, find_entry, known_images
from srbench.datasets.imageset import ImageSet, available_datasets, data_root, open_dataset

if TYPE_CHECKING:
    from srbench.datasets.paired_views import BSD100, DIV2K, Manga109, RealSR7, Sample, Set5, Set14, Urban100

_VIEWS = ("BSD100", "DIV2K", "Manga109", "RealSR7", "Sample", "Set5", "Set14", "Urban100")

__all__ = [
    "BSD100",
    "CATALOGUE",
    "DIV2K",
    "ImageSet",
    "Manga109",
    "RealSR7",
    "Sample",
    "Set5",
    "Set14",
    "Urban100",
    "available_datasets",
    "data_root",
    "find_entry",
    "known_images",
    "open_dataset",
]


def __getattr__(name: str) -> Any:
    # Views need torch; listing and reading images do not.
    if name in _VIEWS:
        return getattr(import_module("srbench.datasets.paired_views"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
