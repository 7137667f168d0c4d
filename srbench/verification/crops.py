"""Sample crops that were made again, held against the ones an entry shows."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from srbench.submissions import Submission
from srbench.submissions.samples import SAMPLES_NAME

LARGEST_CHANGE = 1
"""By how many levels a value may differ: on another device it may lie on the other side of a half."""


def compare_crops(entry: Submission, fresh: Path) -> list[str]:
    """What is wrong with the crops of an entry, `fresh` being the folder of the same made again by `srbench samples`.

    Only those that the entry has are looked at; they have been found to be RGB pictures of a crop's size.
    """
    moved: dict[str, int] = {}
    for name in entry.samples:
        shown, own = (_pixels(path) for path in (entry.folder / SAMPLES_NAME / name, fresh / f"{Path(name).stem}.webp"))
        moved[name] = np.abs(shown - own).max()
    return [f"{SAMPLES_NAME}/{name}: a value lies {change} levels from that of the model's own crop; make them again "
            "with srbench samples"
            for name, change in moved.items() if change > LARGEST_CHANGE]  # fmt: skip


def _pixels(path: Path) -> NDArray[np.int16]:
    with Image.open(BytesIO(path.read_bytes())) as image:
        return np.asarray(image, dtype=np.int16)
