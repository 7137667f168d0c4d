"""A local look at a built site: a file server that only this machine reaches."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from srbench.errors import ResultsError

HOST = "127.0.0.1"
"""Where the server listens: on this machine alone."""


class _Handler(SimpleHTTPRequestHandler):
    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-cache")  # the next build must show at once
        self.send_header("X-Content-Type-Options", "nosniff")
        super().end_headers()

    def list_directory(self, path: Any) -> None:
        self.send_error(404, "No page here")

    def log_message(self, *_: Any) -> None:
        """Nothing: the address is printed once, by the command."""


def serve(output: Path, *, port: int, ready: Callable[[str], None]) -> None:
    """Serve a built site until it is interrupted; `ready` is called with its address. Port 0 takes a free one.

    Raises ResultsError where the port cannot be had.
    """
    try:
        server = ThreadingHTTPServer((HOST, port), partial(_Handler, directory=str(output)))
    except OSError as error:
        raise ResultsError(f"expected a free port, got {port} ({error.strerror}); choose another --port") from error
    with server, suppress(KeyboardInterrupt):  # which is how it is meant to end
        ready(f"http://{HOST}:{server.server_port}/")
        server.serve_forever()
