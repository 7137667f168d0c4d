"""Finished runs on the embedded Sample and on made-up scores."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from srbench.datasets.catalogue import known_images
from srbench.images import fingerprint
from srbench.protocols import get_protocol
from srbench.scores import SCHEMA_VERSION, RunFolder
from tests.submissions.generated import rows

ENVIRONMENT = {
    "srbench": "0.1.0",
    "python": "3.11.7",
    "libraries": {},
    "system": "Linux x86_64",
    "processor": "x",
    "cores": 2,
    "threads": 2,
    "device": "cpu",
}


def write_run(
    folder: Path,
    *,
    spec: str = "python:example:network",
    scale: int = 4,
    dataset: str = "Set5",
    protocol: str = "matlab-y",
    missing: int = 0,
    weights: str | None = "a" * 64,
    images: str | None = None,
    recipe: str | None = None,
    **options: Any,
) -> Path:
    """A finished run of made-up scores; `missing` images are left out."""
    known = known_images(dataset)
    settings = {
        "precision": "fp32",
        "tile": None,
        "self_ensemble": False,
        "optimise": "none",
        "lr_source": "made",
        **options,
    }
    run = RunFolder(folder, {"model": spec})
    whole = [{**row, "model": spec} for row in rows(0, dataset, scale, protocol)]
    run.append(whole[: len(whole) - missing])
    found = get_protocol(protocol)
    run.finish(
        {
            "schema_version": SCHEMA_VERSION,
            "model": {
                "spec": spec,
                "weights_sha256": weights,
                "images_sha256": images,
                "parameters": 1000,
                "training_data": "DIV2K",
                "recipe": recipe,
                "recipe_sha256": recipe and hashlib.sha256(recipe.encode()).hexdigest(),
            },
            "scale": scale,
            "protocols": {protocol: {"version": found.version, "summary": found.summary, "lr_source": "made"}},
            "datasets": {
                dataset: {
                    "fingerprint": fingerprint(image.sha256 for image in known),
                    "variant": "canonical",
                    "n": len(known) - missing,
                    "n_expected": len(known),
                }
            },
            **settings,
            "seed": None,
            "environment": ENVIRONMENT,
            "started": "2026-01-01T00:00:00+00:00",
            "seconds": 1.0,
        }
    )
    return folder
