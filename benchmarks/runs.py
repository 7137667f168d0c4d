"""Whole runs of the command line, for the report: saved images scored again, and a run killed in the middle."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

from srbench.scores import JOURNAL_NAME, read_run

_KILL_AFTER = 4  # lines in the journal: its key and three images
_COUNTED = '''
from pathlib import Path

import srbench


def build(scale):
    network = srbench.load_model("zoo:imdn@authors", scale=scale)

    def forward(lr):
        with Path("calls").open("a") as calls:
            calls.write("x")
        return network(lr)

    return forward
'''


def saved_images() -> tuple[list[str], bool]:
    """Score a network and save its images, score the images: the cells of the report, and whether all is equal."""
    protocols = ["matlab-y", "matlab-y-rounded", "matlab-rgb"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        options = [word for protocol in protocols for word in ("--protocol", protocol)]
        images = ["--save-images", "images"]
        _evaluate(folder, "--model", "zoo:imdn@authors", "--dataset", "Set5", *options, "--output", "first", *images)
        _evaluate(folder, "--model", "images:images", "--dataset", "Set5", *options, "--output", "second")
        differ = _differences(folder / "first", folder / "second")
    return ["zoo:imdn@authors ×4", "Set5", ", ".join(protocols), str(differ)], differ == 0


def killed_run() -> tuple[list[str], bool]:
    """Kill a run, repeat its command, compare with a run left alone: the cells of the report, and whether it holds."""
    command = ["--model", "python:counted:build", "--dataset", "Set14"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "counted.py").write_text(_COUNTED)
        done = _kill(folder, *command, "--output", "killed")
        _evaluate(folder, *command, "--output", "killed")
        calls = len((folder / "calls").read_text())
        _evaluate(folder, *command, "--output", "whole")
        differ = _differences(folder / "killed", folder / "whole")
        images = len(read_run(folder / "whole").scores)
    # The image in the network and the one being scored are in flight: both are computed again.
    met = differ == 0 and 0 < done < images and images <= calls <= images + 2
    return [str(images), f"{done} images", str(calls), str(differ)], met


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "srbench", "evaluate", "--scale", "4", *arguments]


def _evaluate(folder: Path, *arguments: str) -> None:
    subprocess.run(_command(*arguments), cwd=folder, check=True, stdout=subprocess.DEVNULL)


def _kill(folder: Path, *arguments: str) -> int:
    """Kill a run with SIGKILL once its journal holds a few images; returns how many images are in it."""
    journal = folder / "killed" / JOURNAL_NAME
    with subprocess.Popen(_command(*arguments), cwd=folder, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None and _lines(journal) < _KILL_AFTER:
            time.sleep(0.01)
        process.kill()
    return _lines(journal) - 1


def _lines(journal: Path) -> int:
    return journal.read_bytes().count(b"\n") if journal.exists() else 0


def _differences(first: Path, second: Path) -> int:
    """Rows of two runs whose scores are not the same to the last bit."""
    left, right = _scores(first), _scores(second)
    return int((~((left == right) | (left.isna() & right.isna())).all(axis=1)).sum())


def _scores(run: Path) -> pd.DataFrame:
    scores = read_run(run).scores.set_index(["protocol", "dataset", "image"]).sort_index()
    return scores[["psnr_y", "ssim_y", "psnr_rgb", "ssim_rgb", "psnr_lr"]]
