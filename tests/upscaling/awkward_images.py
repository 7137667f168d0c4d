"""Twenty images that programs often get wrong: 15 that can be upscaled, 5 that cannot."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

HEIGHT, WIDTH = 24, 36
ICC: bytes = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()

UPSCALED = {
    "1bit.png": "L",
    "alpha.png": "RGBA",
    "bmp.bmp": "RGB",
    "exif6.jpg": "RGB",
    "gray.png": "L",
    "gray-alpha.png": "LA",
    "gray16.png": "I;16",
    "größe & <b> 'x'.png": "RGB",
    "icc.png": "RGB",
    "one-pixel.png": "RGB",
    "palette.gif": "RGB",
    "palette-transparent.png": "RGBA",
    "rgb16.png": "RGB",
    "rgb16.tif": "RGB",
    "webp.webp": "RGB",
}
"""By file name, the mode that Pillow gives the upscaled PNG (RGB also for 16 bits)."""

REFUSED = {
    "animated.gif": "3 frames of an animation",
    "cmyk.jpg": "CMYK",
    "float.tif": "the colour mode F",
    "pages.tif": "2 pages",
    "truncated.png": "does not decode",
}
"""By file name, words of the error message."""


def photo(height: int = HEIGHT, width: int = WIDTH) -> NDArray[np.uint8]:
    """Return a picture with an edge, a ramp and noise, which is different in all four corners."""
    rows, columns = np.mgrid[:height, :width] / max(height, width)
    image = np.stack([rows, columns, np.where(rows + columns > 0.6, 0.9, 0.1)], axis=2)
    noise = np.random.default_rng(0).normal(0, 0.02, image.shape)
    return np.rint((image + noise).clip(0, 1) * 255).astype(np.uint8)


def deep_photo() -> NDArray[np.uint16]:
    """Return a 16-bit RGB ramp whose steps are smaller than those of 8 bits."""
    ramp = np.linspace(20000, 21000, WIDTH)[None, :, None] + np.zeros((HEIGHT, WIDTH, 3))
    return np.rint(ramp + np.array([0, 5000, 10000])).astype(np.uint16)


def write_awkward(folder: Path) -> None:
    """Write all images of `UPSCALED` and `REFUSED`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, image, options in _images():
        image.save(folder / name, **cast(Any, options))
    deep = deep_photo()
    for name, planes in (("gray16.png", deep[..., 0]), ("rgb16.png", deep[..., ::-1]), ("rgb16.tif", deep[..., ::-1])):
        _write_deep(folder / name, planes)
    _write_deep(folder / "float.tif", photo().astype(np.float32)[..., 0])
    frames = [Image.fromarray(np.roll(photo(), shift, axis=1)) for shift in range(3)]
    frames[0].save(folder / "animated.gif", save_all=True, append_images=frames[1:])
    frames[0].save(folder / "pages.tif", save_all=True, append_images=frames[1:2])
    whole = folder / "icc.png"
    (folder / "truncated.png").write_bytes(whole.read_bytes()[:-400])


def _write_deep(path: Path, planes: NDArray[np.uint16] | NDArray[np.float32]) -> None:
    path.write_bytes(bytes(cv2.imencode(path.suffix, np.ascontiguousarray(planes))[1]))


def _images() -> Iterator[tuple[str, Image.Image, dict[str, object]]]:
    rgb = Image.fromarray(photo())
    gray = rgb.convert("L")
    alpha = Image.fromarray(np.tile(np.linspace(0, 255, WIDTH).astype(np.uint8), (HEIGHT, 1)))
    transparent = rgb.copy()
    transparent.putalpha(alpha)
    palette = rgb.quantize(16)
    turned = Image.Exif()
    turned[274] = 6
    yield "1bit.png", gray.convert("1"), {}
    yield "alpha.png", transparent, {}
    yield "bmp.bmp", rgb, {}
    yield "exif6.jpg", rgb, {"exif": turned, "quality": 95, "icc_profile": ICC}
    yield "gray.png", gray, {}
    yield "gray-alpha.png", Image.merge("LA", (gray, alpha)), {}
    yield "icc.png", rgb, {"icc_profile": ICC}
    yield "palette.gif", palette, {}
    yield "palette-transparent.png", palette, {"transparency": 3}
    yield "one-pixel.png", rgb.crop((0, 0, 1, 1)), {}
    yield "webp.webp", rgb, {"lossless": True}
    yield "größe & <b> 'x'.png", rgb, {}
    yield "cmyk.jpg", rgb.convert("CMYK"), {}
