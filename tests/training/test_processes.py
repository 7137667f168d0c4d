"""Trainings in processes of their own: killed, several together, one of several dying, with few packages."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from srbench.errors import TrainingError
from srbench.training import processes
from srbench.training.processes import join_processes
from srbench.training.trainer import train
from tests.training.small import ROOT, command_line, losses, small_job, small_recipe, start

PATIENCE = 240.0
"""Seconds that a process may take for what it does in a few, since other tests may share its cores."""

# The packages that a training needs, and what those need themselves.
NEEDED = (
    "click",
    "filelock",
    "numpy",
    "pandas",
    "PIL",
    "platformdirs",
    "pyarrow",
    "pydantic",
    "safetensors",
    "torch",
    "tqdm",
)
THEIRS = (
    "typing_extensions",
    "annotated_types",
    "pydantic_core",
    "typing_inspection",
    "sympy",
    "mpmath",
    "networkx",
    "jinja2",
    "markupsafe",
    "fsspec",
    "dateutil",
    "pytz",
    "tzdata",
    "six",
    "functorch",
    "torchgen",
    "triton",
    "nvidia",
    "packaging",
    "setuptools",
)
ABSENT = ("cv2", "datasets", "requests", "scipy", "skimage")
WITHOUT_THE_REST = f"""
import importlib.util, runpy, sys
from importlib.machinery import PathFinder
KNOWN = {(*NEEDED, *THEIRS)!r}

class Finder(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        spec = super().find_spec(name, path, target)
        installed = spec and "site-packages" in f"{{spec.origin}} {{spec.submodule_search_locations}}"
        return None if installed and name.split(".")[0] not in KNOWN else spec

sys.meta_path = [Finder if finder is PathFinder else finder for finder in sys.meta_path]
assert not any(map(importlib.util.find_spec, {ABSENT!r}))
sys.argv[0] = "srbench"
runpy.run_module("srbench", run_name="__main__", alter_sys=True)
"""

AVERAGING = """
import torch
from srbench.errors import TrainingError
from srbench.training.processes import join_processes

with join_processes("cpu") as world:
    try:
        for step in range(10**9):
            value = torch.tensor([float(world.rank)])
            world.average([value])
            if step == 0:
                print(f"averaged to {float(value)}", flush=True)
    except TrainingError as error:
        print(error)
"""


@pytest.mark.long
def test_a_killed_training_resumes_to_identical_losses_and_weights(images: Path, tmp_path: Path) -> None:
    recipe = small_recipe(steps=24, validate_every=24)
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    run = start([*command_line(images, killed, recipe, tmp_path), "--checkpoint-every", "4"])
    _wait_for(killed / "checkpoint.pt", run)
    os.kill(run.pid, signal.SIGKILL)
    run.communicate()
    assert 4 <= torch.load(killed / "checkpoint.pt", weights_only=True)["step"] < 24
    for output in (killed, whole):
        train(small_job(images, output, recipe=recipe, log_every=12))
    assert losses(killed) == losses(whole) and len(losses(whole)) == 2
    assert (killed / "weights.safetensors").read_bytes() == (whole / "weights.safetensors").read_bytes()


@pytest.mark.long
def test_two_processes_give_the_weights_of_one(images: Path, tmp_path: Path) -> None:
    # Adam turns gradients near zero into steps of full length; a large epsilon leaves only rounding to compare.
    recipe = small_recipe(epsilon=1e-3)
    run = start(
        [
            "--standalone",
            "--nproc-per-node=2",
            "--no-python",
            sys.executable,
            "-c",
            WITHOUT_THE_REST,
            *command_line(images, tmp_path / "two", recipe, tmp_path),
        ],
        module="torch.distributed.run",
    )
    told, problems = run.communicate(timeout=PATIENCE)
    assert told.startswith("imdn ×2, recipe small") and told.count("recipe") == 1, problems
    train(small_job(images, tmp_path / "one", recipe=recipe))
    two, one = (load_file(tmp_path / name / "weights.safetensors") for name in ("two", "one"))
    for key, weights in one.items():
        torch.testing.assert_close(two[key], weights, rtol=0, atol=1e-6, msg=partial("{}: {}".format, key))


@pytest.mark.long
def test_when_one_process_dies_the_other_stops_and_says_so() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        world = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(probe.getsockname()[1])}
    first, second = (
        subprocess.Popen(
            [sys.executable, "-c", AVERAGING],
            cwd=ROOT,
            text=True,
            stdout=subprocess.PIPE,
            env={**os.environ, **world, "RANK": str(rank)},
        )
        for rank in range(2)
    )
    for run in (first, second):
        assert run.stdout and run.stdout.readline() == "averaged to 0.5\n"
    os.kill(second.pid, signal.SIGKILL)
    second.communicate()
    message = first.communicate(timeout=PATIENCE)[0]
    assert first.returncode == 0
    assert message.startswith("expected all processes of this run to answer, but one has ended")


def test_each_process_of_torchrun_trains_on_a_different_gpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    current: list[torch.device] = []

    @contextmanager
    def made_current(place: torch.device) -> Iterator[None]:
        current.append(place)
        yield
        current.pop()

    monkeypatch.setattr(processes, "pick_device", torch.device)
    monkeypatch.setattr(torch.cuda, "device", made_current)
    with join_processes("cuda:1") as world:
        assert current == [world.device] == [torch.device("cuda", 1)]
    with join_processes("cpu"):
        assert current == []
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(TrainingError, match="whose processes take a GPU each, got cuda:1"), join_processes("cuda:1"):
        pass


def _wait_for(path: Path, run: subprocess.Popen[str]) -> None:
    end = time.monotonic() + PATIENCE
    while not path.exists():
        if run.poll() is not None or time.monotonic() > end:
            run.kill()
            pytest.fail(f"expected {path.name} to appear, the process said: {run.communicate()[1]}")
        time.sleep(0.002)
