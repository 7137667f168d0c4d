"""Score a network on the held-out training images under the protocol of the rankings."""

from __future__ import annotations

import numpy as np
import torch

from srbench.datasets.patch_store import PatchStore
from srbench.datasets.patches import to_float
from srbench.metrics import psnr, shave
from srbench.protocols import get_protocol
from srbench.zoo.blocks import SRNetwork

PROTOCOL = "matlab-y"
"""What held-out PSNR is measured under."""


def held_out_psnr(network: SRNetwork, store: PatchStore, device: torch.device, *, most: int | None = None) -> float:
    """Return the mean PSNR in dB under matlab-y over the images of a store, or over its first `most` images."""
    return float(np.mean([_image_psnr(network, store, index, device) for index in range(len(store))[:most]]))


def _image_psnr(network: SRNetwork, store: PatchStore, index: int, device: torch.device) -> float:
    scoring = get_protocol(PROTOCOL).scoring
    lr, hr = (torch.from_numpy(image) for image in store.image(index))
    # Early in a training the output may be outside of the range that the protocol accepts.
    sr = network(to_float(lr.to(device))[None]).clamp(0, 1)
    border = scoring.border(store.scale)
    # The PSNR of the protocol without its SSIM, which would double the time.
    pair = (scoring.quantise(sr), hr.permute(1, 2, 0).numpy())
    first, second = (shave(image, border=border) for image in pair)
    return psnr(
        *((first, second) if scoring.luma is None else (scoring.luma(first), scoring.luma(second))), data_range=255
    )
