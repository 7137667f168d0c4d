"""The decode policy on every kind of file that people have."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from srbench.errors import ImageError
from srbench.images import decode, encode_png, fingerprint, pixel_sha256


def as_bytes(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def ramp(mode: str = "L") -> Image.Image:
    return Image.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8) * 5).convert(mode)


def rgba(alpha: int) -> Image.Image:
    image = ramp("RGBA")
    image.putalpha(alpha)
    return image


def with_profile_and_orientation() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90 degrees
    return as_bytes(ramp("RGB"), exif=exif, icc_profile=b"not a profile", gamma=0.5)


@pytest.mark.parametrize(
    "data",
    [
        as_bytes(ramp()),
        as_bytes(ramp("LA")),
        as_bytes(rgba(255)),
        as_bytes(ramp("P")),
        as_bytes(ramp("RGB"), "BMP"),
        with_profile_and_orientation(),
    ],
    ids=["gray", "gray-alpha-255", "alpha-255", "palette", "bmp", "exif-icc-gamma"],
)
def test_accepted_kinds_give_the_stored_values(data: bytes) -> None:
    expected = np.repeat(np.array(ramp())[..., None], 3, axis=2)
    assert np.array_equal(decode(data), expected)


def sixteen_bit_rgb() -> bytes:
    import cv2

    return cv2.imencode(".png", np.full((4, 4, 3), 40_000, np.uint16))[1].tobytes()


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"", "empty"),
        (as_bytes(ramp())[:-30], "does not decode"),
        (b"<html>not found</html>", "its bytes are of no such format"),
        (as_bytes(rgba(128)), "transparent"),
        (as_bytes(ramp("CMYK"), "JPEG"), "CMYK"),
        (sixteen_bit_rgb(), "8 bits"),
        (as_bytes(Image.new("I;16", (4, 4), 3000)), "8 bits"),
        (as_bytes(ramp("F"), "TIFF"), "does not decode"),
        (as_bytes(ramp("RGB"), "PNG", save_all=True, append_images=[Image.new("RGB", (8, 6))]), "animation"),
    ],
    ids=["empty", "truncated", "html", "alpha", "cmyk", "rgb16", "gray16", "float", "animation"],
)
def test_refused_kinds_are_named(data: bytes, named: str) -> None:
    with pytest.raises(ImageError, match=named) as caught:
        decode(data, name="flower.png")
    assert "flower.png" in str(caught.value)


def test_a_truncated_png_is_an_error_or_gives_all_its_pixels() -> None:
    image = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    whole = encode_png(image)
    refused = 0
    for length in range(len(whole)):
        try:
            assert np.array_equal(decode(whole[:length]), image)
        except ImageError:
            refused += 1
    assert refused >= len(whole) - 20, "only checksums and the end marker may be missing"


def test_hashes_equal_the_published_fingerprints(test_data: Path) -> None:
    published = json.loads((test_data / "reference" / "fingerprints.json").read_text())["datasets"]
    for dataset in ("Set5", "Set14"):
        hashes = {path.stem: pixel_sha256(decode(path)) for path in (test_data / "data" / dataset / "HR").iterdir()}
        assert hashes == {entry["name"]: entry["sha256_rgb"] for entry in published[dataset]["images"]}
        assert fingerprint(hashes.values()) == published[dataset]["fingerprint"]
