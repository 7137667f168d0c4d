"""A complete run record, for tests that care about a few of its fields."""

from __future__ import annotations

from typing import Any

from srbench.scores import SCHEMA_VERSION


def run_record(**changes: Any) -> dict[str, Any]:
    """Return what an evaluation gives to `RunFolder.finish`, with some fields changed."""
    return {
        "schema_version": SCHEMA_VERSION,
        "model": {"spec": "bicubic", "weights_sha256": None, "parameters": None},
        "scale": 2,
        "protocols": {"matlab-y": {"version": 1, "summary": "as MATLAB", "lr_source": "made"}},
        "lr_source": "made",
        "datasets": {"Set5": {"fingerprint": "a" * 64, "variant": "canonical", "n": 5, "n_expected": 5}},
        "precision": "fp32",
        "tile": None,
        "self_ensemble": False,
        "optimise": "none",
        "seed": None,
        "environment": {
            "srbench": "0.1.0",
            "python": "3.11.7",
            "libraries": {},
            "system": "Linux x86_64",
            "processor": "x",
            "cores": 2,
            "threads": 2,
            "device": "cpu",
        },
        "started": "2026-01-01T00:00:00+00:00",
        "seconds": 1.0,
        **changes,
    }
