"""RGB to luma Y, and the border that scores leave out."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

ScalarT = TypeVar("ScalarT", bound=np.generic)


def luma(
    image: NDArray[np.generic], *, coefficients: tuple[float, float, float], divisor: float
) -> NDArray[np.float64]:
    """Y = 16 + (c_R R + c_G G + c_B B) / divisor, float64, not rounded.

    Args:
        image: RGB H×W×3 in 0…255, any real dtype.
        coefficients: (c_R, c_G, c_B); ITU-R BT.601 in MATLAB's form is (65.481, 128.553, 24.966).
        divisor: 255 in MATLAB's form.

    Returns:
        H×W. With MATLAB's numbers white is 235 and black 16.

    Raises:
        ValueError: not H×W×3.

    Examples:
        >>> white_black_red = np.array([[[255, 255, 255], [0, 0, 0], [255, 0, 0]]])
        >>> luma(white_black_red, coefficients=(65.481, 128.553, 24.966), divisor=255)
        array([[235.   ,  16.   ,  81.481]])
    """
    red, green, blue = _channels(image)
    return 16.0 + (coefficients[0] * red + coefficients[1] * green + coefficients[2] * blue) / divisor


def luma_rounded(
    image: NDArray[np.generic], *, coefficients: tuple[float, float, float], divisor: float
) -> NDArray[np.float64]:
    """Y rounded to an integer, as MATLAB's ``rgb2ycbcr`` gives it for uint8: whole numbers as float64.

    MATLAB multiplies by c · (1/divisor), sums left to right, adds 16 and rounds half up; the order of the
    operations decides ties. Arguments, shape and errors as for `luma`.

    Examples:
        >>> white_black_red = np.array([[[255, 255, 255], [0, 0, 0], [255, 0, 0]]])
        >>> luma_rounded(white_black_red, coefficients=(65.481, 128.553, 24.966), divisor=255)
        array([[235.,  16.,  81.]])
    """
    red, green, blue = _channels(image)
    scaled = [coefficient * (1 / divisor) for coefficient in coefficients]
    return np.floor(scaled[0] * red + scaled[1] * green + scaled[2] * blue + 16.0 + 0.5)


def shave(image: NDArray[ScalarT], *, border: int) -> NDArray[ScalarT]:
    """Return a view of an H×W or H×W×C array without `border` pixels on each side.

    Raises:
        ValueError: nothing is left.

    Examples:
        >>> shave(np.zeros((48, 40, 3)), border=4).shape
        (40, 32, 3)
    """
    height, width = image.shape[:2]
    if min(height, width) <= 2 * border:
        raise ValueError(
            f"expected an image larger than {2 * border} pixels on both sides to shave {border} "
            f"from each, got {width}×{height}; score a larger image"
        )
    return image[border : height - border, border : width - border]


def _channels(image: NDArray[np.generic]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    if image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"luma: expected RGB of shape H×W×3, got shape {image.shape}")
    values = image.astype(np.float64)
    return values[..., 0], values[..., 1], values[..., 2]
