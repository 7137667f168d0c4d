"""A contact sheet: HR, LR, bicubic and the five crops of some images of a dataset, as one PNG to look at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from srbench.datasets.fivecrop import CROPS, five_boxes
from srbench.datasets.imageset import ImageSet, open_dataset
from srbench.errors import DatasetError
from srbench.images import save_png
from srbench.protocols import MATLAB_PREPARATION, get_protocol
from srbench.resize import imresize

Images = NDArray[np.uint8]

CELL = 200
"""Longest side of a picture on the sheet, in pixels."""

_GAP, _CAPTION = 8, 14
_PAPER, _INK = (255, 255, 255), (30, 30, 30)


def contact_sheet(
    spec: str, *, scale: int, data_root: Path | None = None, output: Path, count: int = 4, weight: bool = False
) -> Path:
    """Write a PNG with one row for each of `count` images, evenly spread over the dataset; return `output`.

    A row shows HR (cropped to the scale), LR by MATLAB's bicubic with its pixels enlarged to squares, MATLAB's bicubic
    enlargement of it, and the five crops. `weight` adds a map of the weights of `psnr_y_aliased`. White is the largest
    weight of the image; the map shows the square root, so that faint texture stays visible.

    Raises:
        DatasetError: the dataset is missing, or `count` is below 1.
        ProtocolError: a scale that protocols are not defined for.
        UnknownNameError, ImageError: as for `open_dataset` and `decode`.
    """
    if count < 1:
        raise DatasetError(f"count: expected at least 1 image on the sheet, got {count}")
    images = open_dataset(spec, data_root=data_root)
    chosen = [images.names[i] for i in np.linspace(0, len(images) - 1, min(count, len(images))).round().astype(int)]
    save_png(output, np.asarray(_sheet([_row(images, name, scale, weight) for name in chosen])))
    return output


def _row(images: ImageSet, name: str, scale: int, weight: bool) -> list[tuple[str, Image.Image]]:
    hr, lr = MATLAB_PREPARATION.prepare(images.hr(name), scale=scale)
    size = f"{hr.shape[1]}x{hr.shape[0]}"  # Pillow's built-in font has no multiplication sign
    pictures = [
        (f"{name} HR {size}", _fit(hr)),
        (f"LR x{scale}", _fit(lr, Image.Resampling.NEAREST)),
        ("bicubic", _fit(imresize(lr, scale))),
    ]
    if weight:
        pictures.append(("aliasing weight", _fit(_weight_picture(hr, scale))))
    boxes = five_boxes(*hr.shape[:2])
    return pictures + [(crop, _fit(box.cut(hr))) for crop, box in zip(CROPS, boxes, strict=True)]


def _weight_picture(hr: Images, scale: int) -> Images:
    root = np.sqrt(get_protocol("matlab-y").scoring.aliasing_weight(hr, scale=scale))
    gray = np.rint(root * (255 / max(float(root.max()), 1e-9))).astype(np.uint8)
    return np.repeat(gray[..., None], 3, axis=2)


def _fit(image: Images, enlarge: Image.Resampling = Image.Resampling.LANCZOS) -> Image.Image:
    """Return the picture, resized so that its longest side has CELL pixels."""
    factor = CELL / max(image.shape[:2])
    width, height = (max(1, round(side * factor)) for side in (image.shape[1], image.shape[0]))
    method = enlarge if factor > 1 else Image.Resampling.LANCZOS
    return Image.fromarray(np.ascontiguousarray(image)).resize((width, height), method)


def _sheet(rows: list[list[tuple[str, Image.Image]]]) -> Image.Image:
    heights = [_CAPTION + max(picture.height for _, picture in row) + _GAP for row in rows]
    sheet = Image.new("RGB", (_GAP + len(rows[0]) * (CELL + _GAP), _GAP + sum(heights)), _PAPER)
    draw = ImageDraw.Draw(sheet)
    top = _GAP
    for row, height in zip(rows, heights, strict=True):
        for column, (caption, picture) in enumerate(row):
            left = _GAP + column * (CELL + _GAP)
            draw.text((left, top), caption, fill=_INK)
            sheet.paste(picture, (left, top + _CAPTION))
        top += height
    return sheet
