"""srbench: datasets, evaluation, model zoo and leaderboard for single-image super-resolution.

The public names are loaded when they are first used: importing srbench imports neither torch nor pandas.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from srbench import datasets, metrics, protocols, zoo
    from srbench.evaluation import evaluate
    from srbench.resize import imresize
    from srbench.upscalers.loading import load_model

__all__ = ["datasets", "evaluate", "imresize", "load_model", "metrics", "protocols", "zoo"]

_HOME = {"evaluate": "srbench.evaluation", "imresize": "srbench.resize", "load_model": "srbench.upscalers.loading"}
_MODULES = ("datasets", "metrics", "protocols", "zoo")


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    if name in _MODULES:
        return importlib.import_module(f"srbench.{name}")
    raise AttributeError(f"module 'srbench' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
