"""`imresize` against the widely copied `matlab_functions.imresize`, in speed and in values unlike MATLAB's."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import peers
from benchmarks.report import BenchRow, speed_row, test_data, timings, without_data, without_peer
from srbench import imresize
from srbench.images import decode, pixel_sha256

_PEER_DIFFERS = 618_973  # of 4,808,136 values that MATLAB made: PROTOCOLS.md
_SPEED, _EXACT = "imresize, Set5 + Set14 ×2 ×3 ×4, against basicsr 1.4.2", "imresize, images that are not MATLAB's"

Resize = Callable[[NDArray[Any], float], NDArray[Any]]


def rows() -> list[BenchRow]:
    """Two rows: how many times faster than the peer, and how many images are not what MATLAB made."""
    data = test_data()
    if data is None:
        return [without_data(_SPEED, "≥ 4"), without_data(_EXACT, "≤ 0")]
    cropped = [(image, name, scale) for name, scale, image in matlab_inputs(data)]
    ours = [imresize(image, 1 / scale) for image, _, scale in cropped]
    unlike = unlike_matlab(data, [name for _, name, _ in cropped], ours)
    exact = f"{unlike} of {len(ours)} images"
    try:
        peer: Resize = peers.module(peers.BASICSR, "basicsr.utils.matlab_functions").imresize
    except peers.PeerMissing as missing:
        return [without_peer(_SPEED, str(missing), "≥ 4"), BenchRow(_EXACT, exact, "-", unlike, "≤ 0")]
    floats = [(image.astype(np.float32) / 255, scale) for image, _, scale in cropped]
    differing = sum(
        int(np.count_nonzero(_quantised(peer(image, 1 / scale)) != mine))
        for (image, scale), mine in zip(floats, ours, strict=True)
    )
    mine, theirs = timings(
        lambda: [imresize(image, 1 / scale) for image, _, scale in cropped],
        lambda: [peer(image, 1 / scale) for image, scale in floats],
    )
    note = f"{differing:,} of {sum(image.size for image in ours):,} values differ for it; expected {_PEER_DIFFERS:,}"
    return [
        speed_row(_SPEED, mine, theirs, "≥ 4"),
        BenchRow(_EXACT, exact, f"{differing:,} values", unlike, "≤ 0", note),
    ]


def matlab_inputs(data: Path) -> list[tuple[str, int, NDArray[np.uint8]]]:
    """Set5 and Set14 cropped for ×2 ×3 ×4: the name of MATLAB's LR file, the scale, the HR image."""
    found = []
    for dataset in ("Set5", "Set14"):
        for path in sorted((data / "data" / dataset / "HR").iterdir()):
            image = decode(path)
            for scale in (2, 3, 4):
                height, width = (side - side % scale for side in image.shape[:2])
                found.append((f"{dataset}/LR_bicubic/X{scale}/{path.stem}x{scale}", scale, image[:height, :width]))
    return found


def unlike_matlab(data: Path, names: list[str], images: list[NDArray[np.uint8]]) -> int:
    """How many images are not, pixel for pixel, what MATLAB made: known by hash, which is zero or not zero values."""
    sets = json.loads((data / "reference" / "fingerprints.json").read_text(encoding="utf-8"))["datasets"]
    known = {
        f"{folder}/{entry['name']}": entry["sha256_rgb"]
        for folder, facts in sets.items()
        if "LR_bicubic" in folder
        for entry in facts["images"]
    }
    return sum(pixel_sha256(image) != known[name] for name, image in zip(names, images, strict=True))


def _quantised(image: NDArray[np.float32]) -> NDArray[np.uint8]:
    return (image.clip(0, 1) * 255).round().astype(np.uint8)
