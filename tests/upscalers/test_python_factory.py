"""`python:` specs: files, neighbours of equal names, arguments, and mistakes in them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from srbench.cli import main
from srbench.errors import SrbenchError, UpscalerError
from srbench.evaluation.probe import probe_image
from srbench.files import sha256_of
from srbench.images import save_png
from srbench.scores import read_run
from srbench.spec_paths import recorded_path, without_folders
from srbench.upscalers.base import Options
from srbench.upscalers.factory_args import parse_factory_args, published_args
from srbench.upscalers.loading import open_upscaler

NET = """
import pathlib
import torch
from blocks import GAIN
from .more import SHIFT

class Net(torch.nn.Module):
    def __init__(self, scale, width=8, weights=None, *, act="relu"):
        super().__init__()
        self.up = torch.nn.Upsample(scale_factor=scale)
        self.shift = SHIFT + (float(pathlib.Path(weights).read_text()) if weights else 0)
    def forward(self, lr):
        return self.up(lr) * GAIN + self.shift

def needs(scale, depth):
    return Net(scale)

def anything(scale, **kwargs):
    return lambda lr: torch.nn.functional.interpolate(lr, scale_factor=scale) * kwargs.get("gain", 1)

upscale = lambda scale: Net(scale)

def forgets_to_call(scale):
    return Net

def other_name(upscale):
    return Net(upscale)

built = Net(2)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two folders with files of equal names, whose neighbours differ; the current folder."""
    for name, gain in (("one", 0.5), ("two", 0.25)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "net.py").write_text(NET)
        (tmp_path / name / "blocks.py").write_text(f"GAIN = {gain}")
        (tmp_path / name / "more.py").write_text("SHIFT = 0.0")
    save_png(tmp_path / "set" / "a.png", probe_image(48, 40))
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def level(spec: str, **options: Any) -> float:
    """The mean of the ×2 output of a model on a white image."""
    white = np.full((8, 9, 3), 255, dtype=np.uint8)
    upscaler = open_upscaler(spec, scale=2, options=Options("cpu", **options))
    return round(float(np.asarray(upscaler.checked(white, dataset="d", name="n")).mean()), 4)


def srbench(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def evaluate(spec: str, *more: object) -> Result:
    return srbench(
        "evaluate",
        "--model",
        spec,
        "--scale",
        2,
        "--dataset",
        "folder:set",
        "--device",
        "cpu",
        "--output",
        "run",
        *more,
    )


def test_files_of_one_name_keep_their_own_neighbours(folder: Path) -> None:
    assert [level(f"python:{name}/net.py:Net") for name in ("one", "two", "one")] == [0.5, 0.25, 0.5]
    assert level(f"python:{folder / 'two/net.py'}:upscale") == 0.25
    hashes = [
        open_upscaler(f"python:{name}/net.py:Net", scale=2).identity.details["source_sha256"] for name in ("one", "two")
    ]
    assert hashes[0] != hashes[1], "what the file imports is part of the hash"


def test_an_edited_neighbour_is_read_anew(folder: Path) -> None:
    assert level("python:one/net.py:Net") == 0.5
    (folder / "one/blocks.py").write_text("GAIN = 0.7")
    assert level("python:one/net.py:Net") == 0.7
    assert not list(folder.rglob("__pycache__")), "no bytecode next to the user's files"


def test_a_file_inside_a_package_imports_from_its_parents(folder: Path) -> None:
    inner = folder / "pack/models"
    inner.mkdir(parents=True)
    for place in (inner, inner.parent):
        (place / "__init__.py").write_text("")
    (inner.parent / "common.py").write_text("GAIN = 0.75")
    (inner / "net.v2.py").write_text(
        "import torch\nfrom ..common import GAIN\ndef make(scale):\n"
        "    return lambda lr: torch.nn.functional.interpolate(lr, scale_factor=scale) * GAIN\n"
    )
    assert level("python:pack/models/net.v2.py:make") == 0.75


def test_functions_and_any_keywords_are_taken(folder: Path) -> None:
    assert level("python:one/net.py:anything", factory_arg={"gain": 0.1, "unused": None}) == 0.1


@pytest.mark.parametrize(
    ("factory", "arguments", "named"),
    [
        ("nte", {}, "unknown factory 'nte'; did you mean"),
        ("other_name", {}, r"a parameter scale, got other_name\(upscale\); write one .* return other_name"),
        ("forgets_to_call", {}, r"got the class Net; return an instance of it, Net\(…\)"),
        ("built", {}, "a model that is already built"),
        ("needs", {}, "a value for depth, which needs requires; add --factory-arg depth=VALUE"),
        ("Net", {"widht": 8}, "unknown --factory-arg of Net 'widht'; did you mean width"),
        ("Net", {"scale": 2}, "expected the scale from --scale"),
        ("Net", {"weights": "missing.txt"}, r"Net\(scale=2, weights='missing.txt'\) raised FileNotFoundError"),
    ],
)
def test_factories_that_do_not_fit_are_explained(
    folder: Path, factory: str, arguments: dict[str, Any], named: str
) -> None:
    with pytest.raises(SrbenchError, match=named):
        open_upscaler(f"python:one/net.py:{factory}", scale=2, options=Options("cpu", factory_arg=arguments))  # type: ignore[arg-type]  # a dict is sorted into pairs


def test_files_that_do_not_load_are_explained(folder: Path) -> None:
    (folder / "torn.py").write_text("def make(:")
    for spec, named in (
        ("python:torn.py:make", r"torn\.py raised SyntaxError: invalid syntax \(torn\.py, line 1\)"),
        ("python:none.py:make", "expected a Python file, found none at none.py"),
        ("python:one/net.py", "got no factory"),
        (r"python:C:\nets\net.py:make", r"python:net\.py:make: expected a Python file, found none at C:"),
    ):
        with pytest.raises(UpscalerError, match=named):
            open_upscaler(spec, scale=2)
    with pytest.raises(UpscalerError, match="it is for python: specs"):
        open_upscaler("bicubic", scale=2, options=Options("cpu", factory_arg=(("width", 8),)))


def test_arguments_are_json_scalars_or_text() -> None:
    texts = ["width=64", "act=relu", "flag=true", "none=null", 'quoted="3"', "list=[1]", "eq=a=b", "rate=1e-3"]
    assert parse_factory_args(texts) == (
        ("act", "relu"),
        ("eq", "a=b"),
        ("flag", True),
        ("list", "[1]"),
        ("none", None),
        ("quoted", "3"),
        ("rate", 0.001),
        ("width", 64),
    )
    for text in ("width", "=3", "wi dth=3"):
        with pytest.raises(UpscalerError, match="expected KEY=VALUE"):
            parse_factory_args([text])
    assert srbench("evaluate", "--model", "bicubic", "--scale", 2, "--factory-arg", "width").exit_code == 2


def test_no_record_holds_a_path_of_this_machine(folder: Path) -> None:
    (folder / "shift.txt").write_text("0.125")
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    save_png(elsewhere / "set" / "a.png", probe_image(48, 40))
    weights = f"weights={folder / 'shift.txt'}"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(elsewhere)
        done = evaluate(f"python:{folder / 'one/net.py'}:Net", "--factory-arg", weights, "--factory-arg", "width=16")
        assert done.exit_code == 0, done.stderr
        assert done.stdout.startswith("python:net.py:Net ×2, weights=shift.txt, width=16")
        text = (elsewhere / "run/run.json").read_text()
        record = read_run(elsewhere / "run").record
    assert str(folder.parent) not in text
    file = {"file": "shift.txt", "sha256": sha256_of(folder / "shift.txt")}
    assert record["adapters"] == record["key"]["adapters"] == {"factory_args": {"weights": file, "width": 16}}
    submitted = srbench("submit", elsewhere / "run", "--id", "mine", "--submissions", folder / "entries")
    document = (folder / "entries/mine/submission.json").read_text()
    assert (submitted.exit_code, str(folder.parent) in document) == (0, False)
    assert json.loads(document)["model"]["spec"] == "python:net.py:Net"


def test_a_changed_argument_or_file_is_another_run(folder: Path) -> None:
    (folder / "shift.txt").write_text("0.125")
    given = ("--factory-arg", "weights=shift.txt")
    assert evaluate("python:one/net.py:Net", *given).exit_code == 0
    assert evaluate(f"python:{folder}/one/net.py:Net", *given).exit_code == 0, "the same file by another path"
    for change in (("--factory-arg", "weights=shift.txt", "--factory-arg", "width=9"), ()):
        done = evaluate("python:one/net.py:Net", *change)
        assert (done.exit_code, "adapters" in done.stderr) == (1, True)
    (folder / "shift.txt").write_text("0.126")
    assert "sha256" in evaluate("python:one/net.py:Net", *given).stderr


def test_specs_of_files_work_in_other_commands(folder: Path) -> None:
    pytest.importorskip("onnx")
    spec = "python:one/net.py:Net"
    arguments = ("--factory-arg", "width=9")
    exported = srbench("zoo", "export", spec, "--scale", 2, *arguments)
    assert (exported.exit_code, (folder / "Net_x2.onnx").is_file()) == (0, True), exported.output
    assert level("onnx:Net_x2.onnx") == 0.5
    common = ("--model", spec, "--scale", 2, "--device", "cpu", *arguments)
    timed = srbench("speed", *common, "--size", 16, "--repetitions", 3, "--warmup", 1)
    assert (timed.exit_code, spec in timed.stdout) == (0, True), timed.output
    audited = srbench("audit", *common, "--dataset", "folder:set", "--claim", "20.00/0.5")
    assert audited.exit_code == 0, audited.output
    swept = srbench("sweep", *common, "--dataset", "folder:set", "--output", "swept")
    assert (swept.exit_code, spec in swept.stdout) == (0, True), swept.output


def test_paths_are_recorded_without_folders_of_the_machine(folder: Path) -> None:
    assert recorded_path(str(folder / "one/net.py")) == "one/net.py"
    assert [recorded_path(path) for path in ("a/b.onnx", "../b.onnx", "~/b.onnx", r"D:\x\b.onnx", "/x/b.onnx")] == [
        "a/b.onnx",
        "b.onnx",
        "b.onnx",
        "b.onnx",
        "b.onnx",
    ]
    for spec in ("zoo:imdn@authors", "bicubic:pillow", "python:pkg.mod:make", "images:SR"):
        assert without_folders(spec) == spec
    assert without_folders(r"python:C:\a b\net.py:make") == "python:net.py:make"
    assert without_folders("zoo:imdn@/x/w@2.pth") == "zoo:imdn@w@2.pth"
    assert published_args((("cache", "/nowhere/at/all"), ("hub", "org/model"))) == {"cache": "all", "hub": "org/model"}
