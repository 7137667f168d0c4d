"""Choose boxes of an image for figures: where texture aliases in the LR and models differ."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from srbench.errors import FigureError

ScalarT = TypeVar("ScalarT", bound=np.generic)

STEP = 4
"""Distance in pixels between the boxes that are compared."""


@dataclass(frozen=True)
class CropBox:
    """A rectangle in pixels of the HR image; `x` and `y` are its left and upper edge, counted from 0."""

    x: int
    y: int
    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.x},{self.y},{self.width},{self.height}"

    def crop(self, image: NDArray[ScalarT]) -> NDArray[ScalarT]:
        """Return this part of an image H×W or H×W×C, as a view."""
        return image[self.y : self.y + self.height, self.x : self.x + self.width]

    def overlaps(self, other: CropBox) -> bool:
        """Whether two boxes have a pixel in common."""
        apart = self.x + self.width <= other.x or other.x + other.width <= self.x
        return not (apart or self.y + self.height <= other.y or other.y + other.height <= self.y)

    def require_inside(self, height: int, width: int, *, name: str) -> None:
        """Raise FigureError unless an image of this height and width contains the box."""
        if min(self.x, self.y) < 0 or self.x + self.width > width or self.y + self.height > height:
            raise FigureError(
                f"{name}: expected a box inside {width}×{height} pixels, got {self} (x,y,width,height), which ends at "
                f"{self.x + self.width},{self.y + self.height}; choose a smaller one, or use --auto"
            )


@dataclass(frozen=True)
class LocalCrop:
    """One crop of an image and the same crop of SR images, as WebP files, for the gallery on the user's machine.

    `place` is the complete image, small, with a box around the crop. `sr` and `scores` are by model spec; scores are
    PSNR and PSNR (aliased) of the luma of the crop in dB.
    """

    dataset: str
    image: str
    scale: int
    box: CropBox
    hr: bytes
    lr: bytes
    place: bytes
    sr: Mapping[str, bytes]
    scores: Mapping[str, tuple[float | None, float | None]]


def parse_box(text: str) -> CropBox:
    """Return the box that `X,Y,W,H` names. Raises FigureError for other text, or a side below 1 pixel.

    Examples:
        >>> parse_box("10,20,64,48")
        CropBox(x=10, y=20, width=64, height=48)
    """
    if not re.fullmatch(r"\s*\d+(\s*,\s*\d+){3}\s*", text):
        raise FigureError(f"expected a box X,Y,W,H in pixels of the HR image, such as 10,20,64,48; got {text!r}")
    box = CropBox(*map(int, text.split(",")))
    if min(box.width, box.height) < 1:
        raise FigureError(f"expected a box with sides of at least 1 pixel, got {text!r}")
    return box


def interest(weight: NDArray[np.generic], models: Sequence[NDArray[np.generic]]) -> NDArray[np.float64]:
    """Return an H×W map that is high where the HR aliases and the models differ.

    The value is the aliasing weight times the variance of the models' luma. `best_boxes` averages it over a box.
    With fewer than two models it is the aliasing weight alone.

    Args:
        weight: H×W, ≥ 0; see `srbench.metrics.aliasing_weight`.
        models: luma of each model's SR image, H×W in 0…255, of equal shape.
    """
    values = np.asarray(weight, dtype=np.float64)
    if len(models) < 2:
        return values
    differing: NDArray[np.float64] = np.var(np.stack(models).astype(np.float64), axis=0)
    return values * differing


def best_boxes(values: NDArray[np.float64], count: int, *, width: int, height: int) -> list[tuple[float, CropBox]]:
    """Return the boxes of an H×W map with the highest means, best first, without overlap; fewer if they do not fit.

    Examples:
        >>> values = np.zeros((64, 64)); values[32:48, 16:32] = 1
        >>> best_boxes(values, 1, width=16, height=16)
        [(1.0, CropBox(x=16, y=32, width=16, height=16))]
    """
    rows, columns = values.shape
    if width > columns or height > rows:
        return []
    sums = np.zeros((rows + 1, columns + 1))
    sums[1:, 1:] = values.cumsum(axis=0).cumsum(axis=1)
    tops = np.arange(0, rows - height + 1, STEP)[:, np.newaxis]
    lefts = np.arange(0, columns - width + 1, STEP)
    bottoms, rights = tops + height, lefts + width
    means = sums[bottoms, rights] - sums[tops, rights] - sums[bottoms, lefts] + sums[tops, lefts]
    means /= width * height
    found: list[tuple[float, CropBox]] = []
    for index in np.argsort(-means, axis=None, kind="stable"):
        row, column = divmod(int(index), len(lefts))
        box = CropBox(int(lefts[column]), int(tops[row, 0]), width, height)
        if not any(box.overlaps(other) for _, other in found):
            found.append((float(means[row, column]), box))
        if len(found) == count:
            break
    return found


def choose_boxes(
    maps: Mapping[str, NDArray[np.float64]], count: int, *, width: int, height: int
) -> list[tuple[str, CropBox]]:
    """Return the best boxes of several images by name: one of each image first, further ones only if there are too few.

    Args:
        maps: by image name, the H×W map of `interest`.
        count: how many boxes.
        width, height: of each box, in pixels.

    Raises:
        FigureError: no image is large enough for such a box.
    """
    ranked = [
        (place, -mean, name, box)
        for name, values in maps.items()
        for place, (mean, box) in enumerate(best_boxes(values, count, width=width, height=height))
    ]
    if not ranked:
        raise FigureError(
            f"expected an image that contains a box of {width}×{height} pixels, got none; use a smaller --size"
        )
    return [(name, box) for _, _, name, box in sorted(ranked, key=lambda one: one[:2])[:count]]
