"""Generated trees in the layouts that circulate, for every dataset."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from srbench.datasets.catalogue import CATALOGUE, known_images
from srbench.images import encode_png

Build = Callable[[Path, dict[str, bytes], dict[int, dict[str, bytes]], str], None]

SCALES = (2, 4)
FOLDERS = {"BSD100": "B100"}


def names_of(dataset: str) -> list[str]:
    """The names of all images of all splits, made up where the dataset's own are unknown."""
    if dataset == "DIV2K":
        return [f"{number:04}" for number in (*range(1, 801), *range(801, 901))]
    known = [image.name for image in known_images(dataset)]
    return known or [f"Title{index:03}" for index in range(CATALOGUE[dataset].split().count or 7)]


def image(seed: int, *, height: int = 12, width: int = 16) -> NDArray[np.uint8]:
    """Noise that is another image for every seed."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@cache
def content(dataset: str) -> tuple[dict[str, bytes], dict[int, dict[str, bytes]]]:
    """PNG bytes of HR by name, and of LR by scale and name: for reading alone, since all tests share them."""
    names = names_of(dataset)
    hr = {name: encode_png(image(seed)) for seed, name in enumerate(names)}
    lr = {
        scale: {name: encode_png(image(seed, height=12 // scale, width=16 // scale)) for seed, name in enumerate(names)}
        for scale in SCALES
    }
    return hr, lr


def _put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def flat(root: Path, hr: dict[str, bytes], lr: dict[int, dict[str, bytes]], dataset: str) -> None:
    """All HR in one folder."""
    for name, data in hr.items():
        _put(root / f"{name}.png", data)


def edsr(root: Path, hr: dict[str, bytes], lr: dict[int, dict[str, bytes]], dataset: str) -> None:
    """`benchmark/Set5/HR/baby.png`, `benchmark/Set5/LR_bicubic/X4/babyx4.png`, and a neighbour to be left out."""
    base = root / "benchmark" / FOLDERS.get(dataset, dataset)
    flat(base / "HR", hr, lr, dataset)
    for scale, images in lr.items():
        for name, data in images.items():
            _put(base / "LR_bicubic" / f"X{scale}" / f"{name}x{scale}.png", data)
    neighbour = "Set14" if dataset != "Set14" else "Set5"
    _put(root / "benchmark" / neighbour / "HR" / "zebra.png", encode_png(image(1)))


def basicsr(root: Path, hr: dict[str, bytes], lr: dict[int, dict[str, bytes]], dataset: str) -> None:
    """`GTmod12/baby.png`, `LRbicx4/baby.png`."""
    flat(root / "GTmod12", hr, lr, dataset)
    for scale, images in lr.items():
        flat(root / f"LRbicx{scale}", images, {}, dataset)


def selfexsr(root: Path, hr: dict[str, bytes], lr: dict[int, dict[str, bytes]], dataset: str) -> None:
    """`image_SRF_4/img_001_SRF_4_HR.png`, numbered in the order of names, with results of other methods beside."""
    for scale, images in lr.items():
        folder = root / f"image_SRF_{scale}"
        for number, (name, data) in enumerate(hr.items(), start=1):
            stem = f"img_{number:03}" if known_images(dataset) else name
            _put(folder / f"{stem}_SRF_{scale}_HR.png", data)
            _put(folder / f"{stem}_SRF_{scale}_LR.png", images[name])
            _put(folder / f"{stem}_SRF_{scale}_SRCNN.png", data)


def rcan(root: Path, hr: dict[str, bytes], lr: dict[int, dict[str, bytes]], dataset: str) -> None:
    """`HR/Set5/x4/baby_HR_x4.png`, `LR/LRBI/Set5/x4/baby_LRBI_x4.png`, and BD files to be left out."""
    for scale, images in lr.items():
        for name, data in hr.items():
            _put(root / "HR" / dataset / f"x{scale}" / f"{name}_HR_x{scale}.png", data)
            _put(root / "LR" / "LRBI" / dataset / f"x{scale}" / f"{name}_LRBI_x{scale}.png", images[name])
            _put(root / "LR" / "LRBD" / dataset / f"x{scale}" / f"{name}_LRBD_x{scale}.png", images[name])


def div2k(root: Path, hr: dict[str, bytes], lr: dict[int, dict[str, bytes]], dataset: str) -> None:
    """`DIV2K_train_HR/0001.png`, `DIV2K_train_LR_bicubic/X2/0001x2.png`, the same for `valid`."""
    for name, data in hr.items():
        part = "train" if dataset != "DIV2K" or int(name) <= 800 else "valid"
        _put(root / f"DIV2K_{part}_HR" / f"{name}.png", data)
        for scale, images in lr.items():
            _put(root / f"DIV2K_{part}_LR_bicubic" / f"X{scale}" / f"{name}x{scale}.png", images[name])


LAYOUTS: dict[str, tuple[Build, tuple[int, ...]]] = {
    "flat": (flat, ()),
    "edsr": (edsr, SCALES),
    "basicsr": (basicsr, SCALES),
    "selfexsr": (selfexsr, SCALES),
    "rcan": (rcan, SCALES),
    "div2k": (div2k, SCALES),
}
"""How each layout is built, and the scales of LR that it holds."""
