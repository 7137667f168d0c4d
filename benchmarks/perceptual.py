"""Scores of real-world pairs against the log of OSEDiff's authors: ours, printed, difference."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from srbench.claim_audit.variants import psnr_with_epsilon
from srbench.images import decode
from srbench.metrics.metric_entries import get_metric
from srbench.protocols import get_protocol

HEADER = ["image", "score", "ours", "log", "difference"]
"""The columns of `perceptual_rows`."""

# By score: the largest difference allowed. `reference/README.md` says why a CPU differs from the log's GPU.
TOLERANCES = {"psnr_y": 1e-5, "ssim_y": 2e-6, "lpips_alex": 1.6e-5, "dists": 2.9e-5, "niqe": 0.005}
_COMPUTED = ("lpips_alex", "dists", "niqe")


def perceptual_rows(material: Path) -> Iterator[tuple[list[str], bool]]:
    """Yield one row per image and score with whether the log is met.

    The log's PSNR has an epsilon of 1e-8 in the MSE. It is added to ours here, and is no part of `pairs-y`.

    Args:
        material: the folder of `$SRBENCH_TEST_DATA`, with data, checkpoints and reference.
    """
    with mirrored(material / "checkpoints/perceptual"):
        metrics = {name: get_metric(name).load(torch.device("cpu")) for name in _COMPUTED}
    with (material / "reference/osediff_log6.csv").open(newline="") as file:
        logged = list(csv.DictReader(file))
    for row in logged:
        sr, hr = (decode(material / "data/OSEDiff6" / kind / f"{row['image']}.png") for kind in ("SR", "HR"))
        ours = get_protocol("pairs-y").score(sr, hr, scale=4)
        ours["psnr_y"] = psnr_with_epsilon(float(ours["psnr_y"] or np.nan))
        ours |= {name: compute(sr, hr) for name, compute in metrics.items()}
        for name, tolerance in TOLERANCES.items():
            score, printed = float(ours[name] or 0), float(row[name])
            cells = [row["image"], name, f"{score:.6f}", f"{printed:.6f}", f"{score - printed:+.6f}"]
            yield cells, abs(score - printed) <= tolerance


@contextmanager
def mirrored(folder: Path) -> Iterator[None]:
    """Search weights in a folder in which they are for certain, then restore `$SRBENCH_MIRROR`."""
    before = os.environ.get("SRBENCH_MIRROR")
    os.environ["SRBENCH_MIRROR"] = str(folder)
    try:
        yield
    finally:
        os.environ.pop("SRBENCH_MIRROR")
        if before is not None:
            os.environ["SRBENCH_MIRROR"] = before
