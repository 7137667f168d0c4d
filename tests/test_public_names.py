"""The public names of the package."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_type_hints

import click
import pytest

import srbench
from srbench.cli import main as cli
from srbench.runs import execute
from srbench.upscalers.base import AdapterKeywords, OptionKeywords
from tests.metrics.test_metrics_in_runs import make_plan

UNTYPED: Any = srbench
"""For calls that a type checker would refuse."""


def test_dir_lists_exactly_the_public_names() -> None:
    assert dir(srbench) == sorted(srbench.__all__)


@pytest.mark.parametrize("name", srbench.__all__)
def test_public_name_can_be_loaded(name: str) -> None:
    assert getattr(srbench, name) is not None


def test_version_is_the_one_of_the_distribution() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    assert project["version"] == srbench.__version__


def test_public_functions_share_no_name_with_modules() -> None:
    package = Path(srbench.__file__).parent
    modules = {path.stem for path in package.glob("*.py")} | {path.name for path in package.iterdir() if path.is_dir()}
    functions = {name for name in srbench.__all__ if name not in {"datasets", "metrics", "protocols", "zoo"}}
    assert not functions & modules


def test_lists_of_names_load_neither_torch_nor_pandas() -> None:
    code = (
        "import sys, srbench; srbench.list_models(), srbench.list_datasets(), srbench.list_protocols(), "
        "srbench.list_metrics(); print(sorted({'torch', 'pandas'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_compare_takes_folders_of_runs(tmp_path: Path) -> None:
    execute(make_plan(), tmp_path)
    (comparison,) = srbench.compare(str(tmp_path), srbench.read_run(str(tmp_path)))
    assert comparison.datasets["Sample"]["psnr_y"].mean == 0


@pytest.mark.parametrize("command", ["evaluate", "compare", "audit", "train", "upscale"])
def test_options_have_one_name_in_python_and_on_the_command_line(command: str) -> None:
    function = getattr(srbench, command)
    parameters = inspect.signature(function).parameters
    names = set(parameters) | get_type_hints(AdapterKeywords).keys()
    if "OptionKeywords" in str(parameters.get("keywords")):
        names |= get_type_hints(OptionKeywords).keys()
    found = cli.get_command(click.Context(cli), command)
    assert found is not None
    options = {
        option.removeprefix("--").replace("-", "_")
        for parameter in found.params
        for option in parameter.opts
        if option.startswith("--")
    }
    of_the_command = {
        "format",
        "output",
        "claims",
        "base",
        "recipe_help",
    }  # Python returns objects, and takes one claim, one pair
    assert options - names <= of_the_command


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: srbench.evaluate("bicubic", "Set5,Set14", scale=4), r"pass dataset=\['Set5', 'Set14'\]"),
        (
            lambda: UNTYPED.evaluate("bicubic", "Sample", scale=4, factory_arg="width=64"),
            "expected a dict of names",
        ),
        (
            lambda: UNTYPED.audit("bicubic", ["Set5"], "33.66", scale=2),
            "dataset: expected text such as 'Set5'",
        ),
        (
            lambda: UNTYPED.audit("bicubic", "Set5", (33.66, 0.93), scale=2),
            "claim: expected text such as '32.21/0",
        ),
        (lambda: UNTYPED.compare(["run"], "run"), "a: expected a Result, a run or its folder, got list"),
        (lambda: srbench.train(model="imdn", scales="2,3", recipe="cpu", output="x"), "scales: expected a list of int"),
    ],
)
def test_argument_of_another_kind_is_explained(call: Callable[[], object], message: str) -> None:
    with pytest.raises(srbench.SrbenchError, match=message):
        call()


@pytest.mark.long
def test_repr_of_runs_and_answers_says_what_was_found(tmp_path: Path) -> None:
    execute(make_plan(), tmp_path)
    run = srbench.read_run(tmp_path)
    (comparison,) = srbench.compare(run, run)
    assert repr(run).endswith(f" on Sample under matlab-y: 7 scores in {tmp_path}")
    assert re.search(r"×4, matlab-y\n  Sample: psnr_y \+0\.0000, .* \(n = 7\)$", repr(comparison))
    answer = srbench.audit("bicubic", "Sample", "26.40/0.7260", scale=4)
    assert repr(answer) == "26.40/0.7260 on Sample ×4 against bicubic: matlab-y, 0.000 dB away"


def test_repr_of_a_dataset_names_size_and_images() -> None:
    shown = repr(srbench.datasets.open_dataset("Sample"))
    assert shown.startswith("ImageSet Sample: 7 HR images (astronaut, brick, chelsea and 4 more) in ")
    assert repr(srbench.datasets.Sample(scale=4)).startswith("Sample: 7 pairs (lr, hr) under matlab-y at ×4, LR made; ")


def test_repr_of_a_network_names_size_and_parts() -> None:
    first, *parts = repr(srbench.zoo.build("imdn-bam", scale=4, device="meta")).splitlines()
    assert first == "IMDN ×4, 715,086 parameters, values 0…1, on meta"
    assert parts[0] == "  first: Conv2d, 1,792 parameters"
