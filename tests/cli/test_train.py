"""`srbench train` through its real parser: what it prints, what it leaves, mistakes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

from srbench.cli import main
from srbench.training.trainer import train
from tests.training.small import command_line, small_job, small_recipe, write_images


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("cli-training"))


def srbench(arguments: list[str]) -> Result:
    return CliRunner().invoke(main, arguments)


def test_repeating_a_finished_training_changes_nothing(images: Path, tmp_path: Path) -> None:
    output, recipe = tmp_path / "run", small_recipe(steps=2)
    arguments = [*command_line(images, output, recipe, tmp_path), "--seed", "3", "--set", "batch=2"]
    done = srbench(arguments)
    assert done.exit_code == 0, done.output
    first, second, third = done.stdout.splitlines()
    assert first.startswith(
        f"imdn ×2, recipe small[batch=2] (sha256 {recipe.changed(['batch=2']).sha256[:12]}…), "
        "seed 3: 2 steps on 4 images in "
    )
    assert second.startswith("PSNR under matlab-y: ") and second.endswith(" dB on 2 held-out images")
    assert third == f"score it: srbench evaluate --model zoo:imdn@{output / 'weights.safetensors'} --scale 2"
    assert srbench(arguments).stdout == done.stdout


def test_a_finite_loss_spike_gives_a_warning(images: Path, tmp_path: Path) -> None:
    recipe = small_recipe(learning_rate=0.02)
    train(small_job(images, tmp_path / "run", recipe=recipe))
    warning = srbench(command_line(images, tmp_path / "run", recipe, tmp_path)).stdout.splitlines()[-1]
    assert re.match(r"warning: the loss rose from 0\.\d+ to \S+ by step \d: the network lost what it had ", warning)
    stored = json.loads((tmp_path / "run" / "training.json").read_text())["loss_spike"]
    assert stored["loss"] > 5 * stored["lowest"]
    assert f" to {stored['loss']:.2g} by step {stored['step']}:" in warning


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        (["--recipe", "papr"], 1, "unknown recipe 'papr'; did you mean paper"),
        (["--set", "batchs=4"], 1, "unknown recipe key 'batchs'; did you mean batch"),
        (["--model", "imdm"], 1, "unknown network 'imdm'; did you mean imdn"),
        (["--scale", "8"], 1, "IMDN has scales (2, 3, 4), got 8"),
        (["--train-set", "BSDS400_trian"], 1, "training set 'BSDS400_trian' was not found"),
        (["--set", "held_out=i1,i9"], 1, "missing are i9"),
        (["--set", "patch=32"], 1, "expected at least 32×32 LR pixels"),
        (["--device", "gpu"], 1, "--device: expected a device of this machine"),
        (["--device", "meta"], 1, "auto, cpu, cuda or cuda:N, got 'meta'"),
        (["--snapshot", "0"], 1, "snapshot: expected a whole number from 1 to 100, got 0"),
        (["--graphs"], 1, "CUDA graphs: expected an NVIDIA GPU"),
        (["--layout", "sideways"], 2, "'sideways' is not one of"),
    ],
)
def test_mistakes_give_an_error_with_the_next_step(
    change: list[str], code: int, message: str, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As on a machine with a GPU, which is not always what trains there.
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    arguments = command_line(images, tmp_path / "run", small_recipe(steps=1), tmp_path)
    given = arguments.index(change[0]) if change[0] in arguments and change[0] != "--set" else len(arguments)
    done = srbench([*arguments[:given], *change, *arguments[given + 2 :]])
    assert done.exit_code == code
    assert message in done.stderr.replace("\n", " ")
    assert "Traceback" not in done.output
