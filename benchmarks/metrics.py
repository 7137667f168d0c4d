"""PSNR and SSIM of a 512×512 luma pair against other libraries: time, and distance from the exact value.

The exact value is the definition summed directly in extended precision. Each peer is called as its users call it, and
is given the range it expects; a distance beyond rounding is a convention of its own, not an error of arithmetic.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from types import ModuleType

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from skimage.data import astronaut
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from benchmarks import peers
from benchmarks.report import BenchRow, speed_row, timings, without_peer
from srbench.metrics import psnr, ssim
from srbench.protocols import MATLAB_LUMA

Luma = NDArray[np.float64]
Metric = Callable[[], float]

_SIDE, _REPEATS = 512, 15
_LIMIT = "SSIM, 512×512 luma pair, against the faster of scikit-image and cv2.filter2D"


def rows() -> list[BenchRow]:
    """The limit of SSIM, then one row per metric and peer: times faster, and how far each is from the exact value."""
    first, second = _pair()
    ours = {"PSNR": partial(psnr, first, second, data_range=255), "SSIM": partial(_ours, first, second)}
    exact = {"PSNR": _exact_psnr(first, second), "SSIM": _exact_ssim(first, second)}
    found = _limits(ours["SSIM"], first, second, exact["SSIM"])
    for metric, mine in ours.items():
        found += _against_peers(metric, mine, first, second, exact[metric])
    return found


def _pair() -> tuple[Luma, Luma]:
    image = astronaut()
    noisy = image + np.random.default_rng(0).normal(0, 8, image.shape)
    return MATLAB_LUMA(image), MATLAB_LUMA(noisy.clip(0, 255))


def _limits(ours: Metric, first: Luma, second: Luma, exact: float) -> list[BenchRow]:
    skimage, filter2d = partial(_scikit_image, first, second), partial(_filter2d, first, second)
    mine, *others = timings(ours, skimage, filter2d, repeats=_REPEATS)
    better = min(others, key=lambda timing: timing.median)
    distance = max(abs(call() - exact) for call in (ours, skimage, filter2d))
    return [
        speed_row(_LIMIT, mine, better, "≥ 3"),
        BenchRow(
            "SSIM, largest distance of the three from the exact value",
            f"{ours():.13f}",
            f"{distance:.1e}",
            distance,
            "≤ 1e-12",
        ),
    ]


def _against_peers(metric: str, ours: Metric, first: Luma, second: Luma, exact: float) -> list[BenchRow]:
    found = []
    for title, calls in _PEERS.items():
        name = f"{metric}, 512×512 luma pair, against {title}"
        try:
            theirs = calls(first, second)[metric]
        except peers.PeerMissing as missing:
            found.append(without_peer(name, str(missing)))
            continue
        mine, other = timings(ours, theirs, repeats=_REPEATS)
        note = f"times faster; off by {abs(ours() - exact):.0e} here, {abs(theirs() - exact):.0e} there"
        found.append(speed_row(name, mine, other, note=note))
    return found


def _ours(first: Luma, second: Luma) -> float:
    return ssim(first, second, data_range=255, window=11, sigma=1.5, k1=0.01, k2=0.03, clip_contrast=False)


def _scikit_image(first: Luma, second: Luma) -> float:
    # truncate = 3.5 makes scikit-image's window 11 wide, and its mean is over the region where the window fits.
    return float(
        structural_similarity(
            first, second, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
    )


def _filter2d(first: Luma, second: Luma) -> float:
    line = cv2.getGaussianKernel(11, 1.5)
    window = line @ line.T
    return _ssim_of(first, second, lambda image: np.asarray(cv2.filter2D(image, -1, window)[5:-5, 5:-5], np.float64))


def _exact_ssim(first: Luma, second: Luma) -> float:
    offsets = np.arange(-5, 6, dtype=np.longdouble)
    line = np.exp(-(offsets**2) / (2 * np.longdouble(1.5) ** 2))
    line /= line.sum()

    def blur(image: NDArray[np.longdouble]) -> NDArray[np.longdouble]:
        lines = sum(weight * image[start : start + _SIDE - 10] for start, weight in enumerate(line))
        return np.asarray(sum(weight * lines[:, start : start + _SIDE - 10] for start, weight in enumerate(line)))

    return _ssim_of(first.astype(np.longdouble), second.astype(np.longdouble), blur)


def _ssim_of(x: NDArray[np.floating], y: NDArray[np.floating], blur: Callable[..., NDArray[np.floating]]) -> float:
    """Equation 13 of the SSIM paper, over the area that `blur` leaves."""
    mean_x, mean_y = blur(x), blur(y)
    variance_x, variance_y = blur(x * x) - mean_x * mean_x, blur(y * y) - mean_y * mean_y
    covariance = blur(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    numerator = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    return float((numerator / ((mean_x**2 + mean_y**2 + c1) * (variance_x + variance_y + c2))).mean())


def _exact_psnr(first: Luma, second: Luma) -> float:
    error = first.astype(np.longdouble) - second.astype(np.longdouble)
    return float(10 * np.log10(255**2 / np.mean(error * error)))


def _of_scikit_image(first: Luma, second: Luma) -> dict[str, Metric]:
    return {
        "PSNR": lambda: float(peak_signal_noise_ratio(first, second, data_range=255)),
        "SSIM": partial(_scikit_image, first, second),
    }


def _of_basicsr(first: Luma, second: Luma) -> dict[str, Metric]:
    functions = basicsr_metrics()
    return {
        "PSNR": lambda: float(functions.calculate_psnr(first, second, crop_border=0)),
        "SSIM": lambda: float(functions.calculate_ssim(first, second, crop_border=0)),
    }


def basicsr_metrics() -> ModuleType:
    """BasicSR's module of PSNR and SSIM. Raises PeerMissing."""
    color = peers.module(peers.BASICSR, "basicsr.utils.color_util")
    peers.shell(peers.BASICSR, "basicsr.utils", bgr2ycbcr=color.bgr2ycbcr)
    return peers.module(peers.BASICSR, "basicsr.metrics.psnr_ssim")


def _of_piq(first: Luma, second: Luma) -> dict[str, Metric]:
    one, two = _unit_batch(first), _unit_batch(second)
    measure = {name: getattr(peers.module(peers.PIQ, f"piq.{name}"), name) for name in ("psnr", "ssim")}
    return {
        "PSNR": lambda: float(measure["psnr"](one, two)),
        "SSIM": lambda: float(measure["ssim"](one, two, downsample=False)),
    }


def _of_torchmetrics(first: Luma, second: Luma) -> dict[str, Metric]:
    peers.importable(peers.LIGHTNING_UTILITIES)
    peers.shell(peers.TORCHMETRICS, "torchmetrics", _logger=logging.getLogger("torchmetrics"))
    psnr_of, ssim_of = (
        peers.module(peers.TORCHMETRICS, f"torchmetrics.functional.image.{name}") for name in ("psnr", "ssim")
    )
    one, two = _unit_batch(first), _unit_batch(second)
    return {
        "PSNR": lambda: float(psnr_of.peak_signal_noise_ratio(one, two, data_range=1.0)),
        "SSIM": lambda: float(ssim_of.structural_similarity_index_measure(one, two, data_range=1.0)),
    }


def _unit_batch(image: Luma) -> torch.Tensor:
    return torch.from_numpy(image / 255).float()[None, None]


_PEERS: dict[str, Callable[[Luma, Luma], dict[str, Metric]]] = {
    "scikit-image": _of_scikit_image,
    peers.BASICSR.title: _of_basicsr,
    peers.PIQ.title: _of_piq,
    peers.TORCHMETRICS.title: _of_torchmetrics,
}
