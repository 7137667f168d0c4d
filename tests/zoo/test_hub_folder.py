"""Networks as folders of the hub: the round trip, and folders that are damaged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from srbench.errors import UnknownNameError, WeightsError
from srbench.zoo import from_pretrained, load, save_pretrained


@pytest.mark.parametrize("name", ["imdn", "imdn-bam"])
def test_round_trip_gives_the_same_outputs(name: str, tmp_path: Path) -> None:
    folder = save_pretrained(name, tmp_path / "hub", scale=4)
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]
    again, before = from_pretrained(folder), load(name, scale=4)
    lr = torch.rand(1, 3, 12, 14, generator=torch.Generator().manual_seed(0))
    assert torch.equal(again.module(lr), before.module(lr))
    assert (again.network, again.scale) == (name, 4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "expected a JSON object"),
        ("[]", "expected a JSON object"),
        ('{"network": 3, "scale": 4}', "integer scale"),
    ],
)
def test_damaged_configs_are_explained(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(WeightsError, match=message):
        from_pretrained(tmp_path)


def test_missing_files_and_unknown_networks_are_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="save_pretrained"):
        from_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"network": "imdn", "scale": 4}))
    with pytest.raises(WeightsError, match=r"model\.safetensors"):
        from_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"network": "imdm", "scale": 4}))
    with pytest.raises((UnknownNameError, WeightsError)):
        from_pretrained(tmp_path)
