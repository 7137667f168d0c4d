from __future__ import annotations

import hashlib

import numpy as np
import pytest
from scipy import ndimage

from srbench.degradations import blur_downsample, noisy_downsample
from srbench.errors import ProtocolError
from srbench.protocols import get_protocol
from srbench.resize import imresize

IMAGE = np.random.default_rng(0).integers(0, 256, (45, 60, 3), dtype=np.uint8)


def test_blur_equals_scipys_gaussian_of_the_same_kernel() -> None:
    offsets = np.arange(-3, 4)
    kernel = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * 1.6**2))  # MATLAB: fspecial('gaussian', 7, 1.6)
    kernel /= kernel.sum()
    filtered = ndimage.correlate(IMAGE.astype(float), kernel[..., None], mode="nearest")
    assert np.array_equal(blur_downsample(IMAGE, scale=3), np.floor(filtered[1::3, 1::3] + 0.5))


def test_blur_keeps_a_flat_image_and_takes_the_centre_of_each_block() -> None:
    flat = np.full((9, 9, 3), 77, np.uint8)
    assert np.array_equal(blur_downsample(flat, scale=3), flat[:3, :3])
    point = np.zeros((9, 9, 3), np.uint8)
    point[4, 4] = 255
    lr = blur_downsample(point, scale=3)
    assert lr[1, 1, 0] == lr.max() == 17  # 255 · 0.2560², the square of the kernel's middle weight


def test_noise_has_level_30_and_belongs_to_the_image_name() -> None:
    gray = np.full((300, 300, 3), 128, np.uint8)
    first = noisy_downsample(gray, scale=3, name="baby")
    noise = first.astype(float) - 128
    assert abs(noise.mean()) < 0.6  # three standard errors
    assert abs(noise.std() - 30) < 0.45
    assert np.array_equal(first, noisy_downsample(gray, scale=3, name="baby"))
    assert abs(np.corrcoef(noise.ravel(), noisy_downsample(gray, scale=3, name="bird").ravel())[0, 1]) < 0.03


def test_noise_is_the_same_on_every_machine() -> None:
    lr = noisy_downsample(IMAGE, scale=3, name="baby")
    # Drawn once with NumPy's frozen RandomState; another hash makes old DN scores incomparable.
    assert hashlib.sha256(lr.tobytes()).hexdigest() == (
        "f3e04b155f5fbb91fb9231407fc732a0dd7fb13902c2018086d8c51fe4bbbf40"
    )


def test_noise_is_added_to_matlabs_lr() -> None:
    many = np.mean([noisy_downsample(IMAGE // 2 + 64, scale=3, name=str(n)).astype(float) for n in range(400)], axis=0)
    assert np.abs(many - imresize(IMAGE // 2 + 64, 1 / 3)).max() < 8


@pytest.mark.parametrize("name", ["bd", "dn-srbench1"])
def test_other_scales_are_refused(name: str) -> None:
    with pytest.raises(ProtocolError, match=f"'{name}' is defined for ×3, got ×4"):
        get_protocol(name).prepare(IMAGE, scale=4, name="a")
    with pytest.raises(ProtocolError, match="expected ×3, the only scale it is defined for, got ×2"):
        blur_downsample(IMAGE, scale=2)


@pytest.mark.parametrize(("name", "ranked"), [("bd", True), ("dn-srbench1", False)])
def test_both_are_protocols(name: str, ranked: bool) -> None:
    protocol = get_protocol(name)
    hr, lr = protocol.prepare(IMAGE[:44], scale=3, name="baby")
    assert (hr.shape, lr.shape) == ((42, 60, 3), (14, 20, 3))
    assert set(protocol.score(hr, hr, scale=3)) == {"psnr_y", "ssim_y"}
    assert protocol.ranked is ranked
