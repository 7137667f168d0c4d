"""The memorisation probe: stored answers are found, honest models pass, and what it cannot see is stated."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from srbench.datasets.imageset import ImageSet, open_dataset
from srbench.images import pixel_sha256
from srbench.protocols import MATLAB_PREPARATION
from srbench.submissions import read_submissions
from srbench.upscalers.base import Identity, Image, Options, Upscaler
from srbench.upscalers.bicubic import MatlabBicubic
from srbench.verification.memorisation import (
    BOUNDS,
    FROM_EACH,
    changes,
    exceeded,
    image_drops,
    not_applicable,
    probed_images,
)

SCALE = 4
NAMES = ("coffee", "chelsea")
ENTRIES = Path(__file__).parents[1] / "submissions"
Key = Callable[[Image], Hashable]


def corner(lr: Image) -> Hashable:
    return hashlib.sha256(lr[:8, :8].tobytes()).hexdigest()


def mean_colour(lr: NDArray[np.uint8]) -> Hashable:
    return tuple(int(value) for value in lr.mean(axis=(0, 1)).round())


def turned(image: NDArray[np.uint8], turns: int, flipped: bool) -> NDArray[np.uint8]:
    return np.ascontiguousarray(np.rot90(image[:, ::-1] if flipped else image, turns))


KEYS: dict[str, Callable[[Any], Hashable]] = {
    "shape": lambda lr: lr.shape,
    "first 8×8 pixels": corner,
    "mean colour": mean_colour,
    "all pixels": pixel_sha256,
}


@pytest.fixture(scope="module")
def sample() -> ImageSet:
    return open_dataset("Sample")


class Cheat(Upscaler):
    """Bicubic, except where the key of an LR image is stored: there a share of the HR image is blended in."""

    def __init__(self, images: ImageSet, key: Key, *, share: float = 1.0, orientations: bool = False) -> None:
        self.identity, self.options, self.scale = Identity("onnx:cheat.onnx"), Options(device="cpu"), SCALE
        self._bicubic, self._key, self._share = MatlabBicubic(scale=SCALE), key, share
        self._stored: dict[Hashable, NDArray[np.uint8]] = {}
        for name in NAMES:
            hr, lr = MATLAB_PREPARATION.prepare(images.hr(name), scale=SCALE, name=name)
            for turns in range(4 if orientations else 1):
                for flipped in (False, True) if orientations else (False,):
                    self._stored[key(turned(lr, turns, flipped))] = turned(hr, turns, flipped)

    def upscale(self, lr: Image, *, dataset: str, name: str) -> Image:
        plain = self._bicubic.upscale(lr, dataset=dataset, name=name)
        stored = self._stored.get(self._key(lr))
        if stored is None:
            return plain
        height, width = plain.shape[:2]
        answer = np.pad(stored, ((0, height), (0, width), (0, 0)), mode="edge")[:height, :width]
        blended = self._share * answer + (1 - self._share) * plain
        return np.asarray(blended.round(), dtype=np.uint8)


def verdict(upscaler: Upscaler, images: ImageSet) -> list[str]:
    drops = [drop for name in NAMES for drop in image_drops(upscaler, images.hr(name), dataset=images.name, name=name)]
    assert {drop.kind for drop in drops} == {"crop", "flip", "shift"}
    return exceeded(drops)


def test_bicubic_passes(sample: ImageSet) -> None:
    assert verdict(MatlabBicubic(scale=SCALE), sample) == []


@pytest.mark.parametrize("key", KEYS)
def test_stored_answers_are_found(sample: ImageSet, key: str) -> None:
    assert verdict(Cheat(sample, KEYS[key]), sample)


def test_all_eight_stored_orientations_are_found(sample: ImageSet) -> None:
    found = verdict(Cheat(sample, KEYS["all pixels"], orientations=True), sample)
    assert any("after crop" in line for line in found)


@pytest.mark.parametrize("share", [0.10, 0.05, 0.02])
def test_small_shares_of_hr_are_found(sample: ImageSet, share: float) -> None:
    assert verdict(Cheat(sample, corner, share=share), sample)


def test_a_share_below_half_a_percent_is_not_found(sample: ImageSet) -> None:
    # docs/memorisation.md states this limit: such a share gains less than the probe's bound.
    assert verdict(Cheat(sample, corner, share=0.003), sample) == []


def test_copies_show_the_same_region(sample: ImageSet) -> None:
    hr = sample.hr("coffee")[:120, :160]
    kinds = [change.kind for change in changes(SCALE)]
    assert kinds == ["crop", "crop", "flip", "flip", "shift", "shift", "shift"]
    for change in changes(SCALE):
        restored = change.restore(change.apply(hr))
        height, width = restored.shape[:2]
        assert np.array_equal(restored, hr[change.top : change.top + height, change.left : change.left + width])


def test_tiled_models_are_not_applicable() -> None:
    model = MatlabBicubic(scale=SCALE)
    assert not_applicable(model) is None
    model.options = Options(device="cpu", tile=64)
    assert not_applicable(model) == "the model runs in tiles"


def test_small_sets_are_probed_completely(sample: ImageSet) -> None:
    assert [name for _, name in probed_images([sample])] == list(sample.names)


def test_images_of_every_set_are_probed(sample: ImageSet) -> None:
    """A file may store the answers of one set only, so no set is left out."""
    sets = [ImageSet(name, sample.store) for name in ("Set5", "BSD100", "Urban100")]
    probed = [(found.name, name) for found, name in probed_images(sets)]
    assert probed[: len(sample)] == [("Set5", name) for name in sample.names]
    for name in ("BSD100", "Urban100"):
        assert len({image for found, image in probed if found == name}) == FROM_EACH
    left = [(found.name, name) for found, name in probed_images(sets[2:], probed_before=["Set5", "BSD100"])]
    assert left == [one for one in probed if one[0] == "Urban100"], "in two parts the same images are probed"


def test_no_entry_that_was_run_again_comes_near_a_bound() -> None:
    verifications = [entry.verification for entry in read_submissions(ENTRIES).entries if entry.verification]
    drops = [facts.drops for one in verifications for facts in one.memorisation or () if facts.drops]
    assert drops
    for kind, bound in BOUNDS.items():
        assert 1.5 * max(found[kind].mean for found in drops) <= bound.mean, kind
        assert 1.5 * max(found[kind].image for found in drops) <= bound.image, kind
