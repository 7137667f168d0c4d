"""SR crops of the embedded Sample set, for the leaderboard's gallery and image slider."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from srbench.datasets.imageset import open_dataset
from srbench.errors import ImageError
from srbench.files import write_atomic
from srbench.protocols import get_protocol, to_8bit
from srbench.submissions.crops import MAX_BYTES, MAX_TEXTURE_BYTES, SampleCrop, crops_at
from srbench.upscalers.base import Options, Upscaler
from srbench.upscalers.loading import as_upscaler

_PLACE_WIDTH = 208  # width in pixels of the small picture that shows the position of a crop


def make_samples(
    model: str | Upscaler, folder: Path, scale: int = 4, *, options: Options | None = None
) -> dict[str, Path]:
    """Upscale complete Sample images as `matlab-y` prepares them, and write lossless WebP crops of them.

    The files are RGB, by name without the suffix in the result: `srbench.submissions.crops.crops_at` lists them.
    Networks get the complete image, because attention may pool over it.

    Raises:
        ImageError: the crops take more than `MAX_BYTES` or `MAX_TEXTURE_BYTES`; nothing is written.
        SrbenchError: the model cannot be opened or run.
    """
    upscaler = as_upscaler(model, scale=scale, options=options)
    return _write(scale, {name: _upscaled(upscaler, name, lr) for name, (_, lr) in _prepared(scale).items()}, folder)


def make_references(folder: Path, scale: int = 4) -> dict[str, Path]:
    """Write the same crops of the HR images, under the names of `SampleCrop.reference`."""
    images = {name: hr for name, (hr, _) in _prepared(scale).items()}
    files = {crop.reference: folder / f"{crop.reference}.webp" for crop in crops_at(scale)}
    for crop in crops_at(scale):
        write_atomic(files[crop.reference], encoded_webp(_part(images[crop.image], crop)))
    return files


def make_context(folder: Path, scale: int = 4) -> list[Path]:
    """Write what a gallery shows next to the crops of a scale, for each crop, and return the files.

    `STEM_lr.webp` is the crop of the LR. `REFERENCE_place.webp` is the complete HR image at a width of 208 pixels, with
    a box around the crop.
    """
    files = []
    prepared = _prepared(scale)
    for crop in crops_at(scale):
        hr, lr = prepared[crop.image]
        top, left, side = (value // scale for value in (crop.top, crop.left, crop.side))
        files += [folder / f"{crop.stem}_lr.webp", folder / f"{crop.reference}_place.webp"]
        write_atomic(files[-2], encoded_webp(lr[top : top + side, left : left + side]))
        write_atomic(files[-1], encoded_webp(with_box(hr, _edges(crop)), lossless=False))
    return files


def with_box(image: NDArray[np.uint8], edges: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    """Return an image at a width of 208 pixels with a box drawn in it; `edges` are left, top, right and bottom."""
    share = _PLACE_WIDTH / image.shape[1]
    small = Image.fromarray(image).resize((_PLACE_WIDTH, round(image.shape[0] * share)), Image.Resampling.LANCZOS)
    box = [round(edge * share) for edge in edges]
    draw = ImageDraw.Draw(small)
    draw.rectangle(box, outline=(0, 0, 0), width=4)
    draw.rectangle([box[0] + 1, box[1] + 1, box[2] - 1, box[3] - 1], outline=(255, 220, 0), width=2)
    return np.asarray(small)


def _prepared(scale: int) -> dict[str, tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    """Return HR and LR of each image that has a crop at a scale."""
    preparation, images = get_protocol("matlab-y").preparation, open_dataset("Sample")
    names = dict.fromkeys(crop.image for crop in crops_at(scale))
    return {name: preparation.prepare(images.hr(name), scale=scale, name=name) for name in names}


def _upscaled(upscaler: Upscaler, name: str, lr: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return to_8bit(upscaler.checked(lr, dataset="Sample", name=name))


def _write(scale: int, images: Mapping[str, NDArray[np.uint8]], folder: Path) -> dict[str, Path]:
    encoded = {crop: encoded_webp(_part(images[crop.image], crop)) for crop in crops_at(scale)}
    for large, most in ((False, MAX_BYTES), (True, MAX_TEXTURE_BYTES)):
        total = sum(len(data) for crop, data in encoded.items() if crop.is_large is large)
        if total > most:
            raise ImageError(
                f"expected sample crops of at most {most:,} bytes together, got {total:,}: more detail than "
                "the photographs have; look at the model's output, or leave the samples out"
            )
    files = {crop.stem: folder / f"{crop.stem}.webp" for crop in encoded}
    for crop, data in encoded.items():
        write_atomic(files[crop.stem], data)
    return files


def _edges(crop: SampleCrop) -> tuple[int, int, int, int]:
    return crop.left, crop.top, crop.left + crop.side, crop.top + crop.side


def _part(image: NDArray[np.uint8], crop: SampleCrop) -> NDArray[np.uint8]:
    return np.ascontiguousarray(image[crop.top : crop.top + crop.side, crop.left : crop.left + crop.side])


def encoded_webp(image: NDArray[np.uint8], *, lossless: bool = True) -> bytes:
    """Return an image H×W×3 as a WebP file."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="WEBP", lossless=lossless, quality=100 if lossless else 85, method=4)
    return buffer.getvalue()
