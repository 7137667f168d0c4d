"""Our networks compute what their authors' code computes: golden outputs, weights filled by a formula."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.zoo.vectors import fill, hashes, read

_ROOT = Path(os.environ.get("SRBENCH_TEST_DATA", "")) / "parity"
_VECTORS = sorted(_ROOT.glob("*.safetensors")) if "SRBENCH_TEST_DATA" in os.environ else []


def test_the_formula_gives_the_published_check_values() -> None:
    assert hashes(4, 0).tolist() == [2936555912, 1519839535, 4253382256, 735189586]
    assert fill([1], 1, base=0.0, alt=0.0, amp=1.0, fan_in=False)[0] == pytest.approx(-0.478938, abs=1e-6)
    assert np.unique(fill([4, 2], 0, base=2.0, alt=1.0, amp=0.0, fan_in=False)).tolist() == [1.0, 3.0]


def test_parity_vectors_are_there(test_data: Path) -> None:
    assert _VECTORS, f"no parity vectors under {test_data / 'parity'}"


@pytest.mark.parametrize("path", _VECTORS, ids=lambda path: path.stem)
def test_parity(path: Path) -> None:
    vector = read(path)
    tensors = load_file(path)
    network = vector.build(device="meta").eval()
    network.load_state_dict(vector.filled(), strict=True, assign=True)
    with torch.inference_mode():
        output = network(tensors["input"]) * network.value_range
    difference = float((output - tensors["output"]).abs().max())
    assert difference <= 2e-5 * float(tensors["output"].std())
