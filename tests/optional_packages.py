"""Import packages that need torchvision next to a torch that torchvision was not built for."""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from types import ModuleType

import pytest

from benchmarks.peers import allow_torchvision
from srbench.upscalers.spandrel import import_spandrel


def optional_package(name: str) -> ModuleType:
    """Return the package after declaring torchvision's operators; skip the test where it is not installed."""
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed")
    if name == "spandrel":
        return import_spandrel()[0]
    allow_torchvision()
    with warnings.catch_warnings():
        # Deprecations inside packages that are only compared with.
        warnings.simplefilter("ignore")
        return importlib.import_module(name)
