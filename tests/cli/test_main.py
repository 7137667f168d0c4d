"""The command group: complete help, --quiet, and Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from srbench.cli import main

MODEL = """
import time
from torch import nn


class Slow(nn.Module):
    def __init__(self, scale):
        super().__init__()
        self.scale = scale

    def forward(self, lr):
        time.sleep(0.2)
        return lr.repeat_interleave(self.scale, 2).repeat_interleave(self.scale, 3)
"""


@pytest.mark.parametrize("group", ["data", "zoo", "leaderboard", "study"])
def test_help_of_groups_is_complete(group: str) -> None:
    result = CliRunner().invoke(main, [group, "--help"])
    assert result.exit_code == 0 and "..." not in result.stdout.partition("Commands:")[2]


def test_quiet_prints_results_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["evaluate", "--model", "bicubic", "--scale", "4", "--output", "run"]
    first = CliRunner().invoke(main, words)
    assert "using the embedded Sample" in first.stderr
    second = CliRunner().invoke(main, ["--quiet", *words])
    assert (second.stderr, second.stdout) == ("", first.stdout)


@pytest.mark.parametrize("option", ["--quiet", "-q", "--debug"])
def test_an_option_of_the_group_after_the_command_is_explained(option: str) -> None:
    result = CliRunner().invoke(main, ["zoo", "list", option])
    assert result.exit_code == 2
    assert f"{option} belongs before the command: srbench {option} COMMAND" in result.stderr


def test_a_wrong_model_is_reported_before_missing_sets() -> None:
    result = CliRunner().invoke(main, ["evaluate", "--model", "zoo:imdm", "--scale", "4"])
    assert result.exit_code == 1
    assert "imdn" in result.stderr and "benchmark sets" not in result.stderr


@pytest.mark.long
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one child process")
def test_an_interrupted_run_exits_130_and_resumes(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(MODEL)
    words = ["evaluate", "--model", "python:slow.py:Slow", "--scale", "4", "--dataset", "Sample", "--output", "run"]
    command = [sys.executable, "-m", "srbench", *words]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True, preexec_fn=_take_interrupts
    )
    deadline = time.monotonic() + 120
    journal = tmp_path / "run" / "journal.jsonl"
    while process.poll() is None and time.monotonic() < deadline and not _has_scores(journal):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130 and "repeat the command to resume" in said
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert "already computed" in done.stderr and "24.953 / 0.6671" in done.stdout


def _take_interrupts() -> None:
    # A background process of a shell ignores SIGINT, and its children inherit that.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _has_scores(journal: Path) -> bool:
    return journal.exists() and journal.read_bytes().count(b"\n") > 1
