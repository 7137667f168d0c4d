"""Fetching from a local server that misbehaves in every way that was seen in the wild; writing whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import gzip
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import pytest
import requests
from filelock import FileLock

import srbench.fetch as fetch_module
from srbench import files, http_answers
from srbench.errors import FetchError, ResultsError, SrbenchError
from srbench.fetch import RemoteFile, fetch
from srbench.files import atomic_path, write_atomic

DATA = bytes(range(256)) * 1600
SHA256 = hashlib.sha256(DATA).hexdigest()
MD5 = hashlib.md5(DATA).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    """Serves DATA; the path says in which way it misbehaves. Every request is noted with its Range."""

    def do_GET(self) -> None:
        seen: list[tuple[str, str | None]] = self.server.seen  # type: ignore[attr-defined]  # set by the fixture
        asked = self.headers.get("Range")
        seen.append((self.path, asked))
        first = sum(path == self.path for path, _ in seen) == 1
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        body, kind, status = DATA[start:], "application/octet-stream", 206 if asked else 200
        if self.path == "/no-range":
            body, status = DATA, 200
        elif self.path == "/html":
            body, kind, status = b"<!DOCTYPE html><p>moved", "text/html; charset=utf-8", 200
        elif self.path == "/html-as-binary":
            body, status = b"\n<html><p>moved", 200
        elif self.path == "/other-bytes":
            body, status = DATA[::-1], 200
        elif self.path == "/missing":
            status = 404
        elif self.path == "/busy-once" and first:
            status = 503
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{len(DATA) - 1}/{len(DATA)}")
        self.end_headers()
        cut = 3 << 16
        if self.path == "/truncates-once" and first:
            body = body[:cut]
        elif self.path == "/truncates":
            body = body[:100] if start else body[:cut]
        elif self.path == "/stalls-once" and first:
            self.wfile.write(body[:cut])
            self.wfile.flush()
            time.sleep(1.2)
            return
        elif self.path == "/slow":
            for at in range(0, len(body), 8192):
                self.wfile.write(body[at : at + 8192])
                time.sleep(0.02)
            return
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is what these tests are about."""


@pytest.fixture
def server() -> Iterator[_Server]:
    with _Server(("127.0.0.1", 0), _Handler) as running:
        running.seen = []  # type: ignore[attr-defined]
        threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield running
        running.shutdown()


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("SRBENCH_MIRROR", "SRBENCH_OFFLINE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(http_answers, "STALL_SECONDS", 0.3)
    monkeypatch.setattr(fetch_module, "RETRY_SECONDS", 0.01)


def _file(server: _Server, *paths: str, sha256: str | None = SHA256) -> RemoteFile:
    base = f"http://127.0.0.1:{server.server_address[1]}"
    return RemoteFile("data.bin", tuple(base + path for path in paths), len(DATA), sha256)


def _seen(server: _Server) -> list[tuple[str, str | None]]:
    seen: list[tuple[str, str | None]] = server.seen  # type: ignore[attr-defined]
    return seen


@pytest.mark.parametrize("path", ["/good", "/no-range", "/busy-once", "/truncates-once", "/stalls-once"])
def test_right_bytes_arrive_from_a_source_that_recovers(path: str, server: _Server, tmp_path: Path) -> None:
    assert fetch(_file(server, path), folder=tmp_path).read_bytes() == DATA
    assert not (tmp_path / "data.bin.part").exists()


@pytest.mark.parametrize("path", ["/truncates-once", "/stalls-once"])
def test_an_interrupted_download_resumes_at_the_missing_byte(path: str, server: _Server, tmp_path: Path) -> None:
    fetch(_file(server, path), folder=tmp_path)
    asked = _seen(server)[1][1]
    assert asked is not None
    assert int(asked.removeprefix("bytes=").rstrip("-")) >= 2 << 16


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/html", "HTML page"),
        ("/html-as-binary", "expected 409600 bytes, the server announces 15"),
        ("/other-bytes", f"expected sha256 {SHA256}"),
        ("/truncates", "broke off or stalled"),
        ("/missing", "404"),
    ],
)
def test_wrong_bytes_are_never_renamed_into_place(path: str, reason: str, server: _Server, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=reason):
        fetch(_file(server, path), folder=tmp_path)
    assert not (tmp_path / "data.bin").exists()


def test_html_of_unannounced_size_is_recognised(server: _Server, tmp_path: Path) -> None:
    file = RemoteFile("data.bin", _file(server, "/html-as-binary").urls, None, None)
    with pytest.raises(FetchError, match="HTML page"):
        fetch(file, folder=tmp_path, allow_unpinned=True)


def test_addresses_are_tried_in_order(server: _Server, tmp_path: Path) -> None:
    fetch(_file(server, "/missing", "/html", "/other-bytes", "/good"), folder=tmp_path)
    assert [path for path, _ in _seen(server)] == ["/missing", "/html", "/other-bytes", "/good"]


def test_a_part_of_another_file_is_thrown_away(server: _Server, tmp_path: Path) -> None:
    (tmp_path / "data.bin.part").write_bytes(b"x" * 1000)
    assert fetch(_file(server, "/good"), folder=tmp_path).read_bytes() == DATA
    assert _seen(server) == [("/good", "bytes=1000-"), ("/good", None)]


def test_md5_alone_pins(server: _Server, tmp_path: Path) -> None:
    urls = _file(server, "/good").urls
    assert fetch(RemoteFile("data.bin", urls, None, None, MD5), folder=tmp_path).read_bytes() == DATA
    with pytest.raises(FetchError, match="expected md5"):
        fetch(RemoteFile("other.bin", urls, None, None, "0" * 32), folder=tmp_path)


def test_unpinned_is_fetched_only_when_asked_and_then_pinned(server: _Server, tmp_path: Path) -> None:
    good, other = _file(server, "/good", sha256=None), _file(server, "/other-bytes", sha256=None)
    with pytest.raises(FetchError, match="unpinned"):
        fetch(good, folder=tmp_path)
    path = fetch(good, folder=tmp_path, allow_unpinned=True)
    assert (tmp_path / "data.bin.sha256").read_text() == f"{SHA256}  data.bin\n"
    path.unlink()
    with pytest.raises(FetchError, match=f"expected sha256 {SHA256}"):
        fetch(other, folder=tmp_path, allow_unpinned=True)


def test_mirror_comes_before_the_network_and_is_checked(
    server: _Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirrored = tmp_path / "mirror" / "deep" / "data.bin"
    mirrored.parent.mkdir(parents=True)
    mirrored.write_bytes(DATA)
    monkeypatch.setenv("SRBENCH_MIRROR", str(tmp_path / "mirror"))
    fetch(_file(server, "/good"), folder=tmp_path / "a")
    assert _seen(server) == []
    mirrored.write_bytes(DATA[:-1] + b"x")
    assert fetch(_file(server, "/good"), folder=tmp_path / "b").read_bytes() == DATA
    assert len(_seen(server)) == 1


def test_offline_never_asks_the_network(server: _Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SRBENCH_OFFLINE", "1")
    with pytest.raises(FetchError, match="SRBENCH_OFFLINE"):
        fetch(_file(server, "/good"), folder=tmp_path)
    assert _seen(server) == []


def test_a_tampered_file_in_the_cache_is_not_used(server: _Server, tmp_path: Path) -> None:
    path = fetch(_file(server, "/good"), folder=tmp_path)
    path.write_bytes(DATA[::-1])
    assert fetch(_file(server, "/good"), folder=tmp_path).read_bytes() == DATA


def test_space_is_checked_first(server: _Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(FetchError, match="needs 409600 bytes"):
        fetch(_file(server, "/good"), folder=tmp_path)


def test_a_name_with_a_path_is_refused() -> None:
    with pytest.raises(FetchError, match="plain file name"):
        RemoteFile("../data.bin", (), None, None)


_SCRIPT = """
import sys
from pathlib import Path
from srbench.fetch import RemoteFile, fetch
fetch(RemoteFile("data.bin", (sys.argv[1],), int(sys.argv[2]), sys.argv[3]), folder=Path(sys.argv[4]))
"""


def test_a_killed_download_resumes(server: _Server, tmp_path: Path) -> None:
    url = _file(server, "/slow").urls[0]
    process = subprocess.Popen([sys.executable, "-c", _SCRIPT, url, str(len(DATA)), SHA256, str(tmp_path)])
    part = tmp_path / "data.bin.part"
    deadline = time.monotonic() + 20
    while not (part.is_file() and part.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "data.bin").exists()
    assert fetch(_file(server, "/good"), folder=tmp_path).read_bytes() == DATA
    assert _seen(server)[-1][1] is not None


def test_eight_processes_fetch_once(server: _Server, tmp_path: Path) -> None:
    command = [sys.executable, "-c", _SCRIPT, _file(server, "/slow").urls[0], str(len(DATA)), SHA256, str(tmp_path)]
    environment = os.environ | {"SRBENCH_OFFLINE": "0"}
    workers = [subprocess.Popen(command, env=environment) for _ in range(8)]
    assert [worker.wait() for worker in workers] == [0] * 8
    assert len(_seen(server)) == 1


def test_a_failed_write_keeps_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.txt"
    write_atomic(path, "old")
    with pytest.raises(ResultsError, match="disk is full"), atomic_path(path, error=ResultsError) as temporary:
        temporary.write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_that_cannot_be_made_is_explained(server: _Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ResultsError, match="there is a file where a folder is needed"):
        write_atomic(tmp_path / "file" / "deep" / "result", "", error=ResultsError)
    with pytest.raises(FetchError, match="there is a file where a folder is needed"):
        fetch(_file(server, "/good"), folder=tmp_path / "file")


@pytest.mark.parametrize("name", ["n" * 255, "é" * 127, "n" * 251 + ".png"])
def test_a_name_as_long_as_the_system_takes_is_written(name: str, tmp_path: Path) -> None:
    write_atomic(tmp_path / name, "whole")
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("code", "hint"),
    [(errno.ENOENT, "takes no new files"), (errno.ENAMETOOLONG, "choose a shorter one"), (errno.EIO, "may be written")],
)
def test_every_refusal_of_the_system_is_explained(code: int, hint: str, tmp_path: Path) -> None:
    with (
        pytest.raises(ResultsError, match=rf"cannot write .*result: {os.strerror(code)}; .*{hint}"),
        atomic_path(tmp_path / "result", error=ResultsError),
    ):
        raise OSError(code, os.strerror(code))
    with (
        pytest.raises(ResultsError, match=r"result: No such file or directory: /nowhere/source; "),
        atomic_path(tmp_path / "result", error=ResultsError),
    ):
        Path("/nowhere/source").read_bytes()
    with pytest.raises(ResultsError, match=r"cannot write .*name is longer than this file system takes"):
        write_atomic(tmp_path / ("n" * 256), "", error=ResultsError)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_refusal_of_the_system_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no image"), atomic_path(tmp_path / "result", error=ResultsError):
        raise OSError("no image")


def test_a_pipe_or_folder_is_never_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "folder"):
        with pytest.raises(SrbenchError, match="something else"):
            write_atomic(tmp_path / name, b"x")
    assert (tmp_path / "pipe").is_fifo()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "pipe"]


def test_a_written_file_is_as_open_as_any_other(tmp_path: Path) -> None:
    """safetensors, for one, writes files that only their owner may read."""
    (tmp_path / "plain").write_bytes(b"")
    with atomic_path(tmp_path / "closed") as temporary:
        temporary.unlink(missing_ok=True)
        os.close(os.open(temporary, os.O_CREAT | os.O_WRONLY, 0o600))
    assert (tmp_path / "closed").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_temporary_files_of_killed_processes_are_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_swept", set())
    old, fresh, foreign = (tmp_path / name for name in (".a.12-0123abcd.tmp", ".b.12-0123abcd.tmp", ".own.tmp"))
    for path in (old, fresh, foreign):
        path.write_text("x")
    for path in (old, foreign):
        os.utime(path, (1, 1))
    write_atomic(tmp_path / "new", "text")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".b.12-0123abcd.tmp", ".own.tmp", "new"]


OK = b"HTTP/1.1 200 OK\r\n"
ANSWERS: dict[str, tuple[bytes, bytes]] = {
    "416 to a first request": (b"HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\n\r\n", b""),
    "a length of superscript two": (OK + "Content-Length: \u00b2\r\n\r\n".encode("latin1"), b""),
    "a negative length": (OK + b"Content-Length: -5\r\n\r\n", b""),
    "a length that does not fit": (OK + b"Content-Length: 99999999999999999999\r\n\r\n", b""),
    "a redirect to nowhere": (b"HTTP/1.1 302 Found\r\nLocation: http://[::1/\r\nContent-Length: 0\r\n\r\n", b""),
    "a redirect to another scheme": (b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n\r\n", b""),
    "a redirect to a bad port": (b"HTTP/1.1 302 Found\r\nLocation: http://a:99999999/\r\n\r\n", b""),
    "a redirect to itself": (b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", b""),
    "an unasked part": (
        b"HTTP/1.1 206 Partial\r\nContent-Range: bytes 0-9/10\r\nContent-Length: 10\r\n\r\n",
        DATA[:10],
    ),
    "gzip": (OK + b"Content-Encoding: gzip\r\n\r\n", gzip.compress(DATA)),
    "no HTTP": (b"SSH-2.0-OpenSSH\r\n", b""),
    "no answer": (b"", b""),
    "a header of 100 kB": (OK + b"X: " + b"a" * 100_000 + b"\r\n\r\n", b""),
    "a thousand headers": (OK + b"X: a\r\n" * 1000 + b"\r\n", b""),
    "a chunk of wrong size": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"zz\r\nabc"),
    "an unfinished chunk": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"ffff\r\nabc"),
    "trailers without end": (OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n", b"trailers"),
    "the size of a chunk without end": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"zeros"),
    "an endless body": (OK + b"\r\n", b"endless"),
    "one byte at a time": (OK + b"\r\n", b"slow"),
    "interim answers without end": (b"interim", b""),
}


REPEATED = {b"endless": bytes(1 << 16), b"slow": b"a", b"trailers": b"A: b\r\n", b"zeros": b"0"}
"""What a server sends again and again, for three seconds."""


def _answer(client: socket.socket, head: bytes, body: bytes) -> None:
    with contextlib.suppress(OSError), client:
        client.recv(65536)
        end = time.monotonic() + 3
        while head == b"interim" and time.monotonic() < end:
            client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)
        client.sendall(head)
        while body in REPEATED and time.monotonic() < end:
            client.sendall(REPEATED[body])
            time.sleep(0 if body == b"endless" else 0.05)
        client.sendall(body)


@pytest.fixture
def hostile(request: pytest.FixtureRequest) -> Iterator[str]:
    """Serve one hostile answer to every request; yield the address."""
    head, body = ANSWERS[request.param]
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def run() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    threading.Thread(target=_answer, args=(client, head, body), daemon=True).start()

        threading.Thread(target=run, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"


@pytest.mark.parametrize("hostile", ["a length of superscript two", "a redirect to nowhere", "no HTTP"], indirect=True)
def test_hostile_answer_announces_no_size(hostile: str) -> None:
    assert http_answers.announced_size(hostile) is None


@pytest.mark.parametrize("hostile", ANSWERS, indirect=True)
@pytest.mark.parametrize("pinned", [True, False], ids=["pinned", "unpinned"])
def test_hostile_answer_moves_on_to_the_next_source(
    hostile: str, pinned: bool, server: _Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name, value in [
        (http_answers, "ANSWER_SECONDS", 0.5),
        (http_answers, "SLOW_SECONDS", 0.3),
        (fetch_module, "UNPINNED_BYTES", 1 << 20),
        (fetch_module, "ATTEMPTS", 2),
    ]:
        monkeypatch.setattr(module, name, value)
    good = f"http://127.0.0.1:{server.server_port}/plain"
    file = RemoteFile("f.bin", (hostile, good), len(DATA) if pinned else None, SHA256 if pinned else None)
    assert fetch(file, folder=tmp_path, allow_unpinned=True).read_bytes() == DATA
    assert not list(tmp_path.glob("*.part"))


def test_body_of_a_redirect_is_not_read(server: _Server, tmp_path: Path) -> None:
    good = f"http://127.0.0.1:{server.server_port}/plain"
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def run() -> None:
            client, _ = listener.accept()
            _answer(client, f"HTTP/1.1 302 Found\r\nLocation: {good}\r\n\r\n".encode(), b"endless")

        threading.Thread(target=run, daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        started = time.monotonic()
        assert fetch(RemoteFile("f.bin", (url,), len(DATA), SHA256), folder=tmp_path).read_bytes() == DATA
    assert time.monotonic() - started < 3


@pytest.mark.parametrize(
    "way", [["http://a.example/f"], ["https://a.example/", "http://a.example/", "https://b.example/"]]
)
def test_redirect_from_https_to_http_is_refused(
    way: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever in a chain of redirects the unencrypted address is, even if the chain ends encrypted."""
    steps = dict(pairwise(["https://source.example/f.bin", *way]))

    def answer(_: requests.Session, url: str, **options: object) -> requests.Response:
        response = requests.Response()
        response.url, response.raw, response.status_code = url, BytesIO(DATA), 302 if url in steps else 200
        if url in steps:
            response.headers["Location"] = steps[url]
        return response

    monkeypatch.setattr(requests.Session, "get", answer)
    file = RemoteFile("f.bin", ("https://source.example/f.bin",), len(DATA), SHA256)
    with pytest.raises(FetchError, match="redirects from https to an address that is not encrypted"):
        fetch(file, folder=tmp_path)
    assert not list(tmp_path.glob("f.bin*part"))


def test_damaged_hash_of_an_unpinned_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "f.bin.sha256").write_bytes(b"\xff\n")
    with pytest.raises(FetchError, match=r"expected the SHA-256 of f\.bin, got another text; delete this file"):
        fetch(RemoteFile("f.bin", (), None, None), folder=tmp_path, allow_unpinned=True)


def test_waiting_process_says_what_it_waits_for(
    server: _Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fetch_module, "WAIT_SECONDS", 0.1)
    held = threading.Event()

    def hold() -> None:
        with FileLock(tmp_path / "f.bin.lock"):
            held.set()
            time.sleep(0.5)

    threading.Thread(target=hold, daemon=True).start()
    assert held.wait(5)
    fetch(RemoteFile("f.bin", (f"http://127.0.0.1:{server.server_port}/plain",), len(DATA), SHA256), folder=tmp_path)
    assert "waiting for another process that fetches f.bin" in capsys.readouterr().err
