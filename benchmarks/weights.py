"""What weights score: published ones where other numbers were printed, and those that were trained here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from srbench.datasets import open_dataset
from srbench.protocols import get_protocol
from srbench.result import evaluate
from srbench.upscalers.loading import open_upscaler
from srbench.zoo.trained import records
from srbench.zoo.weights_catalogue import CATALOGUE, DEFAULT_TAG, ExpectedScore, WeightsEntry

HEADER = ["weights", "set", "published", "measured", "outputs cut, not rounded"]
"""The columns of `weights_rows`; cut outputs are those of CARN-pytorch's own script, which leaves out the rounding."""

TOLERANCE = (0.002, 0.0001)
"""How near, in dB and SSIM, a measured mean must be to the catalogue's."""


def weights_rows(root: Path) -> Iterator[tuple[list[str], bool]]:
    """One row per weights file, scale and set for which the catalogue has both published and measured scores.

    Each comes with whether the measured means are the catalogue's. Raises SrbenchError where a set is missing.
    """
    for entry in CATALOGUE:
        for published in entry.published:
            expected = next(
                score for score in entry.scores if (score.scale, score.dataset) == (published.scale, published.dataset)
            )
            rounded, cut = _measure(entry, published, root)
            held = within(rounded[0] - expected.psnr_y, rounded[1] - expected.ssim_y, TOLERANCE)
            yield (
                [
                    entry.spec,
                    f"{published.dataset} ×{published.scale}",
                    f"{published.psnr_y:.2f} / {published.ssim_y:.4f}",
                    _difference(rounded, published),
                    _difference(cut, published),
                ],
                held,
            )


TRAINED_HEADER = ["weights", "bicubic", "in its record", "measured"]
"""The columns of `trained_rows`."""


def trained_rows(root: Path) -> Iterator[tuple[list[str], bool]]:
    """Each file that was trained here on Set5, with whether it scores what its record says."""
    for record in records():
        network, scale = record["network"], record["scale"]
        told, bicubic = (record[kind]["Set5"] for kind in ("scores", "bicubic"))
        scores = evaluate(f"zoo:{network}@{DEFAULT_TAG}", "Set5", scale=scale, data_root=root).scores
        psnr, ssim = (float(scores[metric].mean()) for metric in ("psnr_y", "ssim_y"))
        pairs = [(bicubic["psnr_y"], bicubic["ssim_y"]), (told["psnr_y"], told["ssim_y"]), (psnr, ssim)]
        held = within(psnr - told["psnr_y"], ssim - told["ssim_y"], TOLERANCE)
        yield [f"zoo:{network} ×{scale}", *map(_pair, pairs)], held


def within(psnr: float, ssim: float, tolerance: tuple[float, float]) -> bool:
    """Whether differences of PSNR and SSIM are no larger than the tolerance for each."""
    return bool(abs(psnr) <= tolerance[0] and abs(ssim) <= tolerance[1])


def _pair(means: tuple[float, float]) -> str:
    return f"{means[0]:.3f} / {means[1]:.4f}"


def _difference(means: tuple[float, float], published: ExpectedScore) -> str:
    return f"{_pair(means)} ({means[0] - published.psnr_y:+.3f} dB)"


def _measure(entry: WeightsEntry, score: ExpectedScore, root: Path) -> tuple[tuple[float, float], tuple[float, float]]:
    """Mean PSNR and SSIM under `matlab-y`: with its rounding, and with outputs cut to 8 bits."""
    protocol = get_protocol("matlab-y")
    upscaler = open_upscaler(entry.spec, scale=score.scale)
    dataset = open_dataset(score.dataset, data_root=root)
    rounded, cut = [], []
    for name in dataset.names:
        hr, lr = protocol.prepare(dataset.hr(name), scale=score.scale)
        sr = upscaler.checked(lr, dataset=score.dataset, name=name)
        rounded.append(protocol.score(sr, hr, scale=score.scale))
        cut.append(protocol.score(_cut(sr), hr, scale=score.scale))
    return _mean(rounded), _mean(cut)


def _cut(sr: NDArray[np.uint8 | np.float32]) -> NDArray[np.uint8]:
    cut: NDArray[np.uint8] = (np.clip(sr.astype(np.float32), 0, 1) * np.float32(255)).astype(np.uint8)
    return cut


def _mean(scores: list[dict[str, float | None]]) -> tuple[float, float]:
    psnr, ssim = np.array([(score["psnr_y"], score["ssim_y"]) for score in scores], dtype=np.float64).mean(0)
    return float(psnr), float(ssim)
