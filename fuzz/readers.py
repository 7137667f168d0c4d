"""The readers of untrusted files, each as a function of bytes: it returns or raises SrbenchError, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from srbench.zoo import load
from srbench.zoo.checkpoints import detect
from srbench.zoo.reading import read_checkpoint


def checkpoint(data: bytes, folder: Path) -> None:
    """Read a checkpoint, find the network that it belongs to, and load it as one."""
    path = folder / "weights"
    path.write_bytes(data)
    detect(read_checkpoint(path))
    load("imdn", scale=4, file=path)


READERS: dict[str, Callable[[bytes, Path], None]] = dict.fromkeys(
    ("pickle", "tensors", "archive", "safetensors"), checkpoint
)
"""The reader of each kind of attack."""
