"""Sizes at which every network is small enough to run in a test."""

from __future__ import annotations

from typing import Any

import pytest


class _Sizes(dict[str, dict[str, Any]]):
    """Options by network. A network without options fails the test with what to add."""

    def __missing__(self, name: str) -> dict[str, Any]:
        pytest.fail(f"expected small options of {name}; add a line to SMALL in tests/zoo/small.py", pytrace=False)


SMALL = _Sizes(
    {
        "edsr": {"channels": 16, "blocks": 2},
        "edsr-base": {"channels": 16, "blocks": 2},
        "carn": {"channels": 16},
        "carn-m": {"channels": 16, "groups": 4},
        "msrn": {"channels": 16, "blocks": 1},
        "s-lwsr32": {"channels": 16},
        "awsrn": {"channels": 16, "wide": 16, "blocks": 1, "units": 2},
        "rcan": {"channels": 16, "groups": 1, "blocks": 1},
        "imdn": {"channels": 16, "blocks": 1},
        "pan": {"channels": 8, "blocks": 1},
        "drln": {"channels": 16},
        "rlfn": {"channels": 16, "hidden": 16, "blocks": 1},
        "rlfn-ntire2022": {"channels": 16, "hidden": 8, "blocks": 1},
        "efdn": {"channels": 16, "cells": 2},
        "span": {"channels": 16, "blocks": 2},
        "span-52": {"channels": 16, "blocks": 1},
        "span-28": {"channels": 16, "blocks": 1},
        "safmn": {"channels": 16, "blocks": 1},
        "safmn-ntire2023": {"channels": 16, "blocks": 1},
    }
)
