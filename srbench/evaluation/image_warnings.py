"""Collect warnings about the SR images of a run: mistakes that explain a low `psnr_lr`."""

from __future__ import annotations

from collections import defaultdict
from threading import Lock

from srbench.lr_diagnosis import Cause, explain

Cell = tuple[str, str]
"""Dataset and protocol."""


class Findings:
    """Collects what `diagnose` found image by image; threads of one run share it."""

    def __init__(self) -> None:
        self._causes: defaultdict[Cell, dict[str, Cause | None]] = defaultdict(dict)
        self._lock = Lock()

    def add(self, cell: Cell, image: str, cause: Cause | None) -> None:
        """Note that an image was examined, and what was found."""
        with self._lock:
            self._causes[cell][image] = cause

    def warnings(self, cell: Cell) -> list[str]:
        """Return the warnings on one dataset under one protocol; empty if there are none."""
        warning = explain(cause for _, cause in sorted(self._causes.get(cell, {}).items()))
        return [warning] if warning else []
