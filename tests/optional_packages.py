"""Import packages that need torchvision next to a torch that torchvision was not built for."""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from functools import cache
from types import ModuleType

import pytest
import torch
from torch.library import Library

from srbench.upscalers.spandrel import import_spandrel

# The operators that torchvision 0.28.0 needs at import; the tests never call them.
_SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}


def optional_package(name: str) -> ModuleType:
    """Return the package after declaring torchvision's operators; skip the test where it is not installed."""
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed")
    if name == "spandrel":
        return import_spandrel()[0]
    _declare_torchvision()
    with warnings.catch_warnings():
        # Deprecations inside packages that are only compared with.
        warnings.simplefilter("ignore")
        return importlib.import_module(name)


@cache
def _declare_torchvision() -> Library:
    library = Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]  # torch leaves it untyped
    for name, schema in _SCHEMAS.items():
        if not hasattr(torch.ops.torchvision, name):
            library.define(schema)  # type: ignore[no-untyped-call]  # torch leaves it untyped
    return library
