"""RLFN, EFDN, SPAN, SAFMN compute what their authors' code computes, with formula weights and with published ones."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from srbench.zoo.checkpoints import load
from srbench.zoo.counting import count_parameters
from srbench.zoo.reparam import merge
from tests.zoo.vectors import MODERN_CLAIMS, read

_ROOT = Path(os.environ.get("SRBENCH_TEST_DATA", "")) / "parity-modern"
_FILES = sorted(_ROOT.glob("*")) if "SRBENCH_TEST_DATA" in os.environ else []
_GOLDENS = [path for path in _FILES if path.suffix == ".safetensors"]
_FORMULA = [path for path in _GOLDENS if "_authors_" not in path.stem]
_AUTHORS = [path for path in _GOLDENS if "_authors_" in path.stem]
_MANIFESTS = [path for path in _FILES if path.suffix == ".json" and "_authors_" not in path.stem]
_TAGS = {"span-28": "span@ntire2024", "safmn-ntire2023": "safmn@ntire2023"}


def test_every_network_has_its_goldens(test_data: Path) -> None:
    assert (len(_FORMULA), len(_AUTHORS)) == (12, 5), f"goldens under {test_data / 'parity-modern'}"
    assert {read(path).facts["name"] for path in (*_FORMULA, *_AUTHORS)} == set(MODERN_CLAIMS)


@pytest.mark.parametrize("path", _FORMULA, ids=lambda path: path.stem)
def test_formula_weights_give_the_golden_output(path: Path) -> None:
    vector, tensors = read(path), load_file(path)
    network = vector.build().eval()
    network.load_state_dict(vector.filled(), strict=True)
    with torch.inference_mode():
        outputs = [network(tensors["input"]), merge(network)(tensors["input"])]
    for output in outputs:
        assert float((output - tensors["output"]).abs().max()) <= 2e-5 * float(tensors["output"].std())


@pytest.mark.parametrize("path", _AUTHORS, ids=lambda path: path.stem)
def test_published_weights_give_the_golden_output(path: Path, mirror: Path) -> None:
    vector, tensors = read(path), load_file(path)
    name, _, tag = _TAGS.get(vector.variant, f"{vector.variant}@authors").partition("@")
    loaded = load(name, tag=tag, scale=vector.scale)
    assert loaded.weights_file.name == vector.facts["checkpoint"]
    with torch.inference_mode():
        output = loaded.module(tensors["input"]) * loaded.module.value_range
    # SPAN's features are large: float64 differs from float32 by 1.8e-5 of the output's deviation.
    tolerance = 1e-4 if name == "span" else 2e-5
    assert float((output - tensors["output"]).abs().max()) <= tolerance * float(tensors["output"].std())


@pytest.mark.parametrize("path", _MANIFESTS, ids=lambda path: path.stem)
def test_keys_and_shapes_map_one_to_one(path: Path) -> None:
    vector = read(path)
    network = vector.build(full=True, device="meta")
    rename = dict(vector.renamed(vector.full_tensors))
    theirs = {rename[key]: tuple(shape) for key, shape, _ in vector.full_tensors if key in rename}
    assert theirs == {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}
    left_out = sum(math.prod(shape) for key, shape, _ in vector.full_tensors if key not in rename)
    assert count_parameters(network) + left_out == vector.facts["full_parameters"]
    assert (left_out > 0) == (vector.facts["name"] == "span_train")


def test_manifests_cover_every_scale_of_the_papers(test_data: Path) -> None:
    served = {(facts["name"], facts["scale"]) for facts in (json.loads(path.read_text()) for path in _MANIFESTS)}
    assert {(name, scale) for name in ("rlfn", "efdn", "span", "safmn") for scale in (2, 3, 4)} <= served
