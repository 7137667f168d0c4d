"""Every write is interrupted at every step: nothing half-written is read as whole, and repeating it finishes it."""

from __future__ import annotations

import errno
import io
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from srbench.errors import SrbenchError
from tests.hardening.artifacts import WRITTEN, Artifact

KILL = 0
FAULTS = {"kill": KILL, "disk full": errno.ENOSPC, "permission lost": errno.EACCES}
MANY = 30
"""Of more steps than this each is killed, and every third fails in the other ways too."""
NEXT_STEPS = ("free some", "writable folder", "choose another", "again")


class Killed(BaseException):
    """What ends a process here; nothing catches it."""


class Saboteur:
    """Lets `at` steps that change the disk below `root` happen, then breaks one of them and, if killed, all later."""

    def __init__(self, root: Path, at: int | None, fault: int) -> None:
        self.root, self.at, self.fault = str(root), at, fault
        self.steps, self.dead = 0, False

    def step(self, path: Any) -> bool:
        """True if the step on this path breaks in its middle; raises where nothing can be done any more."""
        if not str(path).startswith(self.root):
            return False
        if self.dead:
            raise Killed
        self.steps += 1
        return self.steps - 1 == self.at

    def break_(self, path: Any) -> None:
        if self.fault == KILL:
            self.dead = True
            raise Killed
        raise OSError(self.fault, os.strerror(self.fault), str(path))


@contextmanager
def sabotaged(root: Path, at: int | None, fault: int) -> Iterator[Saboteur]:
    """Python's ways to change the disk, each of them a step that can break; a write breaks after half of its bytes."""
    saboteur = Saboteur(root, at, fault)
    patch = pytest.MonkeyPatch()

    def guard(owner: Any, name: str, place: Callable[..., Any]) -> None:
        original = getattr(owner, name)

        def guarded(*arguments: Any, **keywords: Any) -> Any:
            if saboteur.step(place(*arguments)):
                saboteur.break_(place(*arguments))
            return original(*arguments, **keywords)

        patch.setattr(owner, name, guarded)

    original_open = io.open

    def opened(file: Any, mode: str = "r", *arguments: Any, **keywords: Any) -> Any:
        stream = original_open(file, mode, *arguments, **keywords)
        if not set(mode) & set("wax+") or not isinstance(file, str | Path):
            return stream
        return _Writer(stream, file, saboteur)

    guard(os, "fsync", lambda handle: Path(f"/proc/self/fd/{handle}").readlink())
    for name in ("replace", "rename", "mkdir", "unlink", "truncate", "rmdir"):
        guard(os, name, lambda path, *rest: os.fspath(path))
    patch.setattr(io, "open", opened)
    patch.setattr("builtins.open", opened)
    try:
        yield saboteur
    finally:
        patch.undo()


class _Writer:
    """A file whose writes are steps."""

    def __init__(self, stream: Any, path: Any, saboteur: Saboteur) -> None:
        self._stream, self._path, self._saboteur = stream, path, saboteur

    def write(self, data: Any) -> Any:
        if self._saboteur.step(self._path):
            self._stream.write(data[: len(data) // 2])
            self._stream.flush()
            self._saboteur.break_(self._path)
        return self._stream.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __iter__(self) -> Any:
        return iter(self._stream)

    def __enter__(self) -> _Writer:
        return self

    def __exit__(self, *details: Any) -> None:
        self._stream.close()


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc to see which file is synced")
@pytest.mark.parametrize("artifact", WRITTEN, ids=str)
def test_an_interrupted_write_is_never_read_as_complete(
    artifact: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SRBENCH_MIRROR", str(tmp_path / "mirror"))
    whole = tmp_path / "whole" / "there"
    whole.mkdir(parents=True)
    with sabotaged(whole, None, KILL) as saboteur:
        artifact.write(whole)
    expected = artifact.read(whole)
    assert saboteur.steps >= 3, "opened or made, synced, renamed"
    for at in range(saboteur.steps):
        for name, fault in FAULTS.items() if saboteur.steps < MANY or at % 3 == 0 else [("kill", KILL)]:
            place = tmp_path / f"{at} {name}" / "there"
            place.mkdir(parents=True)
            _interrupt(artifact, place, at, fault, f"{name} at step {at} of {saboteur.steps}", expected)
            shutil.rmtree(place.parent)


def _interrupt(artifact: Artifact, place: Path, at: int, fault: int, label: str, expected: Any) -> None:
    with sabotaged(place, at, fault):
        try:
            artifact.write(place)
        except SrbenchError as error:
            assert any(step in str(error) for step in NEXT_STEPS), f"{label}: {error}"
        except Killed:
            pass
    try:
        found = artifact.read(place)
    except SrbenchError:
        found = None
    if found is not None and artifact.name not in ("folder of images", "training checkpoint"):
        assert found == expected, f"{label}: what was half written was read"
    artifact.write(place)
    assert artifact.read(place) == expected, f"{label}: repeating it did not finish it"
