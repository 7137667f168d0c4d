"""The keys and shapes of every published manifest, x3 included, map one to one onto our modules at full size."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from srbench.zoo.counting import count_parameters
from tests.zoo.vectors import CLAIMS, read

_ROOT = Path(os.environ.get("SRBENCH_TEST_DATA", "")) / "parity"
_MANIFESTS = sorted(_ROOT.glob("*.json")) if "SRBENCH_TEST_DATA" in os.environ else []


def test_every_claim_has_its_manifests_at_all_scales(test_data: Path) -> None:
    names = {path.stem for path in (test_data / "parity").glob("*.json")}
    assert {f"{name}_x{scale}" for name in CLAIMS for scale in (2, 3, 4)} <= names


@pytest.mark.parametrize("path", _MANIFESTS, ids=lambda path: path.stem)
def test_manifest_maps_one_to_one(path: Path) -> None:
    vector = read(path)
    network = vector.build(full=True, device="meta")
    rename = dict(vector.renamed(vector.full_tensors))
    theirs = {rename[key]: tuple(shape) for key, shape, _ in vector.full_tensors}
    assert theirs == {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}
    assert len(theirs) == len(vector.full_tensors)
    assert count_parameters(network) == vector.facts["full_parameters"]
