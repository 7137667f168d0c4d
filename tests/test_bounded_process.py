"""Workers with limits: whatever a file does to its reader, the command gets a message, and the next file is read."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from srbench.bounded_process import BoundedWorker
from srbench.errors import SubmissionError, WeightsError
from srbench.process_memory import session_memory


def read(name: str) -> str:
    """Stand in for a reader that one file ends, one fills the memory of, and one occupies for ever."""
    if name == "abort":
        os.abort()
    if name == "huge":
        return f"{len(bytearray(4 << 30))}"
    if name == "endless":
        time.sleep(1000)
    if name == "refused":
        raise WeightsError("expected weights, got none")
    if name == "unforeseen":
        raise ZeroDivisionError("by zero")
    return f"{name} in {os.getpid()}"


@pytest.fixture(scope="module")
def worker() -> Iterator[BoundedWorker[[str], str]]:
    with BoundedWorker(read, error=SubmissionError, memory=1 << 29, seconds=100) as running:
        yield running


def test_worker_is_another_process_and_is_reused(worker: BoundedWorker[[str], str]) -> None:
    first, second = worker.call("a").split(), worker.call("b").split()
    assert first[2] == second[2] != str(os.getpid())


def test_error_of_the_reader_becomes_that_of_the_command(worker: BoundedWorker[[str], str]) -> None:
    with pytest.raises(SubmissionError, match=r"^expected weights, got none$"):
        worker.call("refused")
    with pytest.raises(SubmissionError, match="expected a readable file, got ZeroDivisionError"):
        worker.call("unforeseen")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on a process's memory here")
def test_reader_that_needs_too_much_memory_is_stopped(worker: BoundedWorker[[str], str]) -> None:
    with pytest.raises(SubmissionError, match=r"at most 0\.5 GiB of memory, got one that needs more"):
        worker.call("huge")


def test_reader_that_dies_is_replaced_for_the_next_file(worker: BoundedWorker[[str], str]) -> None:
    with pytest.raises(SubmissionError, match=r"one that ends its reader \(exit code -6\)"):
        worker.call("abort")
    assert worker.call("next").startswith("next in ")


def test_total_time_of_all_files_is_limited() -> None:
    with BoundedWorker(read, error=SubmissionError, memory=1 << 30, seconds=0.3) as worker:
        with pytest.raises(SubmissionError, match=r"expected an end within 0\.3 s, got none"):
            worker.call("endless")
        with pytest.raises(SubmissionError, match="this file was not read"):
            worker.call("later")


def test_memory_of_a_session_is_measured() -> None:
    if not Path("/proc/self").exists():
        pytest.skip("compared with what Linux says")
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    assert session_memory(os.getsid(0)) >= 0.5 * pages * os.sysconf("SC_PAGE_SIZE")
