"""Compare an entry's sample crops with reproduced ones, or, without reproduced ones, with the photographs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from srbench.datasets.imageset import open_dataset
from srbench.submissions import Submission
from srbench.submissions.crops import CORNERS, SAMPLES_NAME, crop_named
from srbench.verification.findings import EntryFindings

LARGEST_CHANGE = 1
"""The number of levels by which a value may differ between devices: one may round up, the other down."""

_COARSE, _FINE = (0.01, 0.1), (0.14, 0.25)
"""Bands in cycles per pixel: what an LR ×4 shows, and what is above its limit of 0.125 and below that of ×2."""

LEAST_COARSE = 0.8
"""The lowest coarse correlation with the photograph; a crop below it shows something else. Bicubic has 0.98."""

MOST_FINE = dict.fromkeys(CORNERS, 0.87) | {"grass": 0.45, "gravel": 0.45}
"""The highest correlation in the fine band; a crop above it has detail that an LR ×4 does not contain.

Networks at ×4 reach 0.76 on the fur and edges of `chelsea`, and 0.17 and 0.32 on the textures `grass` and `gravel`;
bicubic alone has 0.5 on these at ×3, and 0.92 on every crop at ×2.
"""


def check_crops(crops: Mapping[str, bytes]) -> EntryFindings:
    """Yield findings about crops, given by file name: other photographs, or detail that the LR of their scale lacks.

    The check cannot find out which model made them. Detail is checked in the small crops, which are of ×4.
    """
    shown = {name.rpartition(".")[0]: _spectrum(_decoded(data)) for name, data in crops.items()}
    coarse = {name: _correlation(found, _truth(name), _COARSE) for name, found in shown.items()}
    fine = {name: _correlation(shown[name], _truth(name), _FINE) for name in CORNERS if name in shown}
    if other := [name for name, found in coarse.items() if found < LEAST_COARSE]:
        yield "review", f"samples that do not show the photograph of their name: {', '.join(other)}"
    if known := [name for name, found in fine.items() if name not in other and found > MOST_FINE[name]]:
        yield (
            "review",
            f"samples with detail that an LR ×4 does not contain, as crops of a smaller scale or of the HR: "
            f"{', '.join(known)}",
        )


def compare_crops(entry: Submission, fresh: Path) -> list[str]:
    """Return the failures of an entry's crops; `fresh` is a folder of reproduced crops from `srbench samples`."""
    moved: dict[str, int] = {}
    for name in entry.samples:
        files = (entry.folder / SAMPLES_NAME / name, fresh / f"{Path(name).stem}.webp")
        shown, own = (_decoded(file.read_bytes()).astype(np.int16) for file in files)
        moved[name] = np.abs(shown - own).max()
    return [
        f"{SAMPLES_NAME}/{name}: a value differs by {change} levels from the model's own crop; make them again "
        "with srbench samples"
        for name, change in moved.items()
        if change > LARGEST_CHANGE
    ]


def _decoded(data: bytes) -> NDArray[np.uint8]:
    with Image.open(BytesIO(data), formats=("PNG", "WEBP")) as image:
        return np.asarray(image)


@cache
def _truth(stem: str) -> NDArray[np.complex128]:
    crop = crop_named(stem)
    if crop is None:
        raise ValueError(f"expected the name of a crop, got {stem!r}")
    hr = open_dataset("Sample").hr(crop.image)
    return _spectrum(hr[crop.top : crop.top + crop.side, crop.left : crop.left + crop.side])


def _spectrum(image: NDArray[np.uint8]) -> NDArray[np.complex128]:
    gray = image.mean(axis=2)
    window = np.hanning(len(gray))
    return np.fft.fft2((gray - gray.mean()) * np.outer(window, window))


def _correlation(one: NDArray[np.complex128], other: NDArray[np.complex128], band: tuple[float, float]) -> float:
    """Return the correlation of two pictures in a band of frequencies; 0 if one of them is empty in this band."""
    steps = np.abs(np.fft.fftfreq(len(one)))
    frequency = np.maximum(steps[:, None], steps)
    one, other = (spectrum[(frequency >= band[0]) & (frequency < band[1])] for spectrum in (one, other))
    size = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(np.vdot(one, other).real) / size if size > 0 else 0.0
