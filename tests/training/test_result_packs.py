"""Results in small pieces: what is packed on one machine is the same training after it is unpacked on another."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from srbench.errors import TrainingError
from srbench.training import clock, optimization
from srbench.training.command import run_command
from srbench.training.optimization import Optimization
from srbench.training.options import OPTIONS, misuse
from srbench.training.records import read_training
from srbench.training.result_packs import MANIFEST, Packer, parse_size, unpack

CODE = """
from torch import nn

def make(scale, width=4):
    layers = [nn.Conv2d(3, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, 3 * scale**2, 3, padding=1)]
    return nn.Sequential(*layers, nn.PixelShuffle(scale))

def wide(scale):
    return make(scale, 12)
"""


@dataclass
class SlowedClock:
    """A clock that only the steps of trainings move, by one second each."""

    now: float = 0.0


@pytest.fixture
def slowed(monkeypatch: pytest.MonkeyPatch) -> SlowedClock:
    kept = SlowedClock()
    plain = Optimization.step

    def step(made: Optimization, *values: Any) -> Tensor:
        kept.now += 1
        return plain(made, *values)

    monkeypatch.setattr(clock, "now", lambda: kept.now)
    monkeypatch.setattr(optimization.Optimization, "step", step)
    return kept


def options(**given: object) -> Any:
    plain = {option.key: () if option.many else False if option.flag else option.default for option in OPTIONS}
    values: Any = {**plain, "device": "cpu", **given}
    assert misuse(values) == ""
    return values


@pytest.fixture
def sweep(images: Path, tmp_path: Path) -> Path:
    """Four toy trainings: two networks of own code, two seeds."""
    code = tmp_path / "toys.py"
    code.write_text(CODE)
    recipe = tmp_path / "toy.toml"
    recipe.write_text(
        'summary = "toy"\nsteps = 4\nbatch = 1\npatch = 8\nlearning_rate = 1e-3\nschedule = "constant"\n'
        'held_out = ["i1"]\nvalidate_every = 4\n'
    )
    path = tmp_path / "sweep.toml"
    path.write_text(
        f'networks = ["python:{code}:make", "python:{code}:wide"]\nscales = [2]\nseeds = [0, 1]\n'
        f'recipe = "{recipe}"\ntrain_set = "folder:{images}"\n'
    )
    return path


def test_sweep_within_a_limit_is_packed_and_unpacked_elsewhere(
    sweep: Path, tmp_path: Path, slowed: SlowedClock
) -> None:
    output, pack, elsewhere = tmp_path / "output", tmp_path / "pack", tmp_path / "elsewhere"
    run_command(options(sweep=sweep, output=output, time_limit="60s", pack=pack, pack_size="2048", pack_total="1MB"))
    assert slowed.now <= 60
    assert max(path.stat().st_size for path in pack.glob("*.part")) <= 2048
    assert run_command(options(unpack=pack, output=elsewhere)) == f"4 trainings unpacked to {elsewhere}"
    for folder in sorted(elsewhere.iterdir()):
        full, half = (load_file(root / folder.name / "weights.safetensors") for root in (output, elsewhere))
        assert all(torch.equal(half[key], full[key].half()) for key in full)
        record = read_training(folder)
        assert record["steps"] == read_training(output / folder.name)["steps"]
        assert (folder / "log.jsonl").read_bytes() == (output / folder.name / "log.jsonl").read_bytes()


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """A pack of two small folders in several pieces."""
    pack = tmp_path / "pack"
    for name in ("first", "second"):
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        (folder / "weights.safetensors").write_bytes(torch.rand(900).numpy().tobytes())
        Packer(pack, piece_size=1024).add(folder, name)
    return pack


def test_unpacked_files_are_equal_byte_by_byte(packed: Path, tmp_path: Path) -> None:
    assert unpack(packed, tmp_path / "there") == [tmp_path / "there" / "first", tmp_path / "there" / "second"]
    for name in ("first", "second"):
        one, other = (tmp_path / root / name / "weights.safetensors" for root in ("runs", "there"))
        assert one.read_bytes() == other.read_bytes()


def test_missing_piece_is_named_before_anything_is_written(packed: Path, tmp_path: Path) -> None:
    (packed / "second.002.part").unlink()
    with pytest.raises(TrainingError, match=r"missing second\.002\.part; copy them here"):
        unpack(packed, tmp_path / "there")
    assert not (tmp_path / "there").exists()


def _cut(pack: Path) -> None:
    (pack / "first.001.part").write_bytes(b"x")


def _drop_list(pack: Path) -> None:
    (pack / MANIFEST).unlink()


def _nest_list(pack: Path) -> None:
    (pack / MANIFEST).write_text("[" * 100_000)


def _name_outside(pack: Path) -> None:
    content = json.loads((pack / MANIFEST).read_text())
    content["trainings"][0]["name"] = "../outside"
    (pack / MANIFEST).write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (_cut, r"first\.001\.part: expected the piece in pack\.json, got different bytes; copy it again"),
        (_drop_list, r"pack\.json: expected the list of a pack, got "),
        (_nest_list, r"pack\.json: expected the list of a pack, got maximum recursion"),
        (_name_outside, r"expected plain names in a pack, got '\.\./outside'"),
    ],
)
def test_damaged_pack_is_refused(packed: Path, tmp_path: Path, damage: Callable[[Path], None], told: str) -> None:
    damage(packed)
    with pytest.raises(TrainingError, match=told):
        unpack(packed, tmp_path / "there")


def test_pack_that_cannot_fit_is_refused_before_training(sweep: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"--pack-total: expected 40.,... bytes or more for 4 trainings in float16"):
        run_command(options(sweep=sweep, output=tmp_path / "out", pack=tmp_path / "pack", pack_total="9kB"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("text", ["", "16", "16 MiB", "60MB"])
def test_sizes_are_read_with_and_without_units(text: str) -> None:
    expected = {"16": 16, "16 MiB": 16 * 2**20, "60MB": 60_000_000}
    if text in expected:
        assert parse_size(text, "--pack-size") == expected[text]
        return
    with pytest.raises(TrainingError, match="--pack-size: expected a size such as 16MiB or 60MB"):
        parse_size(text, "--pack-size")
