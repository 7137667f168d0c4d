"""super-image: its random-weight models and ours, filled through the rename tables, give the same output."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch

from srbench.zoo.checkpoints import Architecture, fill
from srbench.zoo.reading import Checkpoint
from srbench.zoo.weights_catalogue import CATALOGUE, WeightsEntry
from srbench.zoo.wrapping import views_of
from tests.optional_packages import optional_package

_ENTRIES = [entry for entry in CATALOGUE if entry.tag == "super-image"]
# What the hub's config.json files set differently from the package's defaults.
_CONFIG = {"edsr": {"n_resblocks": 32, "n_feats": 256}}


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param(
            entry, id=f"{entry.name}_x{entry.scales[0]}", marks=() if entry.scales == (4,) else pytest.mark.long
        )
        for entry in _ENTRIES
    ],
)
def test_random_weights_give_the_same_output(entry: WeightsEntry) -> None:
    package = optional_package("super_image")
    (scale,) = entry.scales
    kind = entry.name.partition("-")[0].capitalize()
    settings = _CONFIG.get(entry.name, {}) | ({"bam": True} if entry.name.endswith("-bam") else {})
    torch.manual_seed(0)
    with warnings.catch_warnings():
        # It uses torch's older weight norm, which warns.
        warnings.simplefilter("ignore")
        theirs = getattr(package, f"{kind}Model")(getattr(package, f"{kind}Config")(scale=scale, **settings)).eval()
    checkpoint = Checkpoint(Path(entry.file.name), views_of(dict(theirs.state_dict()), ()), {})
    ours = fill(Architecture(entry.network, scale, entry.options), checkpoint)
    image = torch.rand(1, 3, 12, 10)
    with torch.inference_mode():
        expected = theirs(image)
        assert expected.std() > 0.01
        assert (ours(image) - expected).abs().max() <= 1e-5
