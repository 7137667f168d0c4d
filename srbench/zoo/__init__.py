"""The model zoo: networks and their weights. Listing them imports no torch; building and loading do."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from srbench.zoo.building import build, key_tables
    from srbench.zoo.checkpoints import LoadedNetwork, load
    from srbench.zoo.hub_folder import from_pretrained, save_pretrained

__all__ = ["LoadedNetwork", "build", "from_pretrained", "key_tables", "load", "save_pretrained"]

_HOME = {
    "build": "srbench.zoo.building",
    "key_tables": "srbench.zoo.building",
    "load": "srbench.zoo.checkpoints",
    "LoadedNetwork": "srbench.zoo.checkpoints",
    "from_pretrained": "srbench.zoo.hub_folder",
    "save_pretrained": "srbench.zoo.hub_folder",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
