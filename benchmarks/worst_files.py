"""`python -m benchmarks.worst_files`: time and memory of reading the worst accepted file of each kind (SECURITY.md).

Each file is as costly as its reader's bounds allow, and is read in a process of its own. Linux and macOS only.
"""

from __future__ import annotations

import json
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from PIL import Image
from safetensors.torch import save_file

from benchmarks.report import write_measured
from fuzz.attacks.documents import zipped
from fuzz.attacks.tables import good_table, packed
from srbench.archives import unpack
from srbench.images import MAX_PIXELS, decode
from srbench.process_memory import process_peak
from srbench.scores import SCHEMA
from srbench.submissions.untrusted_files import MAX_JSON_BYTES, MAX_ROWS, parse_json, read_table
from srbench.upscalers.base import Options
from srbench.upscalers.onnx import open_onnx
from srbench.zoo.reading import read_checkpoint

PAGE = Path(__file__).parents[1] / "SECURITY.md"
WEIGHTS_BYTES = 512 << 20
"""The size of the measured checkpoints, which no bound but the disk limits: ten times the zoo's larger files."""

_SIDE = int(MAX_PIXELS**0.5)


def picture(path: Path, kind: str) -> None:
    """Write a plain picture of as many pixels as are accepted."""
    Image.new("RGB", (_SIDE, _SIDE)).save(path, format=kind)


def table(path: Path) -> None:
    """Write a score table of as many rows as are accepted, with texts and numbers that hardly compress."""
    luck = np.random.default_rng(0)
    columns = {
        field.name: pa.array([f"{number:x}" for number in luck.integers(0, 1 << 40, MAX_ROWS)], field.type)
        if pa.types.is_string(field.type) and field.name == "image"
        else pa.array(good_table()[field.name].to_pylist()[:1] * MAX_ROWS, field.type)
        for field in SCHEMA
    }
    path.write_bytes(packed(pa.table(columns, schema=SCHEMA)))


def document(path: Path) -> None:
    """Write JSON of as many bytes as are accepted that holds as many values as it can."""
    path.write_text(json.dumps([[]] * (MAX_JSON_BYTES // 4 - 1)))


def checkpoint(path: Path) -> None:
    """Write a pickled checkpoint of one large tensor."""
    torch.save({"weight": torch.zeros(WEIGHTS_BYTES // 4)}, path)


def tensors(path: Path) -> None:
    """Write a safetensors file of one large tensor."""
    save_file({"weight": torch.zeros(WEIGHTS_BYTES // 4)}, path)


def archive(path: Path) -> None:
    """Write a small zip archive that unpacks to as many bytes as are accepted of one so small."""
    path.write_bytes(zipped({"a": bytes(64 << 20)}))


def network(path: Path) -> None:
    """Write an ONNX file with a constant of as many elements as are accepted."""
    # Inside the function: onnx is an extra.
    from onnx import TensorProto, helper

    shape = helper.make_tensor("s", TensorProto.INT64, [1], [1 << 28])
    nodes = [
        helper.make_node("Constant", [], ["shape"], value=shape),
        helper.make_node("ConstantOfShape", ["shape"], ["huge"]),
        helper.make_node("ReduceMax", ["huge"], ["largest"], keepdims=0),
        helper.make_node("Add", ["lr", "largest"], ["sr"]),
    ]
    images = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, f"{name}h", f"{name}w"]) for name in ("lr", "sr")
    ]
    graph = helper.make_graph(nodes, "network", images[:1], images[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    path.write_bytes(model.SerializeToString())


def _picture_of(path: Path) -> object:
    return decode(path)


def _table_of(path: Path) -> object:
    return read_table(path.read_bytes(), rows=MAX_ROWS)


def _document_of(path: Path) -> object:
    return parse_json(path.read_bytes(), "submission.json")


def _archive_of(path: Path) -> object:
    return unpack(path, path.with_name("unpacked"))


def _network_of(path: Path) -> object:
    return open_onnx(str(path), 1, Options(device="cpu"))


def _png(path: Path) -> None:
    picture(path, "PNG")


def _jpeg(path: Path) -> None:
    picture(path, "JPEG")


FILES: dict[str, tuple[Callable[[Path], None], Callable[[Path], object]]] = {
    "PNG of 2²⁸ pixels": (_png, _picture_of),
    "JPEG of 2²⁸ pixels": (_jpeg, _picture_of),
    f"score table of {MAX_ROWS:,} rows": (table, _table_of),
    "JSON of 512 KiB": (document, _document_of),
    "checkpoint of 512 MiB (pickle)": (checkpoint, read_checkpoint),
    "checkpoint of 512 MiB (safetensors)": (tensors, read_checkpoint),
    "zip that unpacks to 64 MiB": (archive, _archive_of),
    "ONNX with a constant of 2²⁸ elements": (network, _network_of),
}
"""What is measured: how the file is made, and how it is read."""


def measure(path: Path, read: Callable[[Path], object]) -> tuple[float, int]:
    """Return the seconds that reading takes, and by how many bytes the process grows at its peak."""
    before, begin = process_peak(), time.perf_counter()
    read(path)
    return time.perf_counter() - begin, process_peak() - before


def main() -> None:
    """Measure every kind of file and write the table."""
    rows = []
    context = multiprocessing.get_context("spawn")
    for name, (make, read) in FILES.items():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "file"
            # A process each: the memory of making the file must not hide that of reading it.
            with ProcessPoolExecutor(1, context) as pool:
                pool.submit(make, path).result()
            with ProcessPoolExecutor(1, context) as pool:
                seconds, grown = pool.submit(measure, path, read).result()
            size = path.stat().st_size
        shown = f"{size / (1 << 20):.1f} MiB" if size >= 1 << 20 else f"{size / 1024:.1f} KiB"
        rows.append(f"| {name} | {shown} | {seconds:.2f} s | {grown / (1 << 20):,.0f} MiB |")
        print(rows[-1], flush=True)
    write_measured(PAGE, "worst files", ["| file | size | time | memory |", "|---|---|---|---|", *rows])


if __name__ == "__main__":
    main()
