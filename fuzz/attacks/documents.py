"""JSON documents and archives that attack their readers: nesting, numbers, texts, paths, links and bombs."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Iterator

Files = Iterator[tuple[str, bytes]]

_DEEP = 100_000


def documents() -> Files:
    """Yield JSON that no reader of a record may stumble over."""
    yield "nothing", b""
    yield "a list", b"[]"
    yield "a number", b"1"
    yield "null", b"null"
    yield "deep lists", b"[" * _DEEP + b"]" * _DEEP
    yield "deep objects", b'{"a":' * _DEEP + b"1" + b"}" * _DEEP
    yield "deep under a known name", b'{"schema_version":4,"datasets":' + b"[" * _DEEP + b"]" * _DEEP + b"}"
    yield "an integer of 100,000 digits", b'{"schema_version":' + b"9" * 100_000 + b"}"
    yield "a number beyond floats", b'{"schema_version":1e999}'
    yield "NaN", b'{"schema_version":NaN}'
    yield "a name given twice", b'{"schema_version":1,"schema_version":4}'
    yield "no UTF-8", b'{"schema_version":"\xff\xfe"}'
    yield "a lone surrogate", b'{"schema_version":4,"model":{"spec":"\\ud800"}}'
    yield "control characters", b'{"schema_version":4,"model":{"spec":"\\u001b[31m\\u0000"}}'
    yield "a text of 1 MB", b'{"schema_version":4,"model":{"spec":"' + b"a" * (1 << 20) + b'"}}'
    yield "20,000 names", b"{" + b",".join(b'"n%d":1' % number for number in range(20_000)) + b"}"
    yield "a version of another type", b'{"schema_version":{"a":[]}}'
    yield "a version that is true", b'{"schema_version":true,"metrics":[[]]}'
    yield "UTF-16", '{"schema_version":4}'.encode("utf-16")


def containers() -> Files:
    """Yield archives that would write outside of their folder, or more than they should."""
    for name in (
        "../out",
        "/etc/out",
        "a/../../out",
        "C:\\out",
        "..\\out",
        "a\\..\\..\\out",
        "",
        ".",
        "a" * 300,
        "a\0b",
    ):
        yield f"zip with {name[:12]!r}", zipped({name: b"x"})
        yield f"tar with {name[:12]!r}", tarred(tarfile.TarInfo(name))
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.GNUTYPE_SPARSE):
        member = tarfile.TarInfo("a")
        member.type, member.linkname = kind, "/etc/passwd"
        yield f"tar member of type {kind!r}", tarred(member)
    yield "zip bomb", zipped({"a": bytes(300 << 20)})
    yield "2,000 empty files", zipped({f"{number}": b"" for number in range(2000)})
    yield "a path of 500 folders", zipped({"a/" * 500 + "b": b"x"})
    yield "names that differ by case", zipped({"a": b"x", "A": b"y"})
    yield "a folder and a file of one name", zipped({"a": b"x", "a/b": b"y"})
    huge = tarfile.TarInfo("a")
    huge.size = 1 << 50
    yield "tar of 1 PiB", huge.tobuf(tarfile.GNU_FORMAT)
    yield "zip that ends early", zipped({"a": b"x" * 1000})[:-30]
    packed = bytearray(zipped({"a": b"x" * 1000}))
    packed[31:36] = b"\x01\x05\x00\x00\x00"  # a stored block whose two lengths differ
    yield "zip with a damaged stream", bytes(packed)
    for name, compress in (("gzip", gzip.compress), ("bzip2", bz2.compress), ("xz", lzma.compress)):
        packed = bytearray(compress(tarred(tarfile.TarInfo("a")) + bytes(range(256)) * 20))
        packed[len(packed) // 2] ^= 0xFF
        yield f"{name} with a damaged stream", bytes(packed)
    yield "gzip that ends early", b"\x1f\x8b\x08\x00" + bytes(20)


def zipped(files: dict[str, bytes]) -> bytes:
    """Return a zip archive of files by name."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def tarred(member: tarfile.TarInfo) -> bytes:
    """Return a tar archive of one member without content."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(member)
    return buffer.getvalue()
