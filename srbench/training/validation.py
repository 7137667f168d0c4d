"""Score a network on the held-out training images under the protocol of the rankings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import islice
from statistics import fmean

import numpy as np
import torch
from numpy.typing import NDArray

from srbench.datasets.patch_store import PatchStore
from srbench.datasets.patches import to_float
from srbench.metrics import psnr, shave
from srbench.protocols import get_protocol
from srbench.training.training_data import TrainingData
from srbench.zoo.blocks import SRNetwork

PROTOCOL = "matlab-y"
"""The protocol of held-out PSNR."""


CROPPED_IMAGES = 4
"""How many held-out images are shown by crops."""

CROP_SIDE = 48
"""The side of a crop in LR pixels, at most; crops are taken from the middle of an image."""

RgbImage = NDArray[np.uint8]


@dataclass(frozen=True)
class HeldOutImage:
    """A held-out image with its SR, as RGB uint8 H×W×3; `scale` is HR size over LR size."""

    lr: RgbImage
    sr: RgbImage
    hr: RgbImage
    scale: int

    def psnr(self) -> float:
        """Return the protocol's PSNR in dB without its SSIM, which would double the time."""
        scoring = get_protocol(PROTOCOL).scoring
        border = scoring.border(self.scale)
        first, second = (shave(image, border=border) for image in (self.sr, self.hr))
        if scoring.luma is None:
            return psnr(first, second, data_range=255)
        return psnr(scoring.luma(first), scoring.luma(second), data_range=255)

    def ssim(self) -> float | None:
        """Return the protocol's SSIM; None for an image that is too small for it, or where OpenCV is missing.

        Trainings run on machines with few packages; only SSIM needs OpenCV.
        """
        if find_spec("cv2") is None:
            return None
        return get_protocol(PROTOCOL).score(self.sr, self.hr, scale=self.scale)["ssim_y"]

    def crops(self) -> dict[str, RgbImage]:
        """Return the same place in LR, SR and HR."""
        top, left = (max(0, (size - CROP_SIDE) // 2) for size in self.lr.shape[:2])
        places = (("lr", self.lr, 1), ("sr", self.sr, self.scale), ("hr", self.hr, self.scale))
        return {
            kind: image[top * by : (top + CROP_SIDE) * by, left * by : (left + CROP_SIDE) * by]
            for kind, image, by in places
        }


@dataclass(frozen=True)
class HeldOutScores:
    """Means over the held-out images, PSNR in dB, and crops by name; `ssim` is None unless it was asked for."""

    psnr: float
    ssim: float | None
    crops: dict[str, RgbImage]


def held_out_scores(
    network: SRNetwork, pairs: Iterable[TrainingData], device: torch.device, *, with_ssim: bool
) -> HeldOutScores:
    """Return the mean scores of a network on the held-out images, over every scale, and crops of the first images.

    Crops are called `NAME-xSCALE-lr`, `-sr` and `-hr`.
    """
    psnrs: list[float] = []
    ssims: list[float | None] = []
    crops: dict[str, RgbImage] = {}
    for data in pairs:
        if data.held_out is None:
            continue
        network.scale = scale = data.held_out.scale
        found: list[float] = []
        for name, image in zip(data.held_out_names, _upscaled(network, data.held_out, device), strict=True):
            found.append(image.psnr())
            ssims += [image.ssim()] if with_ssim else []
            if len(found) <= CROPPED_IMAGES:
                crops |= {f"{name}-x{scale}-{kind}": crop for kind, crop in image.crops().items()}
        psnrs.append(float(np.mean(found)))
    known = [value for value in ssims if value is not None]
    return HeldOutScores(fmean(psnrs), fmean(known) if known else None, crops)


def held_out_psnr(network: SRNetwork, store: PatchStore, device: torch.device, *, most: int | None = None) -> float:
    """Return the mean PSNR in dB under matlab-y over the images of a store, or over its first `most` images."""
    return float(np.mean([image.psnr() for image in islice(_upscaled(network, store, device), most)]))


def _upscaled(network: SRNetwork, store: PatchStore, device: torch.device) -> Iterator[HeldOutImage]:
    scoring = get_protocol(PROTOCOL).scoring
    for index in range(len(store)):
        lr, hr = (torch.from_numpy(image) for image in store.image(index))
        # Early in a training the output may be outside of the range that the protocol accepts.
        sr = network(to_float(lr.to(device))[None]).clamp(0, 1)
        shown = np.rint(scoring.quantise(sr)).astype(np.uint8)
        yield HeldOutImage(lr.permute(1, 2, 0).numpy(), shown, hr.permute(1, 2, 0).numpy(), store.scale)
