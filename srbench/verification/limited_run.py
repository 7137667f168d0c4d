"""Run a command in a process with limits on time, memory and what it writes, and stop everything that it started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from srbench.errors import SubmissionError
from srbench.process_memory import physical_memory, session_memory

if sys.platform != "win32":
    import resource

MEMORY_SHARE = 0.75
"""The share of the machine's memory that a run and its processes may take together."""

_PACKAGES = Path(__file__).parents[2]
_MAX_WRITTEN = 4 << 30
_WATCH_SECONDS = 1.0
_IMPORTS = 16 << 30  # address space that torch, its CUDA libraries and ONNX Runtime reserve without using memory


def run_limited(command: list[str], folder: Path, timeout: float) -> None:
    """Run a command in `folder` as the leader of its own process group, and stop the group with it."""
    paths = [str(_PACKAGES), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    messages = folder / "messages.txt"
    with (
        messages.open("wb") as errors,
        subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
            preexec_fn=_limits(command) if sys.platform != "win32" else None,
        ) as process,
    ):
        try:
            code = _wait(process, timeout)
        except subprocess.TimeoutExpired as error:
            raise SubmissionError(
                f"expected the run to end within {timeout:g} s, got no end; allow more with --timeout, "
                "or use a faster --device"
            ) from error
        finally:
            _end(process)
    if code != 0:
        said = messages.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        reason = said[-1] if said else "no message"
        raise SubmissionError(f"expected the run to succeed, got exit code {code}: {reason}")


def _wait(process: subprocess.Popen[bytes], timeout: float) -> int:
    """Wait for a process and limit the memory of its session; return its exit code.

    Raises:
        SubmissionError: it takes most of the memory of this machine.
        TimeoutExpired: it takes longer than `timeout` seconds.
    """
    end, memory = time.monotonic() + timeout, physical_memory()
    while True:
        try:
            return process.wait(max(0.0, min(_WATCH_SECONDS, end - time.monotonic())))
        except subprocess.TimeoutExpired:
            if time.monotonic() >= end:
                raise
        if memory is not None and session_memory(process.pid) > MEMORY_SHARE * memory:
            raise SubmissionError(
                f"expected a run that takes at most {MEMORY_SHARE:.0%} of this machine's memory, got one that takes "
                "more; use a machine with more memory"
            )


def _limits(command: list[str]) -> Callable[[], None]:
    """Return a function that limits a new process: no core dumps, limited file size and address space.

    The last is for runs without CUDA on Linux: drivers of CUDA reserve more addresses than the machine has memory.
    """
    memory = physical_memory()
    cuda = Path("/dev/nvidiactl").exists() and "cpu" not in command

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (_MAX_WRITTEN, _MAX_WRITTEN))
        if sys.platform == "linux" and memory is not None and not cuda:
            resource.setrlimit(resource.RLIMIT_AS, (memory + _IMPORTS, memory + _IMPORTS))

    return limit


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
