"""srbench: datasets, evaluation, model zoo and leaderboard for single-image super-resolution.

The public names are loaded when they are first used: importing srbench imports neither torch nor pandas.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from srbench import datasets, metrics, protocols, zoo
    from srbench.claim_audit.verdict import audit
    from srbench.errors import SrbenchError
    from srbench.listings import list_datasets, list_metrics, list_models, list_protocols
    from srbench.resize import imresize
    from srbench.result import Result, evaluate
    from srbench.run_comparison import compare_runs as compare
    from srbench.scores import read_run
    from srbench.training.keywords import train
    from srbench.upscalers.loading import load_model
    from srbench.upscaling import upscale

__version__ = "0.1.0"

__all__ = [
    "Result",
    "SrbenchError",
    "__version__",
    "audit",
    "compare",
    "datasets",
    "evaluate",
    "imresize",
    "list_datasets",
    "list_metrics",
    "list_models",
    "list_protocols",
    "load_model",
    "metrics",
    "protocols",
    "read_run",
    "train",
    "upscale",
    "zoo",
]

_HOME = {
    "Result": "srbench.result:Result",
    "SrbenchError": "srbench.errors:SrbenchError",
    "audit": "srbench.claim_audit.verdict:audit",
    "compare": "srbench.run_comparison:compare_runs",
    "evaluate": "srbench.result:evaluate",
    "imresize": "srbench.resize:imresize",
    "list_datasets": "srbench.listings:list_datasets",
    "list_metrics": "srbench.listings:list_metrics",
    "list_models": "srbench.listings:list_models",
    "list_protocols": "srbench.listings:list_protocols",
    "load_model": "srbench.upscalers.loading:load_model",
    "train": "srbench.training.keywords:train",
    "upscale": "srbench.upscaling:upscale",
    "read_run": "srbench.scores:read_run",
}
_MODULES = ("datasets", "metrics", "protocols", "zoo")


def __getattr__(name: str) -> object:
    if name in _HOME:
        module, _, attribute = _HOME[name].partition(":")
        return getattr(importlib.import_module(module), attribute)
    if name in _MODULES:
        return importlib.import_module(f"srbench.{name}")
    raise AttributeError(f"module 'srbench' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
