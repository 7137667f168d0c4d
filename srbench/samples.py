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
from srbench.submissions.crops import CORNERS, MAX_BYTES, SCALE, SIDE
from srbench.upscalers.base import Options, Upscaler
from srbench.upscalers.loading import as_upscaler


def make_samples(
    model: str | Upscaler, folder: Path, scale: int = SCALE, *, options: Options | None = None
) -> dict[str, Path]:
    """Upscale the Sample images whole, under `matlab-y`'s preparation, and write one lossless WebP crop of each.

    The files are `folder/NAME.webp`, 104×104 RGB, by image name in the result. Networks see the whole image, because
    attention may pool over it. The leaderboard shows crops at ×4; those of another scale are called `NAME_x2.webp`, so
    that no submission takes them.

    Raises:
        ImageError: the crops at ×4 take more than `MAX_BYTES`; nothing is written.
        SrbenchError: the model cannot be opened or run.
    """
    upscaler = as_upscaler(model, scale=scale, options=options)
    return _write(((name, _upscaled(upscaler, name, lr)) for name, _, lr in _prepared(scale)), folder, scale)


def make_references(folder: Path, scale: int = SCALE) -> dict[str, Path]:
    """The same crops of the HR images, written like `make_samples` does."""
    return _write(((name, hr) for name, hr, _ in _prepared(scale)), folder, scale)


def _prepared(scale: int) -> Iterable[tuple[str, NDArray[np.uint8], NDArray[np.uint8]]]:
    preparation, images = get_protocol("matlab-y").preparation, open_dataset("Sample")
    for name in CORNERS:
        hr, lr = preparation.prepare(images.hr(name), scale=scale, name=name)
        yield name, hr, lr


def _upscaled(upscaler: Upscaler, name: str, lr: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return to_8bit(upscaler.checked(lr, dataset="Sample", name=name))


def _write(images: Iterable[tuple[str, NDArray[np.uint8]]], folder: Path, scale: int) -> dict[str, Path]:
    encoded = {name: _lossless(_crop(image, *CORNERS[name])) for name, image in images}
    total = sum(map(len, encoded.values()))
    if total > MAX_BYTES and scale == SCALE:
        raise ImageError(
            f"expected sample crops of at most {MAX_BYTES} bytes together, got {total}: more detail than "
            "the photographs have; look at the model's output, or leave the samples out"
        )
    files = {name: folder / (f"{name}.webp" if scale == SCALE else f"{name}_x{scale}.webp") for name in encoded}
    for name, data in encoded.items():
        write_atomic(files[name], data)
    return files


def _crop(image: NDArray[np.uint8], top: int, left: int) -> NDArray[np.uint8]:
    return np.ascontiguousarray(image[top : top + SIDE, left : left + SIDE])


def _lossless(image: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="WEBP", lossless=True, quality=100, method=4)
    return buffer.getvalue()
