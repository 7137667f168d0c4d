"""A worker process with limits on its memory and time, for reading files of unknown origin.

A reader in C++ may end its process or fill the memory, whatever was checked before. In a worker this ends the worker
only: the file gets an error, and the next file a new worker.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Generic, ParamSpec, TypeVar, cast

from srbench.errors import SrbenchError
from srbench.process_memory import process_peak
from srbench.workers import end_with_parent

if sys.platform != "win32":
    import resource

GIBIBYTE = 1 << 30

_OVER_MEMORY = 77
_POLL_SECONDS = 0.1

P = ParamSpec("P")
Result = TypeVar("Result")


class BoundedWorker(Generic[P, Result]):
    """Calls one function in a worker process, for one file after another.

    On Linux the address space of the worker is limited, on macOS its resident memory is watched. On Windows only the
    time is limited. A worker that died is replaced at the next call.

    Args:
        function: a function of a module, with arguments and a result that can be pickled.
        error: the class of the errors that `call` raises.
        memory: bytes that the worker may take in addition to what it needs after its imports.
        seconds: the total time of all calls.
    """

    def __init__(
        self, function: Callable[P, Result], *, error: type[SrbenchError], memory: int, seconds: float
    ) -> None:
        self._function, self._error, self._memory, self._left = function, error, memory, seconds
        self._seconds = seconds
        self._process: multiprocessing.process.BaseProcess | None = None
        self._pipe: Connection | None = None

    def __enter__(self) -> BoundedWorker[P, Result]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def call(self, *arguments: P.args, **keywords: P.kwargs) -> Result:
        """Return what the function returns.

        Raises:
            SrbenchError: of the class `error`, with the message of any SrbenchError of the function; or the worker
                died, took too much memory or no time is left.
        """
        if self._left <= 0:
            raise self._error(f"expected an end within {self._seconds:g} s, got none; this file was not read")
        begun = time.monotonic()
        pipe = self._pipe or self._start()
        try:
            pipe.send((arguments, keywords))
            answered = pipe.poll(self._left)
            result, problem = pipe.recv() if answered else (None, None)
        except (EOFError, OSError):
            raise self._error(self._cause_of_death()) from None
        finally:
            self._left -= time.monotonic() - begun
        if not answered:
            self._stop()
            raise self._error(f"expected an end within {self._seconds:g} s, got none; the file is not usable")
        if problem is not None:
            raise self._error(problem)
        return cast(Result, result)

    def _start(self) -> Connection:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(self._function, theirs, self._memory), daemon=True)
        self._process.start()
        theirs.close()
        return self._pipe

    def _stop(self) -> None:
        if self._process is not None and self._pipe is not None:
            self._pipe.close()
            self._process.kill()
            self._process.join()
        self._process = self._pipe = None

    def _cause_of_death(self) -> str:
        code = None
        if self._process is not None:
            self._process.join(5)
            code = self._process.exitcode
        self._stop()
        if code == _OVER_MEMORY:
            return _over_memory(self._memory)
        return f"expected a readable file, got one that ends its reader (exit code {code}); make it again"


def _serve(function: Callable[..., object], pipe: Connection, memory: int) -> None:
    end_with_parent()
    _limit_memory(memory)
    while True:
        try:
            arguments, keywords = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send((function(*arguments, **keywords), None))
        except SrbenchError as error:
            pipe.send((None, str(error)))
        except MemoryError:
            pipe.send((None, _over_memory(memory)))
        except Exception as error:  # noqa: BLE001 (one file must not stop the others)
            pipe.send((None, f"expected a readable file, got {type(error).__name__}; make it again"))


def _over_memory(memory: int) -> str:
    return f"expected a file that is read with at most {memory / GIBIBYTE:.1f} GiB of memory, got one that needs more"


def _limit_memory(memory: int) -> None:
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        limit = pages * os.sysconf("SC_PAGE_SIZE") + memory
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    elif sys.platform != "win32":
        Thread(target=_watch_memory, args=(process_peak() + memory,), daemon=True).start()


def _watch_memory(limit: int) -> None:
    """End this process once its peak memory in bytes is over the limit."""
    while process_peak() < limit:
        time.sleep(_POLL_SECONDS)
    os._exit(_OVER_MEMORY)
