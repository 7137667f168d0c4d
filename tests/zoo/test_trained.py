"""Weights that were trained here: the catalogue lists what lies there, and each file is what its record says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from srbench.errors import FetchError, WeightsError
from srbench.fetch import RemoteFile
from srbench.files import sha256_of
from srbench.training.loss_spikes import find_loss_spike
from srbench.zoo import trained
from srbench.zoo.checkpoints import fetch_weights, load
from srbench.zoo.reading import read_checkpoint
from srbench.zoo.trained import (
    FOLDER,
    LARGEST_KEPT,
    LARGEST_PACKAGED,
    WEIGHTS_FOLDER,
    Training,
    read_record,
    records,
    scores_at,
)
from srbench.zoo.weights_catalogue import CATALOGUE, DEFAULT_TAG, WeightsEntry, trained_entry

_OURS = [entry for entry in CATALOGUE if entry.tag == "srbench"]
_BY_FILE = pytest.mark.parametrize("entry", _OURS, ids=lambda entry: entry.file.name)

TRAINING = {
    "recipe": "budget-cpu",
    "recipe_sha256": "a" * 64,
    "data": "BSDS400_train, 380 of 400 images",
    "fingerprint": "b" * 64,
    "steps": 2600,
    "patches": 20800,
    "seed": 1,
    "device": "cpu",
    "more": "stays in the record",
}
RECORD: Any = {
    "schema_version": 1,
    "network": "imdn-bam",
    "scale": 4,
    "options": {},
    "licence": "Apache-2.0",
    "note": "",
    "file": {"name": "imdn-bam-x4.safetensors", "size": 3, "sha256": "c" * 64},
    "training": TRAINING,
    "scores": {"Set5": {"psnr_y": 30.5, "ssim_y": 0.86, "images": 5}},
}


def test_a_record_is_all_that_an_entry_needs() -> None:
    entry = trained_entry(RECORD)
    assert (entry.spec, entry.scales, entry.pinned) == ("zoo:imdn-bam@srbench", (4,), True)
    assert entry.training is not None and entry.training.steps == 2600
    (score,) = entry.scores
    assert (score.dataset, score.scale, score.psnr_y) == ("Set5", 4, 30.5)


def test_every_record_in_the_folder_is_listed_and_every_file_has_one() -> None:
    listed = {entry.file.name for entry in _OURS}
    assert listed == {record["file"]["name"] for record in records()}
    assert {path.name for path in (*FOLDER.glob("*.safetensors"), *WEIGHTS_FOLDER.glob("*.safetensors"))} <= listed


@_BY_FILE
def test_the_default_weights_are_the_file_of_the_record(entry: WeightsEntry) -> None:
    loaded = load(entry.name, scale=entry.scales[-1])
    assert (loaded.tag, loaded.entry, loaded.weights_sha256) == (DEFAULT_TAG, entry, entry.file.sha256)
    assert {str(tensor.dtype) for tensor in read_checkpoint(loaded.weights_file).state.values()} == {"torch.float16"}
    assert (loaded.weights_file.parent == FOLDER) == (loaded.weights_file.stat().st_size <= LARGEST_PACKAGED)
    assert loaded.weights_file.stat().st_size <= LARGEST_KEPT
    record = read_record(FOLDER / f"{loaded.weights_file.stem}.json")
    for scale in entry.scales:
        changes = scores_at(record, scale)["half_precision"]["psnr_y_change"]
        assert max(abs(change) for change in changes.values()) < 0.002
    assert find_loss_spike(record["training"]["loss"]) is None, (
        "it would say more of a learning rate than of the network"
    )


def _start_and_course(entry: WeightsEntry) -> tuple[Training, str | None]:
    """The training without its start, and the origin of the start, which a base and its variant share."""
    assert entry.training is not None
    init = entry.training.init
    return replace(entry.training, init=None), init["origin"] if init else None


@_BY_FILE
def test_a_base_and_its_bam_are_trained_alike(entry: WeightsEntry) -> None:
    if entry.name.endswith("-bam") and (base := [one for one in _OURS if f"{one.name}-bam" == entry.name]):
        same = [one for one in base if one.scales == entry.scales]
        assert [_start_and_course(one) for one in same] == [_start_and_course(entry)]


def test_other_bytes_in_the_package_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trained, "FOLDER", tmp_path)
    (tmp_path / "imdn-bam-x4.safetensors").write_bytes(b"xyz")
    with pytest.raises(WeightsError, match="expected sha256 cccc"):
        fetch_weights(trained_entry(RECORD))


def test_larger_weights_come_from_the_mirror_by_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trained, "FOLDER", tmp_path / "none")
    monkeypatch.setenv("SRBENCH_MIRROR", str(tmp_path))
    path = tmp_path / "imdn-bam-x4.safetensors"
    path.write_bytes(b"xyz")
    entry = trained_entry(RECORD | {"file": {"name": path.name, "size": 3, "sha256": sha256_of(path)}})
    assert fetch_weights(entry).read_bytes() == b"xyz"
    absent = trained_entry(RECORD | {"file": {"name": "absent.safetensors", "size": 3, "sha256": "d" * 64}})
    with pytest.raises(FetchError, match=r"set \$SRBENCH_MIRROR to the folder weights/ of a clone"):
        fetch_weights(absent)
    assert trained.kept_path(RemoteFile("absent.safetensors", (), 3, "c" * 64)) is None


def test_a_damaged_record_or_one_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net-x4.json"
    for text in ("{", "[]", "{}"):
        path.write_text(text)
        with pytest.raises(WeightsError, match="expected a record of trained weights"):
            read_record(path)
    path.write_text(json.dumps({"schema_version": 9}))
    with pytest.raises(WeightsError, match="of version 1, got 9"):
        read_record(path)
