"""The memorisation probe: does a model score as well on slightly changed copies of the benchmark images?

A file that stores the HR images reproduces its scores exactly, so a re-run cannot distinguish it from a network. But
stored answers fit the exact benchmark pixels only. The probe scores the model again on copies that look like any other
image to a network: cropped by whole LR pixels, flipped or transposed, and shifted by single HR pixels. Both scores are
taken on the region that both images show, away from the borders: other content would move an honest score by 0.7 dB.

What it cannot see: a network that was trained on the benchmark images with the usual augmentation.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from srbench.datasets.imageset import ImageSet, open_dataset
from srbench.errors import SubmissionError
from srbench.evaluation.probe import take_probe
from srbench.metrics import psnr
from srbench.protocols import MATLAB_LUMA, MATLAB_PREPARATION, to_8bit
from srbench.records.verification import DropFacts
from srbench.upscalers.base import Options, Upscaler
from srbench.upscalers.loading import open_upscaler

RgbImage = NDArray[np.uint8]

SMALL_SETS = ("Set5", "Set14")
"""Sets of which every image is probed."""
FROM_OTHERS = 10
"""How many images of all other sets are probed, spread evenly over the names of each set."""
FROM_EACH = 5
"""How many images of each other set are probed at least: as many as Set5 has, for which the bounds hold."""
MARGIN = 8
"""LR pixels that the compared region keeps from every border."""

PASSED = "passed"
"""The status of a model whose drops are within the bounds."""

_CROPS = ((1, 2), (3, 0))
_SMALLEST_SIDE = 16


@dataclass(frozen=True)
class Bound:
    """The largest accepted drop in dB: of the mean over a set, and of a single image."""

    mean: float
    image: float


BOUNDS: Mapping[str, Bound] = {
    "crop": Bound(0.05, 0.30),
    "flip": Bound(0.22, 0.60),
    "shift": Bound(0.16, 0.90),
}
"""By kind of change: at least 1.5 times the largest drop over all re-run entries, listed in docs/memorisation.md."""


@dataclass(frozen=True)
class Change:
    """A changed copy of an HR image, and the function that undoes the change.

    `apply` makes the copy, whose sides are multiples of the scale. `restore` puts an SR image of the copy back into the
    orientation of the original. `top` and `left` say where the restored image begins in the original.
    """

    kind: str
    name: str
    apply: Callable[[RgbImage], RgbImage]
    restore: Callable[[RgbImage], RgbImage]
    top: int = 0
    left: int = 0


@dataclass(frozen=True)
class Drop:
    """The drop in PSNR, in dB, from an image to its changed copy; negative where the copy scores higher."""

    dataset: str
    image: str
    kind: str
    change: str
    decibels: float


def changes(scale: int) -> Iterator[Change]:
    """Yield the changes at a scale: crops, flips and transposes, and one shift for each 1 … scale - 1 HR pixels."""
    for down, right in _CROPS:
        yield _window("crop", f"crop {down},{right}", down * scale, right * scale, scale)
    yield Change("flip", "left-right", lambda hr: hr[:, ::-1], lambda sr: sr[:, ::-1])
    yield Change("flip", "transpose", _transposed, _transposed)
    for step in range(1, scale):
        yield _window("shift", f"shift {step}", step, scale - step, scale)


def _window(kind: str, name: str, top: int, left: int, scale: int) -> Change:
    def apply(hr: RgbImage) -> RgbImage:
        height, width = (side // scale * scale for side in hr[top:, left:].shape[:2])
        return hr[top : top + height, left : left + width]

    return Change(kind, name, apply, lambda sr: sr, top, left)


def _transposed(image: RgbImage) -> RgbImage:
    return image.transpose(1, 0, 2)


def image_drops(upscaler: Upscaler, hr: RgbImage, *, dataset: str, name: str) -> Iterator[Drop]:
    """Yield the drop of each change on one HR image; nothing for an image that is too small.

    Raises UpscalerError if the model fails on a copy.
    """
    scale = upscaler.scale
    original, lr = MATLAB_PREPARATION.prepare(hr, scale=scale, name=name)
    sr = to_8bit(upscaler.checked(lr, dataset=dataset, name=name))
    for change in changes(scale):
        copy = np.ascontiguousarray(change.apply(original))
        margin = MARGIN * scale
        height, width = change.restore(copy).shape[:2]
        rows = slice(max(margin, change.top + margin), min(original.shape[0], change.top + height) - margin)
        columns = slice(max(margin, change.left + margin), min(original.shape[1], change.left + width) - margin)
        if min(rows.stop - rows.start, columns.stop - columns.start) < _SMALLEST_SIDE:
            continue
        _, copy_lr = MATLAB_PREPARATION.prepare(copy, scale=scale, name=name)
        restored = change.restore(to_8bit(upscaler.checked(copy_lr, dataset=dataset, name=name)))
        offset_rows = slice(rows.start - change.top, rows.stop - change.top)
        offset_columns = slice(columns.start - change.left, columns.stop - change.left)
        reference = original[rows, columns]
        before = _psnr(sr[rows, columns], reference)
        after = _psnr(restored[offset_rows, offset_columns], reference)
        yield Drop(dataset, name, change.kind, change.name, min(before, 100.0) - min(after, 100.0))


def probed_images(sets: Sequence[ImageSet], *, probed_before: Collection[str] = ()) -> Iterator[tuple[ImageSet, str]]:
    """Yield every image of the small sets, and evenly spread ones of each other set: answers may be stored for one.

    The number of images of a set depends on the number of all sets, which includes those that were `probed_before`.
    """
    others = sum(name not in SMALL_SETS for name in (*probed_before, *(found.name for found in sets)))
    for found in sets:
        names = found.names
        if found.name not in SMALL_SETS:
            wanted = max(FROM_EACH, FROM_OTHERS // others)
            names = names[:: max(1, len(names) // wanted)][:wanted]
        yield from ((found, name) for name in names)


def exceeded(drops: Sequence[Drop]) -> list[str]:
    """Return which bounds the drops exceed, in words; empty for a model that passes."""
    found = []
    for (dataset, kind, change), group in _groups(drops).items():
        bound, mean = BOUNDS[kind], float(np.mean([drop.decibels for drop in group]))
        worst = max(group, key=lambda drop: drop.decibels)
        if mean > bound.mean:
            found.append(f"{dataset}: {mean:.2f} dB lower on average after {change} (at most {bound.mean:g})")
        elif worst.decibels > bound.image:
            found.append(
                f"{dataset}/{worst.image}: {worst.decibels:.2f} dB lower after {change} (at most {bound.image:g})"
            )
    return found


def largest_drops(drops: Sequence[Drop]) -> dict[str, dict[str, float]]:
    """Return the largest drop by kind of change: of a set's mean, and of a single image."""
    found: dict[str, dict[str, float]] = {}
    for (_, kind, _), group in _groups(drops).items():
        mean, worst = float(np.mean([drop.decibels for drop in group])), max(drop.decibels for drop in group)
        known = found.setdefault(kind, {"mean": mean, "image": worst})
        known["mean"], known["image"] = max(known["mean"], mean), max(known["image"], worst)
    return found


def largest_drop(found: Iterable[DropFacts]) -> DropFacts:
    """Return the largest of several drops, of a mean and of an image separately; there has to be at least one."""
    drops = list(found)
    return DropFacts(mean=max(drop.mean for drop in drops), image=max(drop.image for drop in drops))


def not_applicable(upscaler: Upscaler) -> str | None:
    """Return the reason why the probe does not apply to a model; None if it applies.

    A model of fixed input size gets different tiles of a changed copy; a stochastic one gives a new score each time.
    """
    if "input_size" in upscaler.identity.details:
        return "the model has a fixed input size"
    if upscaler.options.tile is not None:
        return "the model runs in tiles"
    probe = take_probe(upscaler)
    if probe is not None and not probe.deterministic:
        return "the model gives a different output each time"
    return None


def run_probe(
    upscaler: Upscaler, sets: Sequence[ImageSet], *, probed_before: Collection[str] = ()
) -> dict[str, object]:
    """Probe a model and return a JSON-ready report: `status`, `images`, `drops` by kind, and what was `exceeded`.

    `probed_before` names further sets of the entry, on which the same weights were probed before.
    """
    reason = not_applicable(upscaler)
    if reason is not None:
        return {"status": f"not applicable: {reason}", "images": 0, "drops": {}, "exceeded": []}
    drops: list[Drop] = []
    for found, name in probed_images(sets, probed_before=probed_before):
        drops += image_drops(upscaler, found.hr(name), dataset=found.name, name=name)
    wrong = exceeded(drops)
    return {
        "status": "failed" if wrong else PASSED,
        "images": len({(drop.dataset, drop.image) for drop in drops}),
        "drops": {
            kind: {which: round(value, 4) for which, value in worst.items()}
            for kind, worst in largest_drops(drops).items()
        },
        "exceeded": wrong,
    }


def _groups(drops: Sequence[Drop]) -> dict[tuple[str, str, str], list[Drop]]:
    found: dict[tuple[str, str, str], list[Drop]] = {}
    for drop in drops:
        found.setdefault((drop.dataset, drop.kind, drop.change), []).append(drop)
    return found


def _psnr(first: RgbImage, second: RgbImage) -> float:
    return psnr(MATLAB_LUMA(first), MATLAB_LUMA(second), data_range=255)


def main() -> None:
    """Probe the model described in a JSON file, and write the report to a second file; both are arguments."""
    request, target = (Path(word) for word in sys.argv[1:3])
    asked = json.loads(request.read_text(encoding="utf-8"))
    upscaler = open_upscaler(asked["model"], scale=asked["scale"], options=Options(**asked["options"]))
    root = Path(asked["data_root"]) if asked["data_root"] else None
    sets = [open_dataset(name, data_root=root) for name in asked["datasets"]]
    report = run_probe(upscaler, sets, probed_before=asked["probed_before"])
    target.write_text(json.dumps(report), encoding="utf-8")


if __name__ == "__main__":
    try:
        main()
    except SubmissionError as error:
        sys.exit(str(error))
