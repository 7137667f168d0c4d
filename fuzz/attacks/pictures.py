"""Pictures that attack their reader: sizes that the file cannot hold, metadata that changes what viewers show."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin

from srbench.submissions.crops import SIDE

SIGNATURE = b"\x89PNG\r\n\x1a\n"
Files = Iterator[tuple[str, bytes]]


def chunk(kind: bytes, data: bytes) -> bytes:
    """Return one chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int = SIDE, height: int = SIDE, *, depth: int = 8, colour: int = 2, rows: bytes | None = None) -> bytes:
    """Return a PNG whose header announces this size; `rows` is what it holds, by default what it needs."""
    if rows is None:
        rows = bytes(height * (1 + (width * depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour] + 7) // 8))
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def saved(kind: str, **options: Any) -> bytes:
    """Return a sample picture as Pillow writes it."""
    buffer = io.BytesIO()
    Image.fromarray(np.full((SIDE, SIDE, 3), 90, np.uint8)).save(buffer, kind, **options)
    return buffer.getvalue()


def _exif() -> bytes:
    exif = Image.Exif()
    exif[274] = 6
    return exif.tobytes()


def bombs() -> Files:
    """Yield pictures that announce more than they can hold."""
    jpeg = bytearray(saved("JPEG"))
    at = jpeg.index(b"\xff\xc0") + 5
    for side in (5_000, 16_000, 16_384, 65_535):
        jpeg[at : at + 4] = struct.pack(">HH", side, side)
        yield f"a JPEG that announces {side}×{side}", bytes(jpeg)
    progressive = bytearray(saved("JPEG", progressive=True))
    at = progressive.index(b"\xff\xc2") + 5
    progressive[at : at + 4] = struct.pack(">HH", 16_000, 16_000)
    yield "a progressive JPEG that announces 16,000×16,000", bytes(progressive)
    for side in (9_000, 16_000, 1 << 20, (1 << 31) - 1):
        yield f"a PNG that announces {side}×{side}", png(side, side, rows=b"\0" * 1000)
    yield "a PNG of no width", png(0, 5, rows=b"")
    for depth, colour in ((16, 2), (16, 0), (16, 6), (16, 4)):
        yield f"a PNG of {depth} bits and colour type {colour}", png(depth=depth, colour=colour)
    yield "a PNG with two headers", png().replace(b"IDAT", b"IHDR", 1)
    bmp = bytearray(saved("BMP"))
    for side in (16_000, 1 << 20):
        bmp[18:26] = struct.pack("<ii", side, side)
        yield f"a BMP that announces {side}×{side}", bytes(bmp)
    yield "a BMP of 16 bits", bytes(saved("BMP")[:28] + struct.pack("<H", 16) + saved("BMP")[30:])
    for kind in ("GIF", "TIFF", "WEBP", "PPM", "ICO", "JPEG2000"):
        yield f"the format {kind}", saved(kind)
    yield "an animated PNG", saved("PNG", save_all=True, append_images=[Image.new("RGB", (SIDE, SIDE))])
    yield "nothing", b""


def samples() -> Files:
    """Yield sample pictures with more in them than pixels."""
    good = saved("PNG")
    end = good.index(b"IDAT") - 4
    for kind, data in (
        (b"gAMA", struct.pack(">I", 45455)),
        (b"cHRM", struct.pack(">8I", *[31270] * 8)),
        (b"sRGB", b"\0"),
        (b"iCCP", b"p\0\0" + zlib.compress(b"profile")),
        (b"eXIf", _exif()),
        (b"tEXt", b"a\0<script>"),
        (b"zTXt", b"a\0\0" + zlib.compress(bytes(10_000_000))),
        (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0<x/>"),
        (b"pHYs", struct.pack(">IIB", 1, 9, 0)),
        (b"tRNS", b"\0\x5a\0\x5a\0\x5a"),
        (b"bKGD", b"\0\0\0\0\0\0"),
        (b"acTL", struct.pack(">II", 2, 0)),
        (b"caBX", b"abc"),
        (b"prVt", b"abc"),
    ):
        yield f"{kind.decode()} before the pixels.png", good[:end] + chunk(kind, data) + good[end:]
        yield f"{kind.decode()} after the pixels.png", good[:-12] + chunk(kind, data) + good[-12:]
    yield "a page after the end.png", good + b"<script>alert(1)</script>"
    yield "a second picture after the end.png", good + good
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "x" * 1000)
    yield "a comment.png", saved("PNG", pnginfo=text)
    yield "another size.png", png(SIDE + 1, SIDE)
    yield "16 bits.png", png(depth=16)
    yield "gray.png", png(colour=0)
    yield "alpha.png", png(colour=6)
    yield "fewer rows than announced.png", png(rows=bytes(100))
    yield "more rows than announced.png", png(rows=bytes(5_000_000))
    yield "bytes in the end chunk.png", good[:-12] + chunk(b"IEND", b"abc")
    yield "a longer header.png", png().replace(png()[8:33], chunk(b"IHDR", png()[16:29] + b"hidden"))
    webp = saved("WEBP", lossless=True)
    yield "a lossy picture.webp", saved("WEBP")
    yield "bytes after the pixels.webp", _with_hidden(webp, b"hidden" * 10)
    for name, options in (("exif", {"exif": _exif()}), ("icc", {"icc_profile": b"profile"}), ("xmp", {"xmp": b"<x/>"})):
        yield f"{name}.webp", saved("WEBP", lossless=True, **options)
    yield "bytes after the end.webp", webp + b"<script>"
    yield "a longer announcement.webp", webp[:4] + struct.pack("<I", len(webp) + 100) + webp[8:]
    yield "a chunk after the pixels.webp", webp + b"EXIF\x04\0\0\0abcd"
    frames = [Image.new("RGB", (SIDE, SIDE), colour) for colour in ("red", "blue")]
    yield "an animation.webp", saved("WEBP", save_all=True, append_images=frames)
    yield "nothing.webp", b""


def _with_hidden(webp: bytes, hidden: bytes) -> bytes:
    """Return a WebP file whose one chunk of pixels holds more bytes at its end."""
    pixels = webp[20:] + hidden
    pixels += b"\0" * (len(pixels) % 2)
    return b"RIFF" + struct.pack("<I", len(pixels) + 12) + webp[8:16] + struct.pack("<I", len(pixels)) + pixels
