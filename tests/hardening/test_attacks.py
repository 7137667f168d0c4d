"""Each attack of `fuzz.attacks` is read harmlessly or refused with a short, printable message."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from fuzz.attacks import checkpoints
from fuzz.readers import READERS
from srbench.errors import SrbenchError
from srbench.zoo.reading import read_checkpoint

ATTACKS: dict[str, Callable[[], checkpoints.Files]] = {
    "pickle": checkpoints.pickles,
    "tensors": checkpoints.tensors,
    "archive": checkpoints.archives,
    "safetensors": checkpoints.safetensors,
}
CASES = [pytest.param(kind, data, id=f"{kind}-{name}") for kind, make in ATTACKS.items() for name, data in make()]


@pytest.mark.parametrize(("kind", "data"), CASES)
def test_attack_is_refused_with_a_message(kind: str, data: bytes, tmp_path: Path) -> None:
    try:
        READERS[kind](data, tmp_path)
    except SrbenchError as error:
        message = str(error)
        assert len(message) < 4000
        assert all(letter.isprintable() or letter == "\n" for letter in message)


def test_attack_files_differ_from_a_good_file_only_in_the_attack(tmp_path: Path) -> None:
    path = tmp_path / "good.pth"
    numbers = struct.pack("<4f", 1, 2, 3, 4)
    path.write_bytes(
        checkpoints.torch_zip(checkpoints.state(checkpoints.tensor("I4\n\x85", "I1\n\x85")), {"0": numbers})
    )
    assert read_checkpoint(path).state["w"].tolist() == [1, 2, 3, 4]
