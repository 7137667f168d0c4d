"""Ask a server that may be broken or hostile: each wait ends, and everything that goes wrong is one of two errors."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from queue import Empty, Queue
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urljoin, urlsplit

from srbench.errors import FetchError
from srbench.files import DISK_ERRORS

if TYPE_CHECKING:
    import requests

T = TypeVar("T")

CONNECT_SECONDS = 15.0
STALL_SECONDS = 30.0
ANSWER_SECONDS = 60.0
"""How long a server may take until its answer starts, and from one part of its body to the next."""
SLOW_SECONDS = 60.0
SLOWEST = 1024
"""The bytes a second that a download must reach on average, once it has run for `SLOW_SECONDS`."""
LONGEST_SECONDS = 24 * 3600.0
"""How long one source may take in total, with all attempts."""
MOST_REDIRECTS = 20
CHUNK_BYTES = 1 << 16
_WAITING_CHUNKS = 4


class SourceError(Exception):
    """One source failed; the message says why."""


class InterruptedTransferError(Exception):
    """A transfer was interrupted; the bytes received until then can be kept."""


@contextmanager
def answer_to(url: str, headers: dict[str, str]) -> Iterator[requests.Response]:
    """Yield the answer of an http or https address, with its body still to be read by `chunks_of`.

    Raises, also for errors while the body is read:
        SourceError: an answer that cannot be used.
        InterruptedTransferError: an answer that did not come or broke off; it is worth another attempt.
    """
    # Inside the function: listings import this module, and requests takes a tenth of a second to import.
    import requests

    try:
        with _within(ANSWER_SECONDS, lambda: _ask(url, headers)) as response:
            try:
                yield response
            finally:
                # Ends a read that waits in another thread: closing would wait for that read.
                with suppress(OSError, RuntimeError, AttributeError):
                    response.raw.shutdown()
    except (SourceError, InterruptedTransferError, FetchError):
        raise
    except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
        raise _interruption(error) from error
    except requests.RequestException as error:
        raise SourceError(str(error)) from error
    except Exception as error:
        if isinstance(error, OSError) and error.errno in DISK_ERRORS:
            raise
        # The HTTP library raises many other errors for broken answers; in each case the next source is tried.
        raise SourceError(f"an answer that is not HTTP ({type(error).__name__})") from error


def announced_size(url: str) -> int | None:
    """Return the size in bytes that a server announces for an address; None if it does not answer with one."""
    # Inside the function: as for `answer_to`.
    import requests

    try:
        answer = _within(ANSWER_SECONDS, lambda: requests.head(url, timeout=CONNECT_SECONDS, allow_redirects=True))
        length = answer.headers.get("Content-Length", "")
        return int(length) if answer.ok and length.isascii() else None
    except Exception:  # noqa: BLE001 (whatever is wrong with the answer is reported when the file is fetched)
        return None


def chunks_of(response: requests.Response) -> Iterator[bytes]:
    """Yield the bytes of an answer as they arrive; raise InterruptedTransferError if they arrive too slowly.

    A thread reads them, because a read may never end: a server may send endless trailers, or a chunk's size with
    endless zeros. The thread ends when the connection is closed.
    """
    # Inside the function: as for requests.
    from urllib3.exceptions import HTTPError

    arrived: Queue[bytes | Exception] = Queue(_WAITING_CHUNKS)
    stop = threading.Event()
    threading.Thread(target=_read, args=(response, arrived, stop), daemon=True).start()
    begin, received = time.monotonic(), 0
    try:
        while True:
            try:
                chunk = arrived.get(timeout=ANSWER_SECONDS)
            except Empty:
                raise InterruptedTransferError(f"no bytes came for {ANSWER_SECONDS:g} s") from None
            if isinstance(chunk, HTTPError):
                raise _interruption(chunk) from chunk
            if isinstance(chunk, Exception):
                raise chunk
            if not chunk:
                return
            received += len(chunk)
            elapsed = time.monotonic() - begin
            if elapsed > LONGEST_SECONDS or (elapsed > SLOW_SECONDS and received < SLOWEST * elapsed):
                raise InterruptedTransferError(f"only {received} bytes came in {elapsed:.0f} s")
            yield chunk
    finally:
        stop.set()
        while not arrived.empty():  # makes place, so that the thread can end
            arrived.get_nowait()


def _read(response: requests.Response, arrived: Queue[bytes | Exception], stop: threading.Event) -> None:
    """Put the parts of an answer's body into the queue, then an empty one or the error that ended them."""
    last: bytes | Exception = b""
    try:
        while not stop.is_set() and (chunk := response.raw.read1(CHUNK_BYTES, decode_content=False)):
            arrived.put(chunk)
    except Exception as error:  # noqa: BLE001 (raised again in the thread that takes it from the queue)
        last = error
    arrived.put(last)


def _interruption(error: Exception) -> InterruptedTransferError:
    return InterruptedTransferError(f"the connection broke off or stalled ({type(error).__name__})")


def _ask(url: str, headers: dict[str, str]) -> requests.Response:
    """Return the answer of the address at the end of a chain of redirects."""
    import requests

    class Session(requests.Session):
        """A session without redirects of its own, because it would read the body of each redirect, however long."""

        def get_redirect_target(self, resp: requests.Response) -> None:
            return None

    with Session() as session:
        for _ in range(MOST_REDIRECTS):
            response = session.get(url, headers=headers, stream=True, timeout=(CONNECT_SECONDS, STALL_SECONDS))
            if not response.is_redirect:
                return response
            response.close()
            url = _redirected(url, response.headers["Location"])
    raise SourceError(f"more than {MOST_REDIRECTS} redirects")


def _redirected(url: str, location: str) -> str:
    """Return the address that an answer redirects to."""
    # Servers send other characters than ASCII in UTF-8, and http.client reads headers as Latin-1.
    target = urljoin(url, location.encode("latin-1").decode("utf-8", "replace"))
    schemes = urlsplit(url).scheme, urlsplit(target).scheme
    if schemes == ("https", "http"):
        raise SourceError("it redirects from https to an address that is not encrypted")
    if schemes[1] not in ("http", "https"):
        raise SourceError(f"it redirects to an address of another kind ({schemes[1][:20]!r})")
    return target


def _within(seconds: float, call: Callable[[], T]) -> T:
    """Return what `call` returns; raise InterruptedTransferError after `seconds`, while its thread keeps running.

    A server that sends one header byte a second, or interim answers without end, never meets a timeout of its socket.
    """
    results: list[T] = []
    errors: list[Exception] = []

    def run() -> None:
        try:
            results.append(call())
        except Exception as error:  # noqa: BLE001 (raised again below, in the calling thread)
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        raise InterruptedTransferError(f"no answer within {seconds:g} s")
    return results[0]
