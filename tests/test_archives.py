"""Unpacking: what is honest arrives whole, every known trick is refused with the disk untouched."""

from __future__ import annotations

import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from srbench.archives import is_archive, unpack
from srbench.errors import FetchError


def _tar(path: Path, *entries: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for entry, data in entries:
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path


def _special(name: str, kind: bytes, target: str = "") -> tuple[tarfile.TarInfo, bytes]:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, target
    return entry, b""


def _named(name: str) -> tuple[tarfile.TarInfo, bytes]:
    return tarfile.TarInfo(name), b"data"


def _zip(path: Path, entries: dict[str, bytes], *, mode: int = 0) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            item = zipfile.ZipInfo(name)
            item.external_attr = mode << 16
            item.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(item, data)
    return path


def _lying_zip(path: Path) -> Path:
    """A zip whose directory announces 10 bytes for a member of 100,000."""
    _zip(path, {"a.png": b"x" * 100_000})
    data = bytearray(path.read_bytes())
    real, small = (100_000).to_bytes(4, "little"), (10).to_bytes(4, "little")
    path.write_bytes(bytes(data.replace(real, small)))
    return path


def _page(path: Path) -> Path:
    path.write_bytes(b"<html>")
    return path


TRICKS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "tar-absolute": (lambda p: _tar(p, _named("/evil")), "leaves the folder"),
    "tar-parent": (lambda p: _tar(p, _named("a/../../evil")), "leaves the folder"),
    "tar-symlink": (lambda p: _tar(p, _special("a", tarfile.SYMTYPE, "/etc")), "symbolic link"),
    "tar-hardlink": (lambda p: _tar(p, _named("b"), _special("a", tarfile.LNKTYPE, "b")), "hard link"),
    "tar-device": (lambda p: _tar(p, _special("a", tarfile.CHRTYPE)), "device"),
    "tar-fifo": (lambda p: _tar(p, _special("a", tarfile.FIFOTYPE)), "special file"),
    "tar-nested": (lambda p: _tar(p, _named("d/" * 10_000 + "a")), "nested folders"),
    "tar-nested-folders": (
        lambda p: _tar(p, *(_special("d/" * depth, tarfile.DIRTYPE) for depth in range(1, 100))),
        "nested folders",
    ),
    "tar-bomb": (lambda p: _tar(p, (tarfile.TarInfo("zeros"), bytes(70 << 20))), "bytes when unpacked"),
    "tar-twice": (lambda p: _tar(p, _named("a.png"), _named("A.png")), "comes twice"),
    "zip-absolute": (lambda p: _zip(p, {"/evil": b"x"}), "leaves the folder"),
    "zip-parent": (lambda p: _zip(p, {"../evil": b"x"}), "leaves the folder"),
    "zip-drive": (lambda p: _zip(p, {"C:/evil": b"x"}), "leaves the folder"),
    "zip-backslash": (lambda p: _zip(p, {"..\\evil": b"x"}), "leaves the folder"),
    "zip-symlink": (lambda p: _zip(p, {"a": b"/etc"}, mode=stat.S_IFLNK | 0o777), "link or device"),
    "zip-bomb": (lambda p: _zip(p, {"zeros": bytes(70 << 20)}), "bytes when unpacked"),
    "zip-lies-about-its-size": (_lying_zip, "damaged|more bytes than it announces"),
    "not-an-archive": (_page, "zip or tar"),
}


@pytest.mark.parametrize("trick", TRICKS)
def test_tricks_are_refused_and_the_disk_stays_untouched(trick: str, tmp_path: Path) -> None:
    make, reason = TRICKS[trick]
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    archive = make(tmp_path / "in" / "archive")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(FetchError, match=reason):
        unpack(archive, tmp_path / "out" / "target")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_valid_archive_is_unpacked_completely(kind: str, tmp_path: Path) -> None:
    content = {"set/a.png": b"first", "./set/b.png": os.urandom(3 << 20)}
    if kind == "zip":
        archive = _zip(tmp_path / "archive", content)
    else:
        archive = _tar(tmp_path / "archive", *((tarfile.TarInfo(name), data) for name, data in content.items()))
    assert is_archive(archive)
    paths = unpack(archive, tmp_path / "target")
    assert paths == [tmp_path / "target" / "set" / "a.png", tmp_path / "target" / "set" / "b.png"]
    assert [path.read_bytes() for path in paths] == list(content.values())


@pytest.mark.parametrize("keep", [0.3, 0.9])
def test_a_truncated_archive_leaves_nothing(keep: float, tmp_path: Path) -> None:
    archive = _tar(tmp_path / "archive", (tarfile.TarInfo("a"), os.urandom(100_000)))
    data = archive.read_bytes()
    archive.write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(FetchError, match=r"damaged|zip or tar"):
        unpack(archive, tmp_path / "target")
    assert list(tmp_path.iterdir()) == [archive]


def test_an_existing_target_is_kept(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    with pytest.raises(FetchError, match="not there yet"):
        unpack(_zip(tmp_path / "archive", {"a": b"x"}), tmp_path / "target")
