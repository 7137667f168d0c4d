"""Files made to crash, hang or deceive the readers: the attacks of the test suite and of `make attacks`."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator

from fuzz.attacks import checkpoints, documents, pictures, tables

ATTACKS: dict[str, Callable[[], Iterator[tuple[str, bytes]]]] = {
    "pickle": checkpoints.pickles,
    "tensors": checkpoints.tensors,
    "archive": checkpoints.archives,
    "safetensors": checkpoints.safetensors,
    "table": tables.tables,
    "picture": pictures.bombs,
    "sample": pictures.samples,
    **dict.fromkeys(("run", "entry", "study"), documents.documents),
    "unpacking": documents.containers,
}
"""By kind: name and bytes of each attack."""

if importlib.util.find_spec("onnx") and importlib.util.find_spec("onnxruntime"):
    from fuzz.attacks import networks

    ATTACKS["onnx"] = networks.networks
