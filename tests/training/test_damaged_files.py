"""Damaged files of a training are reported with their name and what to do, never with a traceback."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from srbench.errors import TrainingError, WeightsError
from srbench.training.folder import CHECKPOINT
from srbench.training.records import LOG, RECORD, WEIGHTS, read_training
from srbench.training.trainer import train
from srbench.zoo import load
from tests.training.small import losses, small_job, small_recipe

_RECIPE = small_recipe(steps=6, batch=1, validate_every=3)
_PARTS = ("key", "step", "learner", "sampler", "random", "losses", "history", "started")
Damage = Callable[[Path], object]


@pytest.fixture(scope="module")
def finished(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("finished") / "run"
    train(small_job(images, output, network="pan", recipe=_RECIPE, snapshots=(50,)))
    return output


@pytest.fixture(scope="module")
def unfinished(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("unfinished") / "run"
    train(small_job(images, output, network="pan", recipe=_RECIPE, pause_at=4))
    return output


def _cut(name: str) -> Damage:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:-40])


def _edited(name: str, old: str, new: str) -> Damage:
    return lambda folder: (folder / name).write_text((folder / name).read_text().replace(old, new, 1))


def _without(key: str) -> Damage:
    def damage(folder: Path) -> None:
        state = torch.load(folder / CHECKPOINT, weights_only=True)
        del state[key]
        torch.save(state, folder / CHECKPOINT)

    return damage


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_cut(RECORD), r"got no readable training\.json"),
        (_edited(RECORD, '"seed": 0', '"seed": 1'), "record_sha256: expected the hash of its other fields"),
        (_edited(LOG, "1", "2"), r"log\.jsonl: expected the log that training\.json next to it describes"),
        (_cut(WEIGHTS), r"the weights that training\.json next to it describes, got others"),
    ],
)
def test_damaged_file_of_a_finished_training_is_named(
    finished: Path, tmp_path: Path, damage: Damage, message: str
) -> None:
    folder = shutil.copytree(finished, tmp_path / "run")
    damage(folder)
    with pytest.raises(TrainingError, match=message):
        read_training(folder)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_cut(CHECKPOINT), "expected a checkpoint, got a damaged or different file"),
        *((_without(key), rf"missing or wrong parts \(KeyError: '{key}'\); delete it") for key in _PARTS),
        (_edited(LOG, "loss", "lost"), r"the log that checkpoint\.pt next to it describes, got different content"),
        (_cut(LOG), "got different content; restore it, or delete checkpoint.pt to start from the first step"),
    ],
)
def test_damaged_file_of_an_unfinished_training_is_named(
    images: Path, unfinished: Path, tmp_path: Path, damage: Damage, message: str
) -> None:
    folder = shutil.copytree(unfinished, tmp_path / "run")
    damage(folder)
    with pytest.raises(TrainingError, match=message):
        train(small_job(images, folder, network="pan", recipe=_RECIPE))


def test_log_lines_after_the_checkpoint_are_dropped(
    images: Path, finished: Path, unfinished: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(unfinished, tmp_path / "run")
    with (folder / LOG).open("a") as stream:
        stream.write('{"step": 5, "loss": 9.0}\n{"step": 6, "lo')
    train(small_job(images, folder, network="pan", recipe=_RECIPE))
    assert losses(folder) == losses(finished)


def test_changed_snapshot_is_refused_by_its_own_checksum(finished: Path, tmp_path: Path) -> None:
    path = tmp_path / "weights-50.safetensors"
    data = bytearray((finished / path.name).read_bytes())
    path.write_bytes(data)
    assert load("pan", scale=2, file=path).module.state_dict().keys() == load_file(path).keys()
    data[-2] ^= 1
    path.write_bytes(data)
    with pytest.raises(WeightsError, match="expected the tensors that its checksum describes, got others"):
        load("pan", scale=2, file=path)


def test_record_without_checksums_is_read(finished: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(finished, tmp_path / "run")
    record = json.loads((folder / RECORD).read_text())
    old = {key: value for key, value in record.items() if key not in ("record_sha256", "log_sha256")}
    (folder / RECORD).write_text(json.dumps(old))
    assert read_training(folder) == old
