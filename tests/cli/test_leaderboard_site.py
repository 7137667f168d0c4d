"""`srbench leaderboard build` and `serve` through the real parser."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from http.server import ThreadingHTTPServer
from pathlib import Path
from queue import Queue

import pytest
from click.testing import CliRunner

from leaderboard.serving import serve
from leaderboard.site import Report
from srbench.cli import main
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


def test_the_server_that_is_interrupted_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: ThreadingHTTPServer) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ThreadingHTTPServer, "serve_forever", interrupted)
    monkeypatch.setattr("leaderboard.site.build", lambda *_: Report(0, 0, ()))
    done = CliRunner().invoke(main, ["leaderboard", "serve", "--port", "0", "--output", str(tmp_path)])
    assert (done.exit_code, done.stderr) == (0, "0 entries; 0 files written\n")
