"""`srbench leaderboard build` and `serve` through the real parser."""

from __future__ import annotations

import http.client
import json
import re
import socket
import threading
import time
import urllib.error
import urllib.request
from http.server import ThreadingHTTPServer
from pathlib import Path
from queue import Queue

import pytest
from click.testing import CliRunner

from leaderboard import serving
from leaderboard.serving import serve
from leaderboard.site import Report, build
from leaderboard.study_pages import SUFFIX, read_studies
from srbench.cli import main
from srbench.submissions.confusables import badge_in
from tests.submissions.generated import generate


def test_build_prints_the_first_page_and_reports_what_it_left_out(tmp_path: Path) -> None:
    generate(tmp_path / "in", 2)
    (tmp_path / "in" / "net-00001" / "submission.json").write_text("{}")
    done = CliRunner().invoke(
        main, ["leaderboard", "build", "--submissions", str(tmp_path / "in"), "--output", str(tmp_path / "site")]
    )
    assert done.exit_code == 0
    assert done.stdout == f"{tmp_path / 'site' / 'index.html'}\n"
    assert "left out net-00001: submission.json.schema_version: expected this field, got none" in done.stderr
    assert "1 entry; " in done.stderr
    assert (tmp_path / "site" / "models" / "net-00000.html").exists()


def test_build_fails_with_a_message_where_the_output_is_something_else(tmp_path: Path) -> None:
    generate(tmp_path, 1)
    done = CliRunner().invoke(
        main, ["leaderboard", "build", "--submissions", str(tmp_path), "--output", str(tmp_path / "net-00000")]
    )
    assert done.exit_code == 1
    assert "expected an empty folder or a site built before" in done.stderr


def test_the_server_gives_files_and_no_listings(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("first page")
    (tmp_path / "data").mkdir()
    addresses: Queue[str] = Queue()
    threading.Thread(target=serve, args=(tmp_path,), kwargs={"port": 0, "ready": addresses.put}, daemon=True).start()
    address = addresses.get(timeout=10)
    assert address.startswith("http://127.0.0.1:")
    with urllib.request.urlopen(address) as answer:
        assert answer.read() == b"first page"
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{address}data/")


@pytest.fixture
def site(tmp_path: Path) -> tuple[str, int]:
    """Serve a small site with a hidden file; return its host and port."""
    (tmp_path / "index.html").write_text("first page")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "key").write_text("secret")
    addresses: Queue[str] = Queue()
    threading.Thread(target=serve, args=(tmp_path,), kwargs={"port": 0, "ready": addresses.put}, daemon=True).start()
    host, _, port = addresses.get(timeout=10).removeprefix("http://").rstrip("/").partition(":")
    return host, int(port)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("127.0.0.1:{port}", 200),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("localhost:{port}.evil.example", 421),
        ("127.0.0.1@evil.example", 421),
        ("", 421),
    ],
)
def test_server_answers_only_to_names_of_this_machine(site: tuple[str, int], host: str, status: int) -> None:
    connection = http.client.HTTPConnection(*site, timeout=5)
    connection.putrequest("GET", "/index.html", skip_host=True)
    connection.putheader("Host", host.format(port=site[1]))
    connection.endheaders()
    assert connection.getresponse().status == status


@pytest.mark.parametrize(
    "path",
    ["/.hidden/key", "/%2ehidden/key", "/x/../.hidden/key", "/.hidden", "/%2e%2e/etc/passwd", "/index.html%00.txt"],
)
def test_server_gives_no_hidden_files(site: tuple[str, int], path: str) -> None:
    connection = http.client.HTTPConnection(*site, timeout=5)
    connection.request("GET", path)
    assert connection.getresponse().status == 404


def test_silent_connections_do_not_stop_the_server(site: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving._Handler, "timeout", 0.2)
    silent = [socket.create_connection(site) for _ in range(2 * serving.MAX_CONNECTIONS)]
    connection = http.client.HTTPConnection(*site, timeout=10)
    connection.request("GET", "/index.html")
    assert connection.getresponse().read() == b"first page"
    for one in silent:
        one.close()


def test_clients_that_send_slowly_do_not_hold_the_server(
    site: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "REQUEST_SECONDS", 0.3)
    started = time.monotonic()
    with socket.create_connection(site, timeout=5) as slow, pytest.raises(OSError, match=r"pipe|reset"):
        while time.monotonic() - started < 5:
            slow.sendall(b"G")
            time.sleep(0.05)


def test_the_server_that_is_interrupted_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: ThreadingHTTPServer) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ThreadingHTTPServer, "serve_forever", interrupted)
    monkeypatch.setattr("leaderboard.site.build", lambda *_: Report(0, 0, ()))
    done = CliRunner().invoke(main, ["leaderboard", "serve", "--port", "0", "--output", str(tmp_path)])
    assert (done.exit_code, done.stderr) == (0, "0 entries; 0 files written\n")


def test_study_of_any_content_stops_no_build(tmp_path: Path) -> None:
    good = next((Path(__file__).parents[2] / "submissions").glob(f"*{SUFFIX}")).read_text(encoding="utf-8")
    for number, value in enumerate(["1" + "0" * 400, "1e999", "NaN", '"\\ud800"', "[" * 500 + "]" * 500, "{}", "null"]):
        (tmp_path / f"s{number}{SUFFIX}").write_text(re.sub(r"-?\d+\.\d+", value.replace("\\", r"\\"), good))
    (tmp_path / f"surrogate{SUFFIX}").write_text(good.replace('"question": "', '"question": "\\ud800'))
    (tmp_path / f"\x1b[31m{SUFFIX}").write_text("{}")
    studies, problems = read_studies(tmp_path)
    assert not studies
    assert len(problems) == 9
    assert all(problem.message.isprintable() for problem in problems)
    build(tmp_path, tmp_path / "site")


@pytest.mark.parametrize(
    "title",
    [
        "VerifyNet",
        "Score Run",
        "RCAN+ (\u00d74)",
        "\u03b2SR",
        "\u8d85\u89e3\u50cfNet",
        "\u0421\u0435\u0442\u044c",
        "Net\u00ae 3.5",
    ],
)
def test_ordinary_title_is_no_badge(title: str) -> None:
    assert badge_in(title) is None


@pytest.mark.parametrize(
    "title",
    [
        *("Net \u2713 verified", "Net \u2714", "VERIFIED net", "Net (re-run)", "Net \u2705", "\uff36erified"),
        *("Net \U0001f5f9", "Net \U0001f948", "Net \u2b50", "Net \U0001f7e2", "Net \u24e5", "Net \U0001f1fb"),
        *(
            "Net v\u0435r\u0456f\u0456\u0435d",
            "Net \u1d20\u1d07\u0280\u026a\ua730\u026a\u1d07\u1d05",
            "Net \u142ferified",
        ),
        *(
            "Net ve\u0323rified",
            "Net verif1ed",
            "Net v e r i f i e d",
            "Net veri-fied",
            "Net re\u2011run",
            "Net re run",
        ),
    ],
)
def test_title_that_looks_like_a_badge_is_left_out(title: str, tmp_path: Path) -> None:
    path = generate(tmp_path, 1)[0] / "submission.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"title": title}))
    done = CliRunner().invoke(main, ["leaderboard", "check", "--submissions", str(tmp_path)])
    assert done.exit_code == 1
    assert "title: expected" in done.output
