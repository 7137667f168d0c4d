"""Small SR crops of the embedded Sample set, for the leaderboard's image slider: at most 100 kB a model."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from srbench.datasets.imageset import open_dataset
from srbench.errors import ImageError
from srbench.files import write_atomic
from srbench.protocols import get_protocol, to_8bit
from srbench.submissions.crops import CORNERS, MAX_BYTES, SCALE, SIDE
from srbench.upscalers.base import Options, Upscaler
from srbench.upscalers.loading import as_upscaler

_PLACE_WIDTH = 208  # of the small picture that shows where a crop is


def make_samples(
    model: str | Upscaler, folder: Path, scale: int = SCALE, *, options: Options | None = None
) -> dict[str, Path]:
    """Upscale the complete Sample images as `matlab-y` prepares them, and write one lossless WebP crop of each.

    The files are `folder/NAME.webp`, 104×104 RGB, by image name in the result. Networks get the complete image,
    because attention may pool over it. The leaderboard shows crops at ×4; crops of other scales are called
    `NAME_x2.webp`, so that no submission accepts them.

    Raises:
        ImageError: the crops at ×4 take more than `MAX_BYTES`; nothing is written.
        SrbenchError: the model cannot be opened or run.
    """
    upscaler = as_upscaler(model, scale=scale, options=options)
    return _write(((name, _upscaled(upscaler, name, lr)) for name, _, lr in _prepared(scale)), folder, scale)


def make_references(folder: Path, scale: int = SCALE) -> dict[str, Path]:
    """Write the same crops of the HR images, as `make_samples` does."""
    return _write(((name, hr) for name, hr, _ in _prepared(scale)), folder, scale)


def make_context(folder: Path) -> list[Path]:
    """Write what a gallery shows next to the crops, for each image, and return the files.

    `NAME_lr.webp` is the crop of the LR at `SCALE`, and `NAME_place.webp` is the complete HR image at a width of 208
    pixels, with a box around the crop.
    """
    files = []
    for name, hr, lr in _prepared(SCALE):
        top, left = (corner // SCALE for corner in CORNERS[name])
        side = SIDE // SCALE
        pictures = {"lr": lr[top : top + side, left : left + side], "place": _with_box(hr, *CORNERS[name])}
        for kind, picture in pictures.items():
            files.append(folder / f"{name}_{kind}.webp")
            write_atomic(files[-1], _encoded(picture, lossless=kind == "lr"))
    return files


def _with_box(image: NDArray[np.uint8], top: int, left: int) -> NDArray[np.uint8]:
    share = _PLACE_WIDTH / image.shape[1]
    small = Image.fromarray(image).resize((_PLACE_WIDTH, round(image.shape[0] * share)), Image.Resampling.LANCZOS)
    box = [round(end * share) for end in (left, top, left + SIDE, top + SIDE)]
    draw = ImageDraw.Draw(small)
    draw.rectangle(box, outline=(0, 0, 0), width=4)
    draw.rectangle([box[0] + 1, box[1] + 1, box[2] - 1, box[3] - 1], outline=(255, 220, 0), width=2)
    return np.asarray(small)


def _prepared(scale: int) -> Iterable[tuple[str, NDArray[np.uint8], NDArray[np.uint8]]]:
    preparation, images = get_protocol("matlab-y").preparation, open_dataset("Sample")
    for name in CORNERS:
        hr, lr = preparation.prepare(images.hr(name), scale=scale, name=name)
        yield name, hr, lr


def _upscaled(upscaler: Upscaler, name: str, lr: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return to_8bit(upscaler.checked(lr, dataset="Sample", name=name))


def _write(images: Iterable[tuple[str, NDArray[np.uint8]]], folder: Path, scale: int) -> dict[str, Path]:
    encoded = {name: _encoded(_crop(image, *CORNERS[name])) for name, image in images}
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


def _encoded(image: NDArray[np.uint8], *, lossless: bool = True) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="WEBP", lossless=lossless, quality=100 if lossless else 85, method=4)
    return buffer.getvalue()
