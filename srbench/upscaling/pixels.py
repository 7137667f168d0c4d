"""Upscale the planes of a decoded image: colours with the model, opacity with bicubic."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from srbench.resize import imresize
from srbench.upscalers.base import Image, Upscaler
from srbench.upscaling.source_images import Samples, SourceImage

# The output is rounded in blocks of rows, because a large image leaves no memory for several copies.
_ROWS = 256


def upscaled_planes(upscaler: Upscaler, source: SourceImage, *, name: str) -> Samples:
    """Return the upscaled image H×W×C: gray, gray and alpha, RGB, or RGB and alpha.

    It has as many bits as the source, or 8 where the upscaler takes 8-bit input only. Gray is the mean of the model's
    three channels. Alpha is enlarged by MATLAB's bicubic.

    Raises:
        UpscalerError: the model fails, or memory runs out.
    """
    deep = source.is_deep and upscaler.takes_float
    top, dtype = (65535, np.uint16) if deep else (255, np.uint8)
    sr = upscaler.checked(model_input(source, deep=deep), dataset="input", name=name)
    alpha = None if source.alpha is None else imresize(_unit(source.alpha), upscaler.scale)
    colours = 1 if source.gray else 3
    planes = np.empty((*sr.shape[:2], colours + (alpha is not None)), dtype)
    for start in range(0, len(sr), _ROWS):
        rows = slice(start, start + _ROWS)
        planes[rows, :, :colours] = _samples(_colours(sr[rows], gray=source.gray), top)
        if alpha is not None:
            planes[rows, :, -1] = _samples(alpha[rows], top)
    return planes


def _colours(sr: Image, *, gray: bool) -> Image:
    values = sr.astype(np.float32) / np.float32(255) if sr.dtype == np.uint8 else sr
    return values.mean(axis=2, keepdims=True) if gray else values


def _samples(values: Image, top: int) -> NDArray[np.float32]:
    return np.rint(values.clip(0, 1) * np.float32(top))


def model_input(source: SourceImage, *, deep: bool) -> Image:
    """Return the input of a model: RGB uint8, or float32 in [0, 1] if `deep`.

    Pixels that are fully transparent get the colour of the nearest visible pixel: what files store there is arbitrary,
    and would shine through at the edges.
    """
    pixels = source.pixels
    if source.alpha is not None and (source.alpha > 0).any():
        nearest = ndimage.distance_transform_edt(source.alpha == 0, return_distances=False, return_indices=True)
        pixels = pixels[tuple(nearest)]
    if deep:
        return _unit(pixels)
    return np.rint(_unit(pixels) * 255).astype(np.uint8) if source.is_deep else pixels.astype(np.uint8)


def input_planes(source: SourceImage) -> Samples:
    """Return the planes of the input itself, turned as its EXIF orientation says."""
    colours = source.pixels[..., :1] if source.gray else source.pixels
    return colours if source.alpha is None else np.concatenate([colours, source.alpha[..., None]], axis=2)


def _unit(samples: Samples) -> NDArray[np.float32]:
    return samples.astype(np.float32) / np.float32(np.iinfo(samples.dtype).max)
