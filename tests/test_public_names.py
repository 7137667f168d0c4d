"""The public names of the package."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import srbench
from srbench.runs import execute
from tests.metrics.test_metrics_in_runs import make_plan


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


def test_repr_of_a_dataset_names_size_and_images() -> None:
    shown = repr(srbench.datasets.open_dataset("Sample"))
    assert shown.startswith("ImageSet Sample: 7 HR images (astronaut, brick, chelsea and 4 more) in ")
    assert repr(srbench.datasets.Sample(scale=4)).startswith("Sample: 7 pairs (lr, hr) under matlab-y at ×4, LR made; ")


def test_repr_of_a_network_names_size_and_parts() -> None:
    first, *parts = repr(srbench.zoo.build("imdn-bam", scale=4, device="meta")).splitlines()
    assert first == "IMDN ×4, 715,086 parameters, values 0…1, on meta"
    assert parts[0] == "  first: Conv2d, 1,792 parameters"
