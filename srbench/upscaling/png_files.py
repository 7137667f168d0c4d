"""PNG files of upscaled images: 8 or 16 bits, with ICC profile and with a note of how they were made."""

from __future__ import annotations

import io
import json
import struct
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from srbench.images import DECODER_ERRORS
from srbench.upscaling.source_images import Samples

_HEADER_END = 33
"""Bytes of a PNG's signature and of its first chunk, which has to be the header."""
_KEYWORD = "srbench-upscale"


@dataclass(frozen=True)
class UpscaleNote:
    """How an upscaled image was made; it is stored in the PNG file, and decides whether the file is finished.

    Attributes:
        model: the model spec; "input" for a copy of the input.
        weights_sha256: of its weights or source, empty without one.
        scale: output size over input size.
        options: everything else that changes pixels, as JSON.
        source_sha256: of the input file.
    """

    model: str
    weights_sha256: str
    scale: int
    options: str
    source_sha256: str


def encode_upscaled(planes: Samples, note: UpscaleNote, *, icc: bytes | None = None) -> bytes:
    """Return the PNG bytes of an image H×W×C: gray, gray and alpha, RGB, or RGB and alpha.

    16-bit gray with alpha becomes RGB with alpha, without the profile of its gray.
    """
    if planes.dtype == np.uint16 and planes.shape[2] == 2:
        planes, icc = planes[..., [0, 0, 0, 1]], None
    png = _deep_png(planes) if planes.dtype == np.uint16 else _shallow_png(planes)
    chunks = _chunk(b"tEXt", f"{_KEYWORD}\0{json.dumps(asdict(note))}".encode("latin-1"))
    if icc:
        chunks += _chunk(b"iCCP", b"icc\0\0" + zlib.compress(icc))
    return png[:_HEADER_END] + chunks + png[_HEADER_END:]


def read_note(path: Path) -> UpscaleNote | None:
    """Return how a PNG file was made; None for a file that `srbench upscale` did not write, or that is damaged."""
    try:
        with Image.open(path, formats=("PNG",)) as image:
            return UpscaleNote(**json.loads(getattr(image, "text", {})[_KEYWORD]))
    except (*DECODER_ERRORS, KeyError, TypeError, RecursionError):
        return None


def _shallow_png(planes: Samples) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(planes[..., 0] if planes.shape[2] == 1 else planes).save(buffer, format="PNG", compress_level=4)
    return buffer.getvalue()


def _deep_png(planes: Samples) -> bytes:
    blue_first = planes[..., [2, 1, 0, *range(3, planes.shape[2])]] if planes.shape[2] > 1 else planes
    return bytes(cv2.imencode(".png", np.ascontiguousarray(blue_first))[1])


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
