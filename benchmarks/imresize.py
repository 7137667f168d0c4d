"""`imresize` against the widely copied `matlab_functions.imresize`, in speed and in values unlike MATLAB's."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.report import BenchRow, cache_dir, medians, milliseconds, test_data, without_data
from srbench import imresize
from srbench.images import decode, pixel_sha256

ARCHIVE = "basicsr-1.4.2.tar.gz"
"""The peer, a source archive; only one file of it is used, and none of it is installed."""
ARCHIVE_SHA256 = "b89b595a87ef964cda9913b4d99380ddb6554c965577c0c10cb7b78e31301e87"
"""Its hash on the package registry."""

_MEMBER = "basicsr-1.4.2/basicsr/utils/matlab_functions.py"
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
    peer = _peer()
    if peer is None:
        note = f"{ARCHIVE} cannot be had"
        return [BenchRow(_SPEED, "-", "-", None, "≥ 4", note), BenchRow(_EXACT, exact, "-", unlike, "≤ 0", note)]
    floats = [(image.astype(np.float32) / 255, scale) for image, _, scale in cropped]
    differing = sum(
        int(np.count_nonzero(_quantised(peer(image, 1 / scale)) != mine))
        for (image, scale), mine in zip(floats, ours, strict=True)
    )
    mine, theirs = medians(
        lambda: [imresize(image, 1 / scale) for image, _, scale in cropped],
        lambda: [peer(image, 1 / scale) for image, scale in floats],
    )
    note = f"{differing:,} of {sum(image.size for image in ours):,} values differ for it; expected {_PEER_DIFFERS:,}"
    return [
        BenchRow(_SPEED, milliseconds(mine), milliseconds(theirs), theirs / mine, "≥ 4", "times faster"),
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


def _peer() -> Resize | None:
    """The peer's function, out of one file of its source archive; None where the archive cannot be had."""
    path = cache_dir() / "peers" / "matlab_functions.py"
    if not path.exists():
        archive = _fetch(path.parent)
        if archive is None:
            return None
        with tarfile.open(archive) as members:
            content = members.extractfile(_MEMBER)
            if content is None:
                return None
            path.write_bytes(content.read())
    spec = importlib.util.spec_from_file_location("matlab_functions", path)
    if spec is None or spec.loader is None:
        return None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    resize: Resize = module.imresize
    return resize


def _fetch(folder: Path) -> Path | None:
    folder.mkdir(parents=True, exist_ok=True)
    options = ["--no-deps", "--no-build-isolation", "--quiet", "--dest", str(folder), "basicsr==1.4.2"]
    done = subprocess.run([sys.executable, "-m", "pip", "download", *options], capture_output=True, text=True)
    archive = folder / ARCHIVE
    if done.returncode or hashlib.sha256(archive.read_bytes()).hexdigest() != ARCHIVE_SHA256:
        return None
    return archive
