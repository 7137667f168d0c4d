"""The result of an evaluation in Python: what it shows, what it saves, and which folders it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from torch import Tensor, nn

import srbench
from srbench import Result
from srbench.cli import main
from srbench.errors import ResultsError, SrbenchError
from srbench.images import save_png


class Nearest(nn.Module):
    """Repeat each pixel twice in both directions, and add a constant."""

    def __init__(self, added: float = 0.0) -> None:
        super().__init__()
        self.added = added

    def forward(self, x: Tensor) -> Tensor:
        return x.repeat_interleave(2, 2).repeat_interleave(2, 3) + self.added


@pytest.fixture
def images(tmp_path: Path) -> str:
    random = np.random.default_rng(0)
    for name in "ab":
        save_png(tmp_path / f"set/{name}.png", random.integers(0, 256, (24, 20, 3), dtype=np.uint8))
    return f"folder:{tmp_path / 'set'}"


def of_nearest(images: str, *, added: float = 0.0) -> Result:
    return srbench.evaluate(Nearest(added), images, scale=2, device="cpu")


def test_saved_result_equals_the_commands_output(images: str, tmp_path: Path) -> None:
    result = srbench.evaluate("bicubic", images, scale=2, protocol=["matlab-y", "bam2021"])
    result.save(str(tmp_path / "saved"))
    arguments = ["--model", "bicubic", "--scale", "2", "--dataset", images, "--output", str(tmp_path / "run")]
    done = CliRunner().invoke(main, ["evaluate", *arguments, "--protocol", "matlab-y", "--protocol", "bam2021"])
    assert done.exit_code == 0, done.output
    saved, run = (srbench.read_run(tmp_path / name) for name in ("saved", "run"))
    assert saved.scores.drop(columns="seconds").equals(run.scores.drop(columns="seconds"))
    once = {"scores_sha256", "crc32", "started", "seconds"}
    assert {name: value for name, value in saved.record.items() if name not in once} == {
        name: value for name, value in run.record.items() if name not in once
    }
    assert f"{result!r}\n" == done.stdout


def test_output_keyword_resumes_and_saves_the_run(images: str, tmp_path: Path) -> None:
    first = srbench.evaluate("bicubic", images, scale=2, output=tmp_path / "run")
    again = srbench.evaluate("bicubic", images, scale=2, output=str(tmp_path / "run"))
    assert again.scores.equals(first.scores), "also the seconds: nothing was computed again"
    again.save(tmp_path / "run")
    assert srbench.read_run(tmp_path / "run").scores.equals(first.scores)


def require_refused(result: Result, folder: Path) -> None:
    before = (folder / "run.json").read_bytes()
    with pytest.raises(ResultsError, match="choose another --output folder"):
        result.save(folder)
    assert (folder / "run.json").read_bytes() == before


def test_result_refuses_the_folder_of_a_different_protocol(images: str, tmp_path: Path) -> None:
    srbench.evaluate("bicubic", images, scale=2).save(tmp_path / "run")
    require_refused(srbench.evaluate("bicubic", images, scale=2, protocol="matlab-rgb"), tmp_path / "run")


def test_result_refuses_the_folder_of_a_different_network(images: str, tmp_path: Path) -> None:
    of_nearest(images).save(tmp_path / "run")
    require_refused(of_nearest(images, added=0.1), tmp_path / "run")


def test_means_are_missing_for_incomplete_datasets(tmp_path: Path) -> None:
    save_png(tmp_path / "Set5/HR/baby.png", np.zeros((24, 20, 3), np.uint8))
    result = srbench.evaluate("bicubic", "Set5", scale=2, data_root=str(tmp_path))
    means: Any = result.means.loc[("Set5", "matlab-y")]
    assert means[["n", "n_expected"]].tolist() == [1, 5]
    assert pd.isna(means["psnr_y"])
    assert "Set5 has 1 of 5 images here" in result.warnings[0]
    assert f"warning: {result.warnings[0]}" in repr(result)


def test_html_escapes_every_name(images: str) -> None:
    html = srbench.evaluate(Nearest(), images, scale=2)._repr_html_()
    assert "<td>2</td>" in html
    hostile = srbench.evaluate(type("<b>", (Nearest,), {})(), images, scale=2)._repr_html_()
    assert "&lt;b&gt;" in hostile
    assert "<b>" not in hostile


def test_results_are_compared_without_folders(images: str) -> None:
    (found,) = srbench.compare(of_nearest(images), of_nearest(images, added=0.2), unmatched=True)
    difference = found.datasets["set"]["psnr_y"].mean
    assert difference is not None
    assert difference > 0, "A minus B, and B is brighter than its HR"


@pytest.mark.parametrize("option", ["protocol", "metric"])
def test_string_of_several_names_is_refused(option: str) -> None:
    with pytest.raises(SrbenchError, match=rf"{option}: expected one name or a list of names, .*pass {option}=\["):
        srbench.evaluate("bicubic", "Sample", scale=4, **{option: "one two"})  # type: ignore[arg-type]


def test_unknown_keyword_lists_the_options() -> None:
    with pytest.raises(TypeError, match="'metrics'; the options of a model are device, precision"):
        srbench.evaluate("bicubic", "Sample", scale=4, metrics=["niqe"])  # type: ignore[call-arg]
