"""One image from its file to its rows: preparation, forward pass, scores."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from srbench.datasets.pairs import given_pair
from srbench.errors import ImageError, MetricError, ProtocolError
from srbench.evaluation.evaluation_plan import Plan, Task, saved_path
from srbench.images import pixel_sha256, save_png
from srbench.lr_diagnosis import diagnose
from srbench.protocols import to_8bit
from srbench.scores import Row
from srbench.upscalers.base import Image, Upscaler


@dataclass(frozen=True)
class Prepared:
    """An image ready for the model: HR' and LR, uint8 H×W×3, and the pixel hash of the dataset's HR."""

    task: Task
    hr: NDArray[np.uint8]
    lr: NDArray[np.uint8]
    hr_sha256: str


@contextmanager
def naming_the_image(task: Task) -> Iterator[None]:
    """Turn the errors of a protocol or a metric into ImageErrors that name the image."""
    try:
        yield
    except (ProtocolError, MetricError) as error:
        raise ImageError(f"{task.dataset.name}/{task.name}: {error}") from error


def prepare(task: Task, scale: int) -> Prepared:
    """Read an HR image and make or read its LR. Raises ImageError or DatasetError, which name the image."""
    original = task.dataset.hr(task.name)
    with naming_the_image(task):
        if task.lr != "made":
            hr, lr = given_pair(task.dataset, task.name, original, task.preparation, scale=scale)
        else:
            hr, lr = task.preparation.prepare(original, scale=scale, name=task.name)
    sha256 = pixel_sha256(original)
    task.dataset.require_hashed(task.name, sha256)
    return Prepared(task, hr, lr, sha256)


def forward(upscaler: Upscaler, prepared: Prepared) -> tuple[Image, float]:
    """Return the SR image and the seconds that the model took."""
    started = time.perf_counter()
    sr = upscaler.checked(prepared.lr, dataset=prepared.task.dataset.name, name=prepared.task.name)
    return sr, time.perf_counter() - started


def score(plan: Plan, prepared: Prepared, sr: Image, seconds: float) -> list[Row]:
    """Score an SR image under each protocol of its task, and save it where the plan asks for that."""
    task = prepared.task
    with naming_the_image(task):
        saved = to_8bit(sr)
        rows = _scored(plan, prepared, sr, saved, seconds) if task.protocols else []
    if plan.save_images is not None:
        save_png(saved_path(plan.save_images, task.dataset, task.name), saved)
    return rows


def _scored(plan: Plan, prepared: Prepared, sr: Image, saved: NDArray[np.uint8], seconds: float) -> list[Row]:
    task, scale = prepared.task, plan.upscaler.scale
    psnr_lr = task.protocols[0].psnr_lr(saved, prepared.lr, scale=scale, name=task.name)
    if task.examined and psnr_lr is not None:
        _examine(plan, prepared, sr, psnr_lr)
    shared = {
        "model": plan.upscaler.identity.spec,
        "dataset": task.dataset.name,
        "scale": scale,
        "image": task.name,
        "psnr_lr": psnr_lr,
        "seconds": seconds,
        "lr_source": task.lr,
        "hr_sha256": prepared.hr_sha256,
        "lr_sha256": pixel_sha256(prepared.lr),
        "lr_origin": None if task.lr == "made" else plan.lr_origins[task.dataset.name][task.name].kind,
        **_metric_scores(plan, saved, prepared.hr),
    }
    return [
        {
            **shared,
            "protocol": protocol.name,
            "protocol_version": protocol.version,
            **protocol.score(saved if protocol.scoring.rounded else sr, prepared.hr, scale=scale),
        }
        for protocol in task.protocols
    ]


def _metric_scores(plan: Plan, sr: NDArray[np.uint8], hr: NDArray[np.uint8]) -> dict[str, float]:
    """Return the scores of the plan's metrics by name. Raises MetricError, also for a score that is not a number."""
    scores: dict[str, float] = {}
    for name, compute in plan.loaded_metrics.items():
        scores[name] = float(compute(sr, hr))
        if not math.isfinite(scores[name]):
            raise MetricError(
                f"expected a finite {name}, got {scores[name]}; repeat the command without --metric {name}"
            )
    return scores


def _examine(plan: Plan, prepared: Prepared, sr: Image, psnr_lr: float) -> None:
    """Search an SR image for a mistake that explains a low `psnr_lr`."""
    task, scale = prepared.task, plan.upscaler.scale

    def degrade(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return task.preparation.degrade(image, scale=scale, name=task.name)

    cause = diagnose(sr, prepared.lr, degrade, psnr_lr=psnr_lr, scale=scale)
    for protocol in task.protocols:
        plan.findings.add((task.dataset.name, protocol.name), task.name, cause)
