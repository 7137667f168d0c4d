"""Sweeps: every combination once, on every engine; interrupted, extended, and with a lost cluster node."""

from __future__ import annotations

import json
import os
import shutil
import sys
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

import srbench
from srbench.cli import main
from srbench.errors import DatasetError, ResultsError, SweepError
from srbench.images import save_png
from srbench.scores import SCHEMA, read_run, read_table
from srbench.sweep import Grid, InProcess, Processes, RayCluster, Sweep, sweep
from srbench.sweep import jobs as jobs_module
from srbench.sweep.jobs import JobResult, SweepJob
from srbench.upscalers.base import Options

FACTORY = """
import os, pathlib, time, torch
def wait_for_both():
    both = os.environ.get("SRBENCH_BOTH")
    for _ in range(600 if both else 0):
        if len(set(pathlib.Path(os.environ["SRBENCH_CALLS"]).read_text().split())) >= int(both):
            break
        time.sleep(0.1)
def make(scale):
    def upscale(lr):
        if tuple(lr.shape[-2:]) not in ((64, 80), (61, 75)):  # the images of the probe are not counted
            with open(os.environ["SRBENCH_CALLS"], "a") as file:
                file.write(f"{os.getpid()}\\n")
            wait_for_both()
        return torch.nn.functional.interpolate(lr, scale_factor=scale)
    return upscale
def failing(scale):
    def upscale(lr):
        raise ValueError("by design")
    return upscale
def raising(scale):
    raise RuntimeError("by design")
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two sets of small images and a model that writes down each call; the current folder."""
    random = np.random.default_rng(0)
    for name, count in (("first", 5), ("second", 3)):
        for number in range(count):
            save_png(tmp_path / name / f"{number}.png", random.integers(0, 256, (30, 26, 3), dtype=np.uint8))
    (tmp_path / "noted_model.py").write_text(FACTORY)
    monkeypatch.setenv("SRBENCH_CALLS", str(tmp_path / "calls"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield_cache()
    return tmp_path


def yield_cache() -> None:
    jobs_module._open.cache_clear()  # another test's model of the same name must not answer


def grid(**changes: Any) -> Grid:
    facts: dict[str, Any] = {
        "models": ("bicubic", "python:noted_model:make"),
        "datasets": ("folder:first", "folder:second"),
        "scales": (2, 3),
        "protocols": ("matlab-y", "bam2021", "matlab-rgb"),
        "options": Options(device="cpu"),
    }
    return Grid(**{**facts, **changes})


def calls(folder: Path) -> int:
    return (folder / "calls").read_text().count("\n") if (folder / "calls").exists() else 0


def settled(scores: pd.DataFrame) -> pd.DataFrame:
    """The rows in one order, without the time they took."""
    ordered = scores.sort_values(["model", "scale", "dataset", "protocol", "image"], ignore_index=True)
    return ordered.drop(columns="seconds")


def plain_run(folder: Path) -> pd.DataFrame:
    """The grid as single evaluations."""
    wanted = grid()
    parts = [
        srbench.evaluate(
            model, list(wanted.datasets), scale=scale, protocol=list(wanted.protocols), options=wanted.options
        ).scores
        for model in wanted.models
        for scale in wanted.scales
    ]
    return settled(pd.concat(parts, ignore_index=True))


def test_sweep_equals_plain_runs_with_one_pass_per_preparation(folder: Path) -> None:
    expected = plain_run(folder)
    before = calls(folder)
    outcome = sweep(grid(), folder / "out")
    assert outcome.problems == []
    assert settled(outcome.scores).equals(expected)
    assert calls(folder) - before == (5 + 3) * 2 * 2, "images × scales × preparations"
    assert settled(read_table(folder / "out/scores.parquet")).equals(expected)
    runs = [read_run(path) for path in sorted((folder / "out/runs").iterdir())]
    assert len(runs) == 2 * 2 * 2 * 2
    assert settled(pd.concat([run.scores for run in runs])).equals(expected)
    assert all(run.record["environment"]["python"] and run.record["seconds"] >= 0 for run in runs)
    assert len(json.loads((folder / "out/sweep.json").read_text())["combinations"]) == 2 * 2 * 2 * 3


def test_finished_combinations_are_not_computed_again(folder: Path) -> None:
    sweep(grid(protocols=("matlab-y",), scales=(2,)), folder / "out")
    before = calls(folder)
    assert before == 8
    sweep(grid(protocols=("matlab-y",), scales=(2,)), folder / "out")
    assert calls(folder) == before
    wider = sweep(grid(protocols=("matlab-y", "matlab-rgb", "bam2021"), scales=(2,)), folder / "out")
    assert calls(folder) == before + 16, "matlab-rgb and bam2021 are new, matlab-y is not"
    save_png(folder / "second/0.png", np.zeros((30, 26, 3), np.uint8))
    other = sweep(grid(protocols=("matlab-y",), scales=(2,)), folder / "out")
    assert calls(folder) == before + 16 + 3, "a set with other pixels is another set"
    assert len(wider.scores) == 2 * 8 * 3
    assert not other.scores.duplicated(["model", "dataset", "image"]).any()


def test_interrupted_sweep_resumes_from_its_journals(folder: Path) -> None:
    class Stop(Exception):
        pass

    def stopped(results: Iterable[JobResult], images: int) -> Iterator[JobResult]:
        for number, result in enumerate(results):
            if number == 6:
                raise Stop
            yield result

    small = grid(models=("python:noted_model:make",), scales=(2,))
    with pytest.raises(Stop):
        sweep(small, folder / "out", watch=stopped)
    spent = calls(folder)
    outcome = sweep(small, folder / "out")
    assert 16 <= calls(folder) <= 16 + spent - 6
    assert settled(outcome.scores).equals(settled(sweep(small, folder / "plain").scores))


def test_sweep_refuses_the_folder_of_a_single_run(folder: Path) -> None:
    srbench.evaluate("bicubic", "folder:first", scale=2).save(folder / "run")
    before = (folder / "run/scores.parquet").read_bytes()
    with pytest.raises(ResultsError, match="expected an empty folder or one of a sweep, got other files"):
        sweep(grid(), folder / "run")
    assert (folder / "run/scores.parquet").read_bytes() == before


def test_failing_combination_is_reported_and_others_continue(folder: Path) -> None:
    (folder / "second/1.png").write_bytes(b"")
    outcome = sweep(grid(models=("bicubic", "zoo:imdn@nobody"), scales=(2,), protocols=("matlab-y",)), folder / "out")
    assert len(outcome.problems) == 3
    assert sum("nobody" in problem for problem in outcome.problems) == 2
    assert any("second" in problem and "empty file" in problem for problem in outcome.problems)
    assert set(outcome.scores["dataset"]) == {"first"}
    models = ("python:noted_model:failing", "python:noted_model:raising", "bicubic")
    outcome = sweep(
        grid(models=models, scales=(2,), datasets=("folder:first",), protocols=("bd", "matlab-y")), folder / "out"
    )
    assert [problem.partition(" on folder")[0] for problem in outcome.problems] == [
        "python:noted_model:failing ×2",
        "python:noted_model:raising ×2",
        "bicubic ×2",
        "python:noted_model:failing ×2",
    ]
    assert sum("'bd' is defined for ×3" in problem for problem in outcome.problems) == 2
    assert "on first/0: the model raised ValueError: by design" in outcome.problems[3]
    assert len(outcome.scores) == 5


def test_sets_are_identified_by_pixels_not_by_name(folder: Path) -> None:
    twice = grid(models=("bicubic",), scales=(2,), datasets=("folder:first", "folder:second/../first"))
    assert len(sweep(twice, folder / "out").scores) == 5 * 3
    shutil.copytree(folder / "second", folder / "other/first")
    with pytest.raises(DatasetError, match="two called first"):
        sweep(grid(datasets=("folder:first", "folder:other/first")), folder / "out")


@pytest.mark.long
def test_processes_give_the_same_rows(folder: Path) -> None:
    small = grid(scales=(2,), protocols=("matlab-y", "matlab-rgb"))
    plain, shared = (
        sweep(small, folder / name, engine=engine) for name, engine in (("one", InProcess()), ("two", Processes(2)))
    )
    assert settled(plain.scores).equals(settled(shared.scores))
    assert len(set((folder / "calls").read_text().split())) >= 2


def test_machine_with_different_pixels_scores_nothing(folder: Path) -> None:
    class Elsewhere(InProcess):
        def results(self, jobs: Iterable[SweepJob]) -> Iterator[JobResult]:
            shutil.copy(folder / "first/1.png", folder / "first/0.png")
            yield_cache()
            yield from super().results(jobs)

    outcome = sweep(
        grid(datasets=("folder:first",), models=("bicubic",), scales=(2,)), folder / "out", engine=Elsewhere()
    )
    assert outcome.scores.empty
    assert "copy them again" in outcome.problems[0]


@pytest.mark.long
@pytest.mark.ray
def test_lost_cluster_node_neither_loses_nor_doubles_rows(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray", reason="install the extra ray")
    expected = plain_run(folder)
    (folder / "calls").unlink()
    monkeypatch.setenv("SRBENCH_BOTH", "2")  # no image is finished before both nodes are at work
    monkeypatch.setattr(RayCluster, "chunk", 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of ray, about its own future
        outcome = _sweep_while_a_node_dies(ray, folder)
    assert outcome.problems == []
    assert settled(outcome.scores).equals(expected)
    assert settled(read_table(folder / "out/scores.parquet")).equals(expected)
    assert calls(folder) >= (5 + 3) * 2 * 2


def _sweep_while_a_node_dies(ray: Any, folder: Path) -> Sweep:
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": 80 << 20}
    cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    lost = cluster.add_node(**node)
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")

    def killing(results: Iterable[JobResult], images: int) -> Iterator[JobResult]:
        for number, result in enumerate(results):
            if number == 0:
                cluster.remove_node(lost, allow_graceful=False)
            yield result

    try:
        return sweep(
            grid(models=("python:noted_model:make", "bicubic")), folder / "out", engine=RayCluster(), watch=killing
        )
    finally:
        ray.shutdown()
        cluster.shutdown()


def test_a_cluster_with_too_few_gpus_is_refused() -> None:
    with pytest.raises(SweepError, match="1 CPU and 2 GPU"):
        RayCluster(gpus=2)._require_resources(
            [{"Alive": True, "Resources": {"CPU": 8.0}}, {"Alive": False, "Resources": {"CPU": 8.0, "GPU": 4.0}}]
        )


def command(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["sweep", *map(str, arguments)])


def test_repeated_command_prints_the_same_table(folder: Path) -> None:
    arguments = (
        "--model",
        "bicubic",
        "--model",
        "bicubic:pillow",
        "--dataset",
        "folder:first",
        "--scale",
        2,
        "--scale",
        4,
        "--protocol",
        "matlab-y",
        "--output",
        "out",
    )
    first = command(*arguments)
    assert first.exit_code == 0, first.output
    lines = first.stdout.splitlines()
    assert lines[0].split() == ["model", "scale", "protocol", "dataset", "images", "PSNR", "/", "SSIM"]
    assert [line.split()[:5] for line in lines[2:]] == [
        [model, scale, "matlab-y", "first", "5"] for model in ("bicubic", "bicubic:pillow") for scale in ("×2", "×4")
    ]
    assert command(*arguments).stdout == first.stdout
    documents = json.loads(command(*arguments, "--format", "json").stdout)
    assert [document["scale"] for document in documents] == [2, 4, 2, 4]
    assert list(pd.read_parquet(folder / "out/scores.parquet").columns) == SCHEMA.names


def test_command_exits_1_and_names_the_failure(folder: Path) -> None:
    result = command(
        "--model", "bicubic", "--model", "bicubix", "--dataset", "folder:first", "--scale", 2, "--output", "out"
    )
    assert result.exit_code == 1
    assert "did you mean bicubic" in result.stderr
    assert "bicubic" in result.stdout
    assert (
        command(
            "--model",
            "bicubic",
            "--dataset",
            "folder:first",
            "--scale",
            2,
            "--output",
            "o",
            "--engine",
            "ray",
            "--jobs",
            2,
        ).exit_code
        == 2
    )
    assert (
        command("--model", "bicubic", "--dataset", "folder:first", "--scale", 2, "--output", "o", "--gpus", 1).exit_code
        == 2
    )


def test_equal_files_with_different_outputs_stay_separate(folder: Path) -> None:
    code = (
        "import pathlib, torch\ndef make(scale):\n"
        "    gain = float(pathlib.Path(__file__).with_name('gain').read_text())\n"
        "    return lambda lr: torch.nn.functional.interpolate(lr, scale_factor=scale) * gain\n"
    )
    for name in ("one", "two"):
        (folder / "elsewhere" / name).mkdir(parents=True)
        (folder / "elsewhere" / name / "net.py").write_text(code)
        (folder / "elsewhere" / name / "gain").write_text({"one": "1.0", "two": "0.9"}[name])
    (folder / "here").mkdir()
    os.chdir(folder / "here")
    models = tuple(f"python:{folder}/elsewhere/{name}/net.py:make" for name in ("one", "two"))
    facts = {"scales": (2,), "protocols": ("matlab-y",), "datasets": (f"folder:{folder / 'first'}",)}
    outcome = sweep(grid(models=models, **facts), folder / "out")
    assert [*outcome.scores["model"].unique()] == ["python:net.py:make"]
    assert len(outcome.scores) == 5
    assert len(outcome.problems) == 1 and "compute different things; rename one" in outcome.problems[0]
    (folder / "elsewhere/one/gain").write_text("0.8")
    stale = sweep(grid(models=models[:1], **facts), folder / "out")
    assert "computed something else" in stale.problems[0]
