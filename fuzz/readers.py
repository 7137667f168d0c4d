"""The readers of untrusted files, each as a function of bytes: it returns or raises SrbenchError, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fuzz.attacks.tables import ROWS
from srbench.images import decode
from srbench.submissions.crops import check_sample
from srbench.submissions.untrusted_files import read_table
from srbench.zoo import load
from srbench.zoo.checkpoints import detect
from srbench.zoo.reading import read_checkpoint


def checkpoint(data: bytes, folder: Path) -> None:
    """Read a checkpoint, find the network that it belongs to, and load it as one."""
    path = folder / "weights"
    path.write_bytes(data)
    detect(read_checkpoint(path))
    load("imdn", scale=4, file=path)


def table(data: bytes, _: Path) -> None:
    """Read the score table of an entry."""
    read_table(data, rows=ROWS)


def picture(data: bytes, _: Path) -> None:
    """Decode an image of a dataset or a folder of SR images."""
    decode(data)


def sample(data: bytes, _: Path) -> None:
    """Check an SR crop of an entry under the name that fits its first bytes."""
    check_sample(data, "coffee" + (".webp" if data[8:12] == b"WEBP" else ".png"))


READERS: dict[str, Callable[[bytes, Path], None]] = {
    **dict.fromkeys(("pickle", "tensors", "archive", "safetensors"), checkpoint),
    "table": table,
    "picture": picture,
    "sample": sample,
}
"""The reader of each kind of attack."""
