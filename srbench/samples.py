"""Small SR crops of the embedded Sample set, for the leaderboard's image slider: at most 100 kB a model."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from srbench.datasets.imageset import open_dataset
from srbench.errors import ImageError
from srbench.files import write_atomic
from srbench.protocols import get_protocol, to_8bit
from srbench.upscalers.base import Options, Upscaler
from srbench.upscalers.specs import as_upscaler

MAX_BYTES = 100_000
"""What the crops of one model may take together."""
SIDE = 104
"""Side of a crop in HR pixels: the largest at which even the ground truth, lossless, stays within `MAX_BYTES`."""
CORNERS = {
    "astronaut": (332, 116),
    "brick": (200, 200),
    "chelsea": (60, 116),
    "coffee": (220, 316),
    "grass": (200, 200),
    "gravel": (200, 200),
    "motorcycle_left": (228, 376),
}
"""Top and left of each image's crop, in HR pixels: fine structure or texture."""


def make_samples(
    model: str | Upscaler, folder: Path, scale: int = 4, *, options: Options | None = None
) -> dict[str, Path]:
    """Upscale the Sample images whole, under `matlab-y`'s preparation, and write one lossless WebP crop of each.

    The files are `folder/NAME.webp`, 104×104 RGB, by image name in the result. Networks see the whole image, because
    attention may pool over it.

    Raises:
        ImageError: the crops take more than `MAX_BYTES`; nothing is written.
        SrbenchError: the model cannot be opened or run.
    """
    upscaler = as_upscaler(model, scale=scale, options=options)
    return _write(((name, _upscaled(upscaler, name, lr)) for name, _, lr in _prepared(scale)), folder)


def make_references(folder: Path, scale: int = 4) -> dict[str, Path]:
    """The same crops of the HR images, written like `make_samples` does."""
    return _write(((name, hr) for name, hr, _ in _prepared(scale)), folder)


def _prepared(scale: int) -> Iterable[tuple[str, NDArray[np.uint8], NDArray[np.uint8]]]:
    preparation, images = get_protocol("matlab-y").preparation, open_dataset("Sample")
    for name in CORNERS:
        hr, lr = preparation.prepare(images.hr(name), scale=scale, name=name)
        yield name, hr, lr


def _upscaled(upscaler: Upscaler, name: str, lr: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return to_8bit(upscaler.checked(lr, dataset="Sample", name=name))


def _write(images: Iterable[tuple[str, NDArray[np.uint8]]], folder: Path) -> dict[str, Path]:
    encoded = {name: _lossless(_crop(image, *CORNERS[name])) for name, image in images}
    total = sum(map(len, encoded.values()))
    if total > MAX_BYTES:
        raise ImageError(f"expected sample crops of at most {MAX_BYTES} bytes together, got {total}: more detail than "
                         "the photographs have; look at the model's output, or leave the samples out")
    for name, data in encoded.items():
        write_atomic(folder / f"{name}.webp", data)
    return {name: folder / f"{name}.webp" for name in encoded}


def _crop(image: NDArray[np.uint8], top: int, left: int) -> NDArray[np.uint8]:
    return np.ascontiguousarray(image[top : top + SIDE, left : left + SIDE])


def _lossless(image: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="WEBP", lossless=True, quality=100, method=4)
    return buffer.getvalue()
