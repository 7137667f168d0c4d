"""Files made to crash, hang or deceive the readers: the attacks of the test suite and of `make attacks`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from fuzz.attacks import checkpoints, pictures, tables

ATTACKS: dict[str, Callable[[], Iterator[tuple[str, bytes]]]] = {
    "pickle": checkpoints.pickles,
    "tensors": checkpoints.tensors,
    "archive": checkpoints.archives,
    "safetensors": checkpoints.safetensors,
    "table": tables.tables,
    "picture": pictures.bombs,
    "sample": pictures.samples,
}
"""By kind: name and bytes of each attack."""
