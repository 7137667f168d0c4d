"""Runs that several processes share give the rows of a run by one process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

import srbench.runs
from srbench.cli import main
from srbench.datasets import ImageSet, open_dataset
from srbench.errors import ResultsError
from srbench.evaluation import Plan
from srbench.images import save_png
from srbench.journal import journals_in
from srbench.protocols import get_protocol
from srbench.runs import Shard, execute, row_order
from srbench.scores import RunFolder, read_run, row_id
from srbench.upscalers.bicubic import MatlabBicubic
from tests.call_counting_model import FACTORY


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Seven images and a model that notes its calls; the current folder."""
    random = np.random.default_rng(0)
    for name in "abcdefg":
        save_png(tmp_path / "set" / f"{name}.png", random.integers(0, 256, (32, 30, 3), dtype=np.uint8))
    (tmp_path / "noting_model.py").write_text(FACTORY)
    monkeypatch.delitem(sys.modules, "noting_model", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def plan_of(images: ImageSet) -> Plan:
    return Plan(MatlabBicubic(scale=2), [images], [get_protocol(name) for name in ("bam2021", "matlab-y")])


def command(output: str) -> list[str]:
    return [
        "evaluate",
        "--model",
        "python:noting_model:make",
        "--scale",
        "2",
        "--dataset",
        "folder:set",
        "--protocol",
        "bam2021",
        "--protocol",
        "matlab-rgb",
        "--output",
        output,
        "--device",
        "cpu",
    ]


def srbench_here(output: str) -> Result:
    result = CliRunner().invoke(main, command(output))
    assert result.exit_code == 0, result.output
    return result


def environment(folder: Path, **more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *sys.path]), "OMP_NUM_THREADS": "1", **more}


@pytest.mark.long
def test_torchrun_gives_the_rows_of_one_process(folder: Path) -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "srbench"]
    shared = subprocess.run(
        [*torchrun, *command("shared")], cwd=folder, env=environment(folder), check=True, capture_output=True, text=True
    )
    calls = len((folder / "calls").read_text())
    plain = srbench_here("plain")
    assert calls == 14, "seven images under two preparations, none of them padded"
    assert shared.stdout == plain.stdout
    first, second = (read_run(folder / name) for name in ("shared", "plain"))
    assert first.scores.drop(columns="seconds").equals(second.scores.drop(columns="seconds"))
    assert (first.record["processes"], first.record["key"]) == (2, second.record["key"])
    assert sorted(path.name for path in (folder / "shared").iterdir()) == ["run.json", "scores.parquet"]


@pytest.mark.long
def test_killed_process_loses_no_finished_row(folder: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "srbench", *command("run")],
        cwd=folder,
        env=environment(folder, RANK="1", WORLD_SIZE="2", SECONDS_A_CALL="0.1"),
    )
    journal = folder / "run" / "journal-1.jsonl"
    deadline = time.monotonic() + 60
    while not journal.exists() or journal.read_bytes().count(b"\n") < 3:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = journal.read_bytes().count(b"\n") - 1
    spent = len((folder / "calls").read_text())
    srbench_here("run")
    scores = read_run(folder / "run").scores
    assert len(scores) == 14
    assert not scores.duplicated(["dataset", "protocol", "image"]).any()
    assert len((folder / "calls").read_text()) == spent + 14 - done


def test_shards_together_give_rows_in_plan_order(folder: Path) -> None:
    images = open_dataset(f"folder:{folder / 'set'}")
    plan = plan_of(images)
    saving = Plan(plan.upscaler, plan.sets, plan.protocols[:1], save_images=folder / "sr")
    assert execute(saving, folder / "saving", shard=Shard(1, 2)) is None
    assert sorted(path.stem for path in (folder / "sr/set").iterdir()) == list("bdf"), "only the images of its shard"
    assert execute(plan, folder / "run", shard=Shard(1, 2)) is None
    assert execute(plan, folder / "run", shard=Shard(2, 3)) is None
    assert len(journals_in(folder / "run")) == 2
    outcome = execute(plan, folder / "run")
    assert outcome is not None
    assert [row_id(row) for row in outcome[0]] == list(row_order(plan))
    plain = execute(plan, None)
    assert plain is not None
    assert [{**row, "seconds": 0} for row in outcome[0]] == [{**row, "seconds": 0} for row in plain[0]]
    assert journals_in(folder / "run") == []


def test_unfinished_line_of_another_process_is_kept(folder: Path) -> None:
    plan = plan_of(open_dataset(f"folder:{folder / 'set'}"))
    execute(plan, folder / "run", shard=Shard(1, 2))
    journal = folder / "run" / "journal-1.jsonl"
    torn = journal.read_bytes()[:-20]
    journal.write_bytes(torn)
    assert len(RunFolder(folder / "run", plan.key()).rows) == 5
    assert journal.read_bytes() == torn
    assert len(RunFolder(folder / "run", plan.key(), writer=1).rows) == 5
    assert torn.startswith(journal.read_bytes())
    assert journal.read_bytes().endswith(b"\n")


def test_several_processes_need_an_output_folder(folder: Path) -> None:
    plan = plan_of(open_dataset(f"folder:{folder / 'set'}"))
    with pytest.raises(ResultsError, match="--output"):
        execute(plan, None, shard=Shard(0, 2))


def test_missing_rows_of_other_processes_raise(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_of(open_dataset(f"folder:{folder / 'set'}"))
    monkeypatch.setattr(srbench.runs, "PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(srbench.runs, "POLL_SECONDS", 0.01)
    with pytest.raises(ResultsError, match="6 are missing"):
        execute(plan, folder / "run", shard=Shard(0, 2))


def test_rank_must_be_below_world_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "2")
    with pytest.raises(ResultsError, match="torchrun"):
        Shard.from_environment()
