"""Saturation of attention maps: known maps are told apart, and the record has it at the start and at the end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from srbench.training.saturation import describe, measure, patches, table
from srbench.training.trainer import train
from srbench.zoo import build
from srbench.zoo.networks import FORMS
from tests.training.small import ROOT, small_job, small_recipe


def test_saturation_distinguishes_closed_open_and_even_maps() -> None:
    torch.manual_seed(0)
    network = build("imdn-bam", scale=2, channels=16, blocks=3, reduction=4)
    # The maxima of one channel at least are positive, so the sign of the convolution decides.
    for number, value in enumerate((1e6, -1e6, 0.0)):
        spatial = network.get_submodule(f"blocks.{number}.attention.spatial.conv")
        torch.nn.init.constant_(spatial.get_parameter("weight"), value)
        for head in ("split.0", "split.1", "split.2"):
            torch.nn.init.constant_(network.get_submodule(f"blocks.{number}.{head}").get_parameter("bias"), 1.0)
    sites = measure(network)
    found = [sites[f"blocks.{number}.attention.spatial"] for number in range(3)]
    assert [site.state for site in found] == ["open", "closed", "active"]
    assert (found[2].mean, found[2].slope, found[0].above, found[1].below) == (0.5, 1.0, 1.0, 1.0)
    assert "6 attention maps" in describe(sites) and "1 closed (first blocks.1.attention.spatial)" in describe(sites)
    assert network.training and measure(build("imdn", scale=2, channels=16, blocks=1)) == {}


@pytest.mark.parametrize("scale", (2, 4))
def test_the_eight_patches_are_parts_of_photographs(scale: int) -> None:
    found = patches(scale)
    assert found.shape == (8, 3, 24, 24) and 0 <= found.min() < 0.2 and 0.8 < found.max() <= 1


def test_bam_is_saturated_at_range_255_and_not_at_one() -> None:
    states = {}
    for form in FORMS:
        torch.manual_seed(0)
        states[form] = measure(build("s-lwsr32-bam", scale=4, form=form))["attention.spatial"].state
    assert states == {"authors": "open", "unit": "active", "paper": "active"}


@pytest.mark.parametrize("name", ("s-lwsr32-bam", "imdn-bam", "pan-bam", "awsrn-bam"))
def test_the_table_in_the_docs_is_what_is_measured(name: str) -> None:
    lines = (ROOT / "docs" / "saturation.md").read_text().splitlines()
    stored = [line for line in lines if line.startswith(f"| `{name}` |")]
    for old, new in zip(stored, table([name], scale=4).splitlines()[2:], strict=True):
        cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in (old, new)]
        assert cells[0][:2] == cells[1][:2]
        for before, now in zip(cells[0][2:], cells[1][2:], strict=True):
            assert float(now) == pytest.approx(float(before), abs=0.02)


def test_the_record_has_the_saturation_at_start_and_end(images: Path, tmp_path: Path) -> None:
    train(small_job(images, tmp_path, network="pan-bam", recipe=small_recipe(steps=1, batch=1)))
    told = json.loads((tmp_path / "training.json").read_text())["saturation"]
    assert set(told) == {"start", "end"} and set(told["start"]) == set(told["end"])
    assert all(site["state"] in ("open", "closed", "active") for site in told["start"].values())
