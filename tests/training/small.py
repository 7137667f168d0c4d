"""Trainings small enough for a test, and the same in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from srbench.images import save_png
from srbench.resize import imresize
from srbench.training.job import Job
from srbench.training.recipe import Recipe, recipe_from
from srbench.training.records import with_checksum

SMALL: dict[str, Any] = {
    "name": "small",
    "summary": "a few steps",
    "steps": 8,
    "batch": 4,
    "patch": 8,
    "learning_rate": 1e-3,
    "schedule": "one-cycle",
    "ema": 0.9,
    "held_out": ["i1", "i4"],
    "validate_every": 4,
    "clip": 1.0,
}

ROOT = Path(__file__).parents[2]


def small_recipe(**changes: Any) -> Recipe:
    return recipe_from({**SMALL, **changes})


def write_images(folder: Path, count: int = 6, side: int = 40) -> Path:
    """Smooth random images of unequal sizes."""
    random = np.random.default_rng(5)
    for number in range(count):
        rough = random.integers(0, 256, (side // 4, side // 4 + number, 3), dtype=np.uint8)
        save_png(folder / f"i{number}.png", imresize(rough, 4))
    return folder


def small_job(images: Path, output: Path, **changes: Any) -> Job:
    plain: dict[str, Any] = {
        "network": "imdn",
        "scale": 2,
        "recipe": small_recipe(),
        "device": "cpu",
        "log_every": 1,
        "progress": False,
    }
    return Job(**{**plain, "train_set": f"folder:{images}", "output": output, **changes})


def rewrite_record(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the record of a finished training, and make its checksum fit again."""
    record = json.loads((folder / "training.json").read_text())
    change(record)
    (folder / "training.json").write_text(json.dumps(with_checksum(record)))


def losses(folder: Path) -> list[float]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines if "loss" in line]


def start(arguments: list[str], *, module: str = "srbench", **environment: str) -> subprocess.Popen[str]:
    """`python -m MODULE ARGUMENTS` in a process of its own, with as many threads as this one."""
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads()), **environment},
    )


def command_line(images: Path, output: Path, recipe: Recipe, folder: Path) -> list[str]:
    """The command that trains as `small_job` does; the recipe is written into `folder`."""
    file = folder / f"{recipe.name}.toml"
    values = {key: value for key, value in recipe.document().items() if key != "name"}
    # A JSON value of these kinds is the same in TOML.
    file.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items()))
    return [
        "train",
        "--model",
        "imdn",
        "--scale",
        "2",
        "--recipe",
        str(file),
        "--train-set",
        f"folder:{images}",
        "--output",
        str(output),
        "--device",
        "cpu",
    ]
