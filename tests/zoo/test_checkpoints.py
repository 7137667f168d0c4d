"""Checkpoints: published weights load under their pinned hash; everything that is not whole and plain is refused."""

from __future__ import annotations

import hashlib
import os
import pickle
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from srbench.errors import FetchError, WeightsError
from srbench.zoo import build
from srbench.zoo.checkpoints import detect, fetch_weights, load
from srbench.zoo.networks import FORMS
from srbench.zoo.reading import read_checkpoint
from srbench.zoo.weights_catalogue import CATALOGUE, WeightsEntry, find_weights

_PINNED = [entry for entry in CATALOGUE if entry.pinned and entry.tag != "srbench"]


@pytest.fixture
def state() -> dict[str, Tensor]:
    """A state dict of IMDN ×2 under our names; small values, seeded."""
    torch.manual_seed(0)
    return build("imdn", scale=2).state_dict()


@pytest.fixture
def checkpoint(state: dict[str, Tensor], tmp_path: Path) -> Path:
    path = tmp_path / "imdn.pth"
    torch.save(state, path)
    return path


@pytest.mark.parametrize("entry", _PINNED, ids=lambda entry: entry.file.name)
def test_published_weights_load_and_are_detected(entry: WeightsEntry, mirror: Path) -> None:
    for scale in entry.scales:
        loaded = load(entry.name, tag=entry.tag, scale=scale)
        assert loaded.weights_sha256 == entry.file.sha256
        assert loaded.entry is entry and loaded.module.scale == scale and not loaded.module.training
        found = [
            (fit.network, fit.options) for fit in detect(read_checkpoint(loaded.weights_file)) if fit.scale == scale
        ]
        assert (entry.network, entry.options) in found
        # The tensors of a network are equal in each of its forms; a file without a record fits those of its weights.
        assert {network for network, _ in found} == {entry.network} and len(found) <= len(FORMS)


def test_a_mirrored_file_with_other_bytes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SRBENCH_MIRROR", str(tmp_path))
    (tmp_path / "IMDN_x4.pth").write_bytes(b"x" * 2_879_112)
    with pytest.raises(FetchError, match="expected sha256 e660c382"):
        load("imdn", tag="authors", scale=4)


def test_unpinned_weights_need_consent_and_are_pinned_afterwards(
    state: dict[str, Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SRBENCH_MIRROR", str(tmp_path))
    source = tmp_path / "super-image_pan_x2.pt"
    torch.save(build("pan", scale=2).state_dict(), source)
    with pytest.raises(FetchError, match="unpinned"):
        load("pan", tag="super-image", scale=2)
    first = load("pan", tag="super-image", scale=2, allow_unpinned=True)
    assert first.weights_sha256 == hashlib.sha256(source.read_bytes()).hexdigest()
    source.write_bytes(b"other bytes")
    assert load("pan", tag="super-image", scale=2).weights_sha256 == first.weights_sha256
    first.weights_file.write_bytes(b"altered in the cache")
    with pytest.raises(FetchError, match="sha256"):
        load("pan", tag="super-image", scale=2)


def test_the_known_part_of_a_hash_is_enforced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SRBENCH_MIRROR", str(tmp_path))
    (tmp_path / "edsr_x2-0edfb8a3.pt").write_bytes(b"not EDSR")
    with pytest.raises(WeightsError, match="starts with 0edfb8a3"):
        fetch_weights(find_weights("edsr", tag="authors", scale=2), allow_unpinned=True)


@pytest.mark.parametrize("wrapper", ["state_dict", "params", "params_ema"])
def test_wrappers_and_a_true_prefix_are_taken_off(wrapper: str, state: dict[str, Tensor], tmp_path: Path) -> None:
    path = tmp_path / "wrapped.pt"
    torch.save({wrapper: {f"module.{key}": value for key, value in state.items()}, "epoch": 3}, path)
    read = read_checkpoint(path)
    assert read.wrapping == (wrapper, "module.") and list(read.state) == list(state)
    assert load("imdn", scale=2, file=path).tag == "file"


def test_a_prefix_of_some_keys_stays(state: dict[str, Tensor], tmp_path: Path) -> None:
    path = tmp_path / "mixed.pt"
    first, *others = state
    torch.save({f"module.{first}": state[first], **{key: state[key] for key in others}}, path)
    with pytest.raises(WeightsError, match=rf"1 missing: {first}; 1 unexpected: module\.{first}"):
        load("imdn", scale=2, file=path)


def test_half_a_checkpoint_and_extra_keys_are_named(state: dict[str, Tensor], tmp_path: Path) -> None:
    path = tmp_path / "odd.pt"
    keys = list(state)
    torch.save({key: state[key] for key in keys[: len(keys) // 2]}, path)
    with pytest.raises(WeightsError, match=f"{len(keys) - len(keys) // 2} missing: .*last"):
        load("imdn", scale=2, file=path)
    torch.save(state | {"extra.weight": torch.zeros(3)}, path)
    with pytest.raises(WeightsError, match=r"1 unexpected: extra\.weight"):
        load("imdn", scale=2, file=path)
    torch.save(state | {"first.weight": torch.zeros(64, 3, 5, 5)}, path)
    with pytest.raises(WeightsError, match=r"1 misshapen: first\.weight 64×3×5×5 for 64×3×3×3"):
        load("imdn", scale=2, file=path)


def test_another_network_or_scale_is_named(mirror: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"holds zoo:imdn@authors for ×2, asked for imdn ×4"):
        load("imdn", scale=4, file=mirror / "IMDN_x2.pth")
    resaved = tmp_path / "resaved.pth"
    torch.save(torch.load(mirror / "PANx4_DF2K.pth", weights_only=True), resaved)
    with pytest.raises(WeightsError, match=r"does not fit imdn ×4: .*missing.*; it fits pan ×4"):
        load("imdn", scale=4, file=resaved)


class _Payload:
    """What a hostile checkpoint carries: unpickling it would make a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("save", [torch.save, lambda content, path: path.write_bytes(pickle.dumps(content))])
def test_a_pickle_that_would_run_code_is_refused_and_not_run(save: Any, tmp_path: Path) -> None:
    path, folder = tmp_path / "hostile.pth", tmp_path / "made-by-the-pickle"
    save({"weight": torch.zeros(2), "payload": _Payload(folder)}, path)
    with pytest.raises(WeightsError, match=r"would run code.*mkdir"):
        read_checkpoint(path)
    assert not folder.exists()


def test_an_html_page_saved_as_a_checkpoint_is_named(tmp_path: Path) -> None:
    path = tmp_path / "page.pth"
    path.write_text("\n<!DOCTYPE html><html><body>Sign in</body></html>")
    with pytest.raises(WeightsError, match="HTML page"):
        read_checkpoint(path)


@pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors"])
def test_truncated_and_altered_files_are_refused(kind: str, state: dict[str, Tensor], tmp_path: Path) -> None:
    whole, path = tmp_path / "whole", tmp_path / "broken"
    if kind == "safetensors":
        save_file(state, whole)
    else:
        torch.save(state, whole, _use_new_zipfile_serialization=kind == "zip")
    data = whole.read_bytes()
    for share in (0.0, 0.001, 0.01, 0.5, 0.9, 0.999):
        path.write_bytes(data[: int(len(data) * share)])
        with pytest.raises(WeightsError):
            read_checkpoint(path)
    # Bytes of the structure, not of the numbers: those only a hash protects.
    path.write_bytes(data[:40] + bytes(byte ^ 0x5A for byte in data[40:400]) + data[400:])
    with pytest.raises(WeightsError):
        read_checkpoint(path)


@pytest.mark.parametrize(
    "content", [{}, {"epoch": 3}, [1, 2], torch.zeros(3), {"weight": torch.tensor([float("nan")])}]
)
def test_what_is_no_state_dict_of_finite_tensors_is_refused(content: Any, tmp_path: Path) -> None:
    path = tmp_path / "content.pt"
    torch.save(content, path)
    with pytest.raises(WeightsError):
        read_checkpoint(path)


@pytest.mark.parametrize("new_format", [True, False])
def test_random_damage_is_never_an_unexpected_error(new_format: bool, tmp_path: Path) -> None:
    path, random = tmp_path / "damaged", np.random.default_rng(0)
    torch.save({"weight": torch.ones(4, 3, 3, 3)}, path, _use_new_zipfile_serialization=new_format)
    data = path.read_bytes()
    for _ in range(400):
        damaged = np.frombuffer(data, np.uint8)[: random.integers(len(data) // 2, len(data) + 1)].copy()
        damaged[random.integers(len(damaged), size=4)] = random.integers(256, size=4)
        path.write_bytes(damaged.tobytes())
        # Numbers may change unseen, which is what hashes are for; all else must be a message.
        with suppress(WeightsError):
            read_checkpoint(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="found none"):
        load("imdn", scale=2, file=tmp_path / "absent.pth")


def test_integers_in_the_place_of_weights_are_misshapen(state: dict[str, Tensor], tmp_path: Path) -> None:
    path = tmp_path / "integers.pt"
    torch.save(state | {"first.bias": torch.zeros(64, dtype=torch.int64)}, path)
    with pytest.raises(WeightsError, match=r"first\.bias 64 of torch\.int64 for 64"):
        load("imdn", scale=2, file=path)


def test_an_entry_without_any_source_fails_with_what_to_do() -> None:
    with pytest.raises(FetchError, match="SRBENCH_MIRROR"):
        fetch_weights(replace(find_weights("imdn", tag="authors", scale=2)))
