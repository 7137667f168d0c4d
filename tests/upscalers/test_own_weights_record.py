"""The record in a weights file is checked before a run states it: a run that nothing can read must not be written."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import JsonValue

from srbench.errors import WeightsError
from srbench.upscalers.own_weights import read_record, stated_training
from srbench.zoo.reading import RECORD_KEY

FILE = Path("weights.safetensors")
INIT: dict[str, JsonValue] = {"source": "imdn@authors", "sha256": "a" * 64, "origin": "b"}


@pytest.mark.parametrize(
    "record",
    [
        {"steps": -1},
        {"steps": {"a": [[[]]]}},
        {"seed": "a" * 100_000},
        {"train_set": [1, 2]},
        {"recipe": "\ud800"},
        {"recipe": "\x1b[31m"},
        {"init": "x"},
        {"init": {**INIT, "origin": "\ud800"}},
        {"init": {"source": "x"}},
    ],
    ids=lambda record: next(iter(record)),
)
def test_record_that_srbench_would_not_write_is_refused(record: dict[str, JsonValue]) -> None:
    with pytest.raises(WeightsError, match=r"^weights\.safetensors: ") as refused:
        stated_training(record, FILE)
    assert len(str(refused.value)) < 300
    assert str(refused.value).isprintable()


def test_facts_of_a_training_are_kept() -> None:
    record: dict[str, JsonValue] = {
        "train_set": "DIV2K",
        "steps": 5,
        "seed": 1,
        "recipe": "r",
        "network": "imdn",
        "init": {**INIT, "more": 1},
    }
    facts = {"training_data": "DIV2K", "steps": 5, "seed": 1, "recipe": "r", "init": INIT}
    assert stated_training(record, FILE) == facts


def test_deep_record_is_refused_with_a_message() -> None:
    with pytest.raises(WeightsError, match="expected a record in JSON"):
        read_record(FILE, {RECORD_KEY: "[" * 100_000 + "]" * 100_000})
