"""Import and indexing of 50,000 small images: time, and whether memory grows with their number."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.report import BenchRow

FEW, MANY = 5_000, 50_000
"""Numbers of images that are compared."""

_SIDE = 48
_IMPORT = """
import json, resource, sys, time
from pathlib import Path
from srbench.datasets import open_dataset
from srbench.datasets.importing import import_dataset
given, root = Path(sys.argv[1]), Path(sys.argv[2])
start = time.perf_counter()
import_dataset("RealSR7", [given], data_root=root)
imported = time.perf_counter()
images = open_dataset("RealSR7", data_root=root)
for name in images.names[:: len(images) // 100]:
    images.hr(name)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
print(json.dumps({"import": imported - start, "open": time.perf_counter() - imported, "peak": peak}))
"""


def rows() -> list[BenchRow]:
    """Peak memory of importing ten times as many images over that of the few, and the time it takes."""
    with tempfile.TemporaryDirectory() as folder:
        size = _make(Path(folder) / "images", FEW)
        few = _measured(Path(folder) / "images", Path(folder) / "few")
        size += _make(Path(folder) / "images", MANY, start=FEW)
        many = _measured(Path(folder) / "images", Path(folder) / "many")
    return [
        BenchRow(
            f"import: peak memory for {MANY:,} images against {FEW:,}",
            f"{many['peak'] / 1e6:.0f} MB",
            f"{few['peak'] / 1e6:.0f} MB",
            many["peak"] / few["peak"],
            "≤ 1.5",
            f"{size / 1e6:.0f} MB of PNG imported in {many['import']:.1f} s, opened, 100 read in {many['open']:.2f} s",
        )
    ]


def _make(folder: Path, count: int, *, start: int = 0) -> int:
    """Write PNGs of noise up to number `count`; the bytes written."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(start)
    total = 0
    for number in range(start, count):
        buffer = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (_SIDE, _SIDE, 3), dtype=np.uint8)).save(buffer, "PNG", compress_level=1)
        total += (folder / f"{number:05}.png").write_bytes(buffer.getvalue())
    return total


def _measured(images: Path, root: Path) -> dict[str, float]:
    """Seconds and peak bytes of an import in a process of its own."""
    environment = os.environ | {"SRBENCH_CACHE": str(root / "cache")}
    command = [sys.executable, "-c", _IMPORT, str(images), str(root)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures
