"""Five-crop augmentation: the four corners and the centre of an image, each of half its height and width.

The paper's training set (800 pairs become 4000) is this index: nothing is copied. LR crops are cut from the LR of the
whole image, so the LR and the HR of a crop always show the same area.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from srbench.errors import DatasetError

ScalarT = TypeVar("ScalarT", bound=np.generic)

CROPS = ("top-left", "top-right", "bottom-left", "bottom-right", "centre")
"""Names of the five crops, in their order."""

SYMMETRIES = 8
"""Number of orientations of a square patch by flips and 90° rotations; see `apply_symmetry`."""

VERTICAL, HORIZONTAL, TRANSPOSED = 1, 2, 4
"""The three operations, as bits of the number of a symmetry."""


class Box(NamedTuple):
    """A rectangle of an image, in pixels."""

    top: int
    left: int
    height: int
    width: int

    def cut(self, image: NDArray[ScalarT], *, scale: int = 1) -> NDArray[ScalarT]:
        """Return this box of an H×W or H×W×C image as a view, after its coordinates are multiplied by `scale`."""
        top, left, height, width = (scale * value for value in self)
        return image[top : top + height, left : left + width]


def five_boxes(height: int, width: int) -> tuple[Box, Box, Box, Box, Box]:
    """Return the boxes of `CROPS`: half of each side, rounded down; the centre box is placed as in torchvision's
    FiveCrop.

    Raises:
        DatasetError: a side below 2 pixels.
    """
    if min(height, width) < 2:
        raise DatasetError(f"five-crop: expected an image of at least 2×2 pixels, got {width}×{height}; leave it out")
    h, w = height // 2, width // 2
    corners = ((0, 0), (0, width - w), (height - h, 0), (height - h, width - w))
    first, second, third, fourth = (Box(top, left, h, w) for top, left in corners)
    return first, second, third, fourth, Box(round((height - h) / 2), round((width - w) / 2), h, w)


@dataclass(frozen=True)
class FiveCropIndex:
    """Five crops of each image, numbered image by image: item `5·i + k` is crop `k` of image `i`.

    `sizes` holds (height, width) of the images' LR. Items are (image number, box in LR pixels); the box times the
    scale is the same area in HR. If an LR side is odd, the crop is half an LR pixel smaller than half of the HR side.
    """

    sizes: tuple[tuple[int, int], ...]

    def __len__(self) -> int:
        return len(CROPS) * len(self.sizes)

    def __iter__(self) -> Iterator[tuple[int, Box]]:
        return map(self.__getitem__, range(len(self)))

    def __getitem__(self, item: int) -> tuple[int, Box]:
        if not 0 <= item < len(self):
            raise IndexError(f"expected a crop number below {len(self)}, got {item}")
        image, crop = divmod(item, len(CROPS))
        return image, five_boxes(*self.sizes[image])[crop]


def apply_symmetry(image: NDArray[ScalarT], symmetry: int) -> NDArray[ScalarT]:
    """Return a view of H×W or H×W×C pixels in one of eight orientations, 0…7.

    Bit 2 transposes, then bit 0 flips top to bottom and bit 1 left to right: all flips and 90° rotations.
    """
    if symmetry & TRANSPOSED:
        image = image.swapaxes(0, 1)
    if symmetry & VERTICAL:
        image = image[::-1]
    return image[:, ::-1] if symmetry & HORIZONTAL else image
