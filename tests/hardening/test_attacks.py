"""Each attack of `fuzz.attacks` is read harmlessly or refused with a short, printable message."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from fuzz.attacks import ATTACKS, checkpoints, pictures, tables
from fuzz.readers import READERS
from srbench.errors import ImageError, SrbenchError, SubmissionError
from srbench.upscaling.png_files import read_note
from srbench.upscaling.source_images import read_source
from srbench.zoo.reading import read_checkpoint

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


def test_good_table_and_good_samples_are_accepted(tmp_path: Path) -> None:
    READERS["table"](tables.packed(tables.good_table()), tmp_path)
    READERS["table"](tables.packed(tables.good_table(), use_dictionary=False, compression="none"), tmp_path)
    for kind in ("PNG", "WEBP"):
        READERS["sample"](pictures.saved(kind, lossless=True), tmp_path)


@pytest.mark.parametrize(
    ("name", "data"), [*pictures.samples()], ids=lambda value: value if isinstance(value, str) else ""
)
def test_sample_with_more_than_pixels_is_refused(name: str, data: bytes, tmp_path: Path) -> None:
    with pytest.raises(SubmissionError):
        READERS["sample"](data, tmp_path)


def test_upscaling_refuses_pictures_that_announce_too_much(tmp_path: Path) -> None:
    path = tmp_path / "picture"
    for name, data in pictures.bombs():
        path.write_bytes(data)
        assert read_note(path) is None, name
        if "announces" in name:
            with pytest.raises(ImageError):
                read_source(path)
