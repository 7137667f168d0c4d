"""Show a running training in TensorBoard (extra `tracking`): the lines of its log, and crops of held-out images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from srbench.errors import TrainingError
from srbench.training.curves import Line

FOLDER = "tensorboard"
"""The folder of the event files, inside the folder of the training."""


def require_tracker(name: str | None) -> None:
    """Raise TrainingError if the package of a tracker is missing."""
    if name is not None and find_spec(name) is None:
        raise TrainingError(
            f"--track {name}: expected the package {name}, which is not installed; pip install 'sisr-bench[tracking]'"
        )


class Tracker:
    """Writes the event files of a training.

    Values that an interrupted run wrote after `step` are hidden, as in a resumed log.
    """

    def __init__(self, folder: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder / FOLDER), purge_step=step + 1)

    def line(self, line: Line) -> None:
        """Add the values of a line of the log."""
        for name, value in line.items():
            if name != "step":
                self._writer.add_scalar(name, value, int(line["step"]))

    def images(self, step: int, crops: Mapping[str, NDArray[np.uint8]]) -> None:
        """Add images, RGB uint8 H×W×3, and write the files to disk."""
        for name, image in crops.items():
            self._writer.add_image(f"held-out/{name}", image, step, dataformats="HWC")
        self._writer.flush()

    def close(self) -> None:
        """Write the values that are not written yet."""
        self._writer.close()


@contextmanager
def tracked(name: str | None, folder: Path, step: int) -> Iterator[Tracker | None]:
    """Open the tracker of a training that begins after `step`, and close it at the end; yield None for no tracker."""
    if name is None:
        yield None
        return
    tracker = Tracker(folder, step)
    try:
        yield tracker
    finally:
        tracker.close()
