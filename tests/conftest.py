"""What all tests share: the real data, where a machine has it, and a world without network or user settings."""

from __future__ import annotations

import gc
import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from srbench import bounded_process
from srbench.__main__ import GC_THRESHOLDS

# What is there when the first test begins is never looked through again.
gc.set_threshold(*GC_THRESHOLDS)

_NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real data; skips where it is missing."""
    named = os.environ.get("SRBENCH_TEST_DATA")
    if named:
        return Path(named)
    pytest.skip("set SRBENCH_TEST_DATA to run this on real images and weights")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the long tests on a machine that has no real data and is not one of continuous integration."""
    if os.environ.get("SRBENCH_TEST_DATA") or os.environ.get("CI") == "true":
        return
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker(pytest.mark.skip("set SRBENCH_TEST_DATA or CI=true to run the long tests"))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run of continuous integration with real data that skips a test: there everything has to be installed."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    complete = os.environ.get("CI") == "true" and os.environ.get("SRBENCH_TEST_DATA")
    if complete and reporter and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test reads the user's datasets or cache, and none reaches the network.

    The folders are each test's own, and made by those that use them: most do not.
    """
    own = tmp_path_factory.getbasetemp() / "environments" / f"{next(_NUMBERS)}"
    for name in ("SRBENCH_DATA", "SRBENCH_CACHE", "SRBENCH_MIRROR", "SRBENCH_NO_PLUGINS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SRBENCH_DATA", str(own / "no-data"))
    monkeypatch.setenv("SRBENCH_CACHE", str(own / "cache"))
    monkeypatch.setenv("SRBENCH_OFFLINE", "1")


@pytest.fixture(autouse=True, scope="session")
def disk_that_nobody_waits_for() -> Iterator[None]:
    """Nobody pulls the plug here, and disks are slow."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        yield


class _SameProcess:
    """Takes the place of a bounded worker: a process for each command of a test would take seconds."""

    def __init__(self, function: Callable[..., object], **limits: object) -> None:
        self.call = function

    def __enter__(self) -> _SameProcess:
        return self

    def __exit__(self, *error: object) -> None:
        pass


@pytest.fixture(autouse=True, scope="session")
def commands_read_in_their_own_process() -> Iterator[None]:
    """Read files in the test's process; `tests/test_bounded_process.py` tests the workers themselves."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bounded_process, "BoundedWorker", _SameProcess)
        yield


@pytest.fixture(autouse=True, scope="session")
def few_threads() -> None:
    """Workers of one test run share the machine: with more threads than cores, small trainings take minutes."""
    import torch  # here, since the process that only hands out tests to workers reads this file too

    torch.set_num_threads(1 if "PYTEST_XDIST_WORKER" in os.environ else min(2, torch.get_num_threads()))
    gc.freeze()


@pytest.fixture
def mirror(test_data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Authors' weights, found by file name as on an air-gapped machine."""
    monkeypatch.setenv("SRBENCH_MIRROR", str(test_data / "checkpoints"))
    return test_data / "checkpoints"


@pytest.fixture
def random_image() -> NDArray[np.uint8]:
    """A 50×47 RGB image of noise."""
    return np.random.default_rng(7).integers(0, 256, (47, 50, 3), dtype=np.uint8)
