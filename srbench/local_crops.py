"""Crops of images that stay on the user's machine, for the gallery of `srbench leaderboard serve --data-root`.

The images of most benchmark sets may not be redistributed, so the published site has none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from srbench.crop_boxes import CropBox, LocalCrop, best_boxes
from srbench.datasets.imageset import ImageSet, open_dataset
from srbench.errors import DatasetError, FigureError, SrbenchError
from srbench.protocols import get_protocol, to_8bit
from srbench.samples import encoded_webp, with_box
from srbench.upscalers.base import Options, Upscaler
from srbench.upscalers.loading import open_upscaler

SIDE = 192
"""The largest side of a crop in HR pixels; smaller images have smaller crops."""
DEFAULT_IMAGES = (
    "Urban100/img_004",
    "Urban100/img_012",
    "Urban100/img_076",
    "Urban100/img_092",
    "Manga109/YumeiroCooking",
    "Set14/barbara",
    "Set14/comic",
    "BSD100/78004",
    "BSD100/253027",
)
"""Images that papers often show; those that a folder of datasets lacks are left out."""
PROTOCOL = "matlab-y"
"""How the LR is made."""


def make_local_crops(
    models: Sequence[str],
    *,
    data_root: Path | None,
    images: Sequence[str] = (),
    scale: int = 4,
    options: Options | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> list[LocalCrop]:
    """Upscale images of the user's own datasets, and return the part of each where texture aliases most.

    Args:
        models: model specs. One that cannot be opened is reported and left out.
        data_root: folder of the datasets; None means `$SRBENCH_DATA` and the usual places.
        images: `DATASET/NAME` of each image; without any, those of `DEFAULT_IMAGES` that are there.
        report: called with a line of text for each image, and for each model that is left out.

    Raises:
        DatasetError: a named dataset or image is missing, or all of the default images are.
        UnknownNameError: no such dataset.
    """
    found = _found(images, data_root) if images else _defaults(data_root)
    opened = _opened(models, scale, options, report)
    crops = []
    for images_of_set, name in found:
        report(f"upscaling {images_of_set.name}/{name} ×{scale} with {', '.join(opened)}")
        crops.append(_crop(images_of_set, name, opened, scale))
    return crops


def _found(images: Iterable[str], data_root: Path | None) -> list[tuple[ImageSet, str]]:
    found = []
    for text in images:
        dataset, _, name = text.rpartition("/")
        opened = open_dataset(dataset, data_root=data_root) if dataset else None
        if opened is None or name not in opened.names:
            known = f", for example {opened.names[0]}" if opened else ""
            raise DatasetError(f"expected DATASET/NAME of an image of your copy, got {text!r}; choose one{known}")
        found.append((opened, name))
    return found


def _defaults(data_root: Path | None) -> list[tuple[ImageSet, str]]:
    found: list[tuple[ImageSet, str]] = []
    for text in DEFAULT_IMAGES:
        try:
            found += _found([text], data_root)
        except DatasetError:
            continue
    if not found:
        raise DatasetError(
            f"expected one of the images {', '.join(DEFAULT_IMAGES)} below the data root, found none; "
            "name images with --image DATASET/NAME"
        )
    return found


def _opened(
    models: Sequence[str], scale: int, options: Options | None, report: Callable[[str], None]
) -> dict[str, Upscaler]:
    opened = {}
    for spec in dict.fromkeys(models):
        try:
            opened[spec] = open_upscaler(spec, scale=scale, options=options)
        except SrbenchError as error:
            report(f"left out {spec}: {error}")
    return opened


def _crop(images: ImageSet, name: str, models: Mapping[str, Upscaler], scale: int) -> LocalCrop:
    protocol = get_protocol(PROTOCOL)
    hr, lr = protocol.prepare(images.hr(name), scale=scale, name=name)
    box = _box(hr, scale)
    truth = _cut(hr, box)
    sr = {spec: _cut(to_8bit(model.checked(lr, dataset=images.name, name=name)), box) for spec, model in models.items()}
    scores = {spec: protocol.score(pixels, truth, scale=scale) for spec, pixels in sr.items()}
    small = CropBox(*(edge // scale for edge in (box.x, box.y, box.width, box.height)))
    return LocalCrop(
        dataset=images.name,
        image=name,
        scale=scale,
        box=box,
        hr=encoded_webp(truth),
        lr=encoded_webp(_cut(lr, small)),
        place=encoded_webp(with_box(hr, (box.x, box.y, box.x + box.width, box.y + box.height)), lossless=False),
        sr={spec: encoded_webp(pixels) for spec, pixels in sr.items()},
        scores={spec: (found["psnr_y"], found["psnr_y_aliased"]) for spec, found in scores.items()},
    )


def _box(hr: NDArray[np.uint8], scale: int) -> CropBox:
    """Return the square with most aliased texture.

    Its edges are multiples of the scale, so that the LR has the same square.
    """
    side = min(SIDE, *hr.shape[:2]) // scale * scale
    weight = get_protocol(PROTOCOL).scoring.aliasing_weight(hr, scale=scale).astype(np.float64)
    found = best_boxes(weight, 1, width=side, height=side)
    if not found:
        raise FigureError(f"expected an image of at least {scale}×{scale} pixels, got {hr.shape[1]}×{hr.shape[0]}")
    box = found[0][1]
    return CropBox(box.x // scale * scale, box.y // scale * scale, side, side)


def _cut(image: NDArray[np.uint8], box: CropBox) -> NDArray[np.uint8]:
    return np.ascontiguousarray(box.crop(image))
