"""spandrel: its RCAN and ours agree on one checkpoint; what it does not know, or is of another scale, is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from srbench.errors import UpscalerError, WeightsError
from srbench.upscalers.base import Identity, Options
from srbench.upscalers.spandrel import open_spandrel
from srbench.upscalers.tensors import network_upscaler
from srbench.zoo import build, key_tables
from srbench.zoo.blocks import SRNetwork
from tests.foreign import foreign_package

_CPU = Options(device="cpu")


@pytest.fixture
def rcan(tmp_path: Path) -> tuple[Path, SRNetwork]:
    """A small RCAN ×2 with random weights, saved under its authors' keys."""
    foreign_package("spandrel")
    torch.manual_seed(0)
    network = build("rcan", scale=2, groups=2, blocks=2).eval()
    table = key_tables("rcan")[0]
    path = tmp_path / "rcan.pth"
    torch.save({table.theirs(key): value for key, value in network.state_dict().items()}, path)
    return path, network


def test_its_rcan_is_ours(rcan: tuple[Path, SRNetwork]) -> None:
    path, network = rcan
    foreign = open_spandrel(str(path), 2, _CPU)
    image = np.random.default_rng(0).integers(0, 256, (18, 15, 3), dtype=np.uint8)
    expected = network_upscaler(network, Identity("own"), scale=2, options=_CPU).checked(image, dataset="t", name="t")
    found = foreign.checked(image, dataset="t", name="t")
    assert expected.std() > 0.01
    assert np.abs(found - np.clip(expected, 0, 1)).max() < 1e-5
    assert foreign.identity.details["architecture"] == "RCAN"
    assert foreign.identity.parameters == sum(parameter.numel() for parameter in network.parameters())


def test_another_scale_is_named(rcan: tuple[Path, SRNetwork]) -> None:
    with pytest.raises(UpscalerError, match="a RCAN for ×2, asked for ×4"):
        open_spandrel(str(rcan[0]), 4, _CPU)


def test_an_unknown_kind_is_named_with_those_that_are_known(rcan: tuple[Path, SRNetwork], tmp_path: Path) -> None:
    path = tmp_path / "unknown.pth"
    torch.save(build("imdn", scale=4, blocks=1).state_dict(), path)
    with pytest.raises(UpscalerError, match=r"architectures that spandrel knows .*SwinIR"):
        open_spandrel(str(path), 4, _CPU)


def test_half_a_checkpoint_is_refused(rcan: tuple[Path, SRNetwork]) -> None:
    path = rcan[0]
    state = torch.load(path, weights_only=True)
    torch.save(dict(list(state.items())[: len(state) // 2]), path)
    with pytest.raises(UpscalerError, match="expected a whole checkpoint"):
        open_spandrel(str(path), 2, _CPU)


@pytest.mark.parametrize("options", [Options(optimise="fold"), Options(self_ensemble=True)])
def test_what_would_not_mean_what_it_says_is_refused(options: Options, tmp_path: Path) -> None:
    with pytest.raises(UpscalerError, match=r"--optimise none|--self-ensemble"):
        open_spandrel(str(tmp_path / "any.pth"), 2, options)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    foreign_package("spandrel")
    with pytest.raises(WeightsError, match="found none"):
        open_spandrel(str(tmp_path / "absent.pth"), 2, _CPU)
