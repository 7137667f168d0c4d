"""What a run ran on: library versions, processor, device. Part of every record."""

from __future__ import annotations

import os
import platform
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

_LIBRARIES = ("torch", "numpy", "opencv-python-headless", "pillow", "scipy", "pandas", "pyarrow")


def describe_environment(device: torch.device) -> dict[str, Any]:
    """Versions, machine and device as a JSON-ready dictionary; nothing in it names a user or a host."""
    return {
        "srbench": _version("sisr-bench") or "source tree",
        "python": platform.python_version(),
        "libraries": {name: version for name in _LIBRARIES if (version := _version(name))},
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
    }


@cache
def _version(name: str) -> str | None:
    """The version of an installed package; read once, since a package's whole metadata is parsed for it."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    listing = Path("/proc/cpuinfo")
    if listing.exists():
        for line in listing.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()
