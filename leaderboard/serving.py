"""Serve a built site to this machine only."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from socket import SHUT_RDWR, socket
from threading import BoundedSemaphore, Timer
from typing import Any, BinaryIO
from urllib.parse import unquote

from srbench.errors import ResultsError

HOST = "127.0.0.1"
"""Where the server listens: on this machine alone."""


MAX_CONNECTIONS = 32
"""The most requests that are answered at the same time; later ones wait for a free place."""
IDLE_SECONDS = 10.0
"""How long a connection may be silent before it is closed."""
REQUEST_SECONDS = 30.0
"""How long a connection may take in total: a client that sends a byte now and then is never silent."""
_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})


class _Handler(SimpleHTTPRequestHandler):
    timeout = IDLE_SECONDS
    memory: Mapping[str, bytes] = {}

    def __init__(self, *arguments: Any, memory: Mapping[str, bytes], directory: str) -> None:
        self.memory = memory  # set before the base class starts, because it answers the request at once
        super().__init__(*arguments, directory=directory)

    def send_head(self) -> BytesIO | BinaryIO | None:
        # Another website can make its host name point to this machine; such requests have that name in the Host header.
        if not _is_this_machine(self.headers.get_all("Host", [])):
            self.send_error(421, "Not a name of this machine")
            return None
        path = unquote(self.path.partition("?")[0])
        if "\0" in path or any(part.startswith(".") for part in path.replace("\\", "/").split("/")):
            self.send_error(404, "No page here")
            return None
        held = self.memory.get(path.lstrip("/"))
        return super().send_head() if held is None else self._send_held(held)

    def _send_held(self, data: bytes) -> BytesIO:
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(self.path.partition("?")[0]))
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        return BytesIO(data)

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-cache")  # browsers must show the next build at once
        self.send_header("X-Content-Type-Options", "nosniff")
        super().end_headers()

    def list_directory(self, path: str | os.PathLike[str]) -> None:
        self.send_error(404, "No page here")

    def log_message(self, *_: object) -> None:
        """Print nothing for a request."""


class _Server(ThreadingHTTPServer):
    """A server that answers a bounded number of requests at the same time."""

    daemon_threads = True
    # Connections beyond this queue are dropped, and a client tries again only after one second, then two, then four.
    request_queue_size = 4 * MAX_CONNECTIONS

    def __init__(self, address: tuple[str, int], handler: Callable[..., _Handler]) -> None:
        self._free = BoundedSemaphore(MAX_CONNECTIONS)
        super().__init__(address, handler)

    def process_request(self, request: socket | tuple[bytes, socket], client_address: object) -> None:
        self._free.acquire()
        super().process_request(request, client_address)

    def process_request_thread(self, request: socket | tuple[bytes, socket], client_address: object) -> None:
        limit = Timer(REQUEST_SECONDS, _end, [request])
        limit.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            limit.cancel()
            self._free.release()

    def handle_error(self, request: socket | tuple[bytes, socket], client_address: object) -> None:
        """Ignore connections that break off."""


def _end(request: socket | tuple[bytes, socket]) -> None:
    """End a connection in both directions; its thread then stops waiting for it."""
    with suppress(OSError):  # the connection is already closed
        if isinstance(request, socket):
            request.shutdown(SHUT_RDWR)


def _is_this_machine(hosts: list[str]) -> bool:
    """Return whether the one Host header names this machine, with or without a port."""
    if len(hosts) != 1:
        return False
    name, _, port = hosts[0].strip().lower().rpartition(":")
    return hosts[0].strip().lower() in _NAMES or (name in _NAMES and port.isdecimal())


def serve(output: Path, *, port: int, ready: Callable[[str], None], memory: Mapping[str, bytes] | None = None) -> None:
    """Serve a built site until it is interrupted; `ready` is called with its address. Port 0 takes a free one.

    `memory` has files by their address, which are served instead of those of the site.

    Raises ResultsError if the port is not available.
    """
    try:
        server = _Server((HOST, port), partial(_Handler, memory=memory or {}, directory=str(output)))
    except OSError as error:
        raise ResultsError(f"expected a free port, got {port} ({error.strerror}); choose another --port") from error
    with server, suppress(KeyboardInterrupt):  # Ctrl-C is the intended way to end it
        ready(f"http://{HOST}:{server.server_port}/")
        server.serve_forever()
