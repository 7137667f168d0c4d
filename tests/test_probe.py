"""The probe: a run is resumed only by a model that computes what it computed before."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

from srbench.cli import main
from srbench.datasets import open_dataset
from srbench.errors import ResultsError
from srbench.evaluation import Plan
from srbench.evaluation.probe import PROBE_SIZES, Probe, difference, probe_image, require_same_model, take_probe
from srbench.images import pixel_sha256, save_png
from srbench.journal import JOURNAL_NAME
from srbench.protocols import get_protocol
from srbench.runs import Shard, execute
from srbench.scores import read_run
from srbench.upscalers.base import Identity, Options
from srbench.upscalers.bicubic import MatlabBicubic
from srbench.upscalers.loading import as_upscaler
from srbench.upscalers.tensors import TensorUpscaler

FACTORIES = """
import json, pathlib, torch

def from_file(scale):
    gain = json.loads(pathlib.Path("gain.json").read_text())
    return lambda lr: torch.nn.functional.interpolate(lr, scale_factor=scale) * gain

def noisy(scale):
    return lambda lr: torch.nn.functional.interpolate(lr, scale_factor=scale) + 0.01 * torch.rand(1)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module of factories, one of which reads a data file; the current folder."""
    (tmp_path / "probed_model.py").write_text(FACTORIES)
    (tmp_path / "gain.json").write_text("0.9")
    for name in "ab":
        save_png(tmp_path / "set" / f"{name}.png", probe_image(48, 40))
    monkeypatch.delitem(sys.modules, "probed_model", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def evaluate(factory: str, *more: str) -> Result:
    words = ["evaluate", "--model", f"python:probed_model:{factory}", "--scale", "2", "--dataset", "folder:set"]
    return CliRunner().invoke(main, [*words, "--device", "cpu", "--output", "run", *more])


def nearest(gain: float = 1.0, *, precision: str = "fp32") -> Probe:
    def forward(lr: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.interpolate(lr, scale_factor=2) * gain

    probe = take_probe(TensorUpscaler(forward, Identity("nearest"), scale=2, options=Options("cpu", precision)))
    assert probe is not None
    return probe


def stored_now() -> Probe:
    stored = Probe.of_record(nearest().to_head())
    assert stored is not None
    return stored


def test_the_probe_images_never_change() -> None:
    assert [pixel_sha256(probe_image(*size))[:16] for size in PROBE_SIZES] == ["c14d0d41c54b5709", "9e8156f2275e6066"]


def test_a_changed_data_file_is_refused_on_resume(folder: Path) -> None:
    assert evaluate("from_file").exit_code == 0
    assert evaluate("from_file").exit_code == 0
    record = read_run(folder / "run").record
    assert record["probe"]["deterministic"] is True
    assert len(json.dumps(record["probe"]["values"])) < 1200
    (folder / "gain.json").write_text("0.90001")
    again = evaluate("from_file")
    assert again.exit_code == 1
    assert "computed something else" in again.stderr
    (folder / "gain.json").write_text("0.9")
    assert evaluate("from_file").exit_code == 0


def test_an_unfinished_run_is_compared_too(folder: Path) -> None:
    plan = Plan(MatlabBicubic(scale=2), [open_dataset("folder:set")], [get_protocol("matlab-y")])
    assert execute(plan, folder / "run", shard=Shard(1, 2)) is None
    journal = folder / "run" / JOURNAL_NAME.replace(".", "-1.")
    head = json.loads(journal.read_text().splitlines()[0])
    assert head["probe"]["sha256"] == getattr(take_probe(plan.upscaler), "sha256", None)

    class Other(MatlabBicubic):
        def upscale(self, lr: np.ndarray, *, dataset: str, name: str) -> np.ndarray:  # type: ignore[type-arg,override]
            return np.ascontiguousarray(super().upscale(lr, dataset=dataset, name=name)[::-1])

    with pytest.raises(ResultsError, match="computed something else"):
        execute(replace(plan, upscaler=Other(scale=2)), folder / "run")


def test_a_random_model_resumes_only_when_accepted(folder: Path) -> None:
    first = evaluate("noisy")
    assert (first.exit_code, "gives another output each time" in first.stderr) == (0, True)
    assert read_run(folder / "run").record["probe"]["deterministic"] is False
    refused = evaluate("noisy")
    assert (refused.exit_code, "--accept-random" in refused.stderr) == (1, True)
    accepted = evaluate("noisy", "--accept-random")
    assert (accepted.exit_code, accepted.stdout) == (0, first.stdout)


def test_other_machines_are_compared_within_a_tolerance() -> None:
    stored, step = stored_now(), 1 / 255
    assert difference(stored, nearest(), precision="fp32") == ""
    for gain, precision, same in (
        (1 + 1e-6, "fp32", True),
        (1 + step / 50, "fp32", False),
        (1 + step / 50, "fp16", True),
    ):
        elsewhere = replace(nearest(gain), device="another GPU")
        assert (difference(stored, elsewhere, precision=precision) == "") is same
        assert difference(stored, nearest(gain), precision=precision), "here it has to be equal to the last bit"


def test_runs_without_a_probe_are_not_compared(tmp_path: Path) -> None:
    require_same_model(tmp_path, [{"environment": {}}], nearest(), precision="fp32", accept_random=False)


def test_one_changed_pixel_is_seen_on_another_machine() -> None:
    stored = stored_now()

    def forward(lr: torch.Tensor) -> torch.Tensor:
        sr = torch.nn.functional.interpolate(lr, scale_factor=2)
        sr[:, 1, 77, 31] += 0.2
        return sr

    other = take_probe(TensorUpscaler(forward, Identity("nearest"), scale=2, options=Options("cpu")))
    assert other is not None
    assert difference(stored, replace(other, device="another"), precision="fp32")


def test_a_model_for_even_sizes_is_known_by_one_image(tmp_path: Path) -> None:
    class Even(torch.nn.Module):
        def forward(self, lr: torch.Tensor) -> torch.Tensor:
            return lr.unflatten(-1, (-1, 4)).flatten(-2).repeat_interleave(2, -1).repeat_interleave(2, -2)

    probe = take_probe(as_upscaler(Even(), scale=2, options=Options("cpu")))
    assert probe is not None
    assert [values is None for values in probe.values] == [False, True]
