"""Describe the environment of a run for its record: library versions, processor, device."""

from __future__ import annotations

import os
import platform
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TypedDict

import torch

_PRECISION_FEATURES = {"bf16": ("avx512_bf16", "amx_bf16", "bf16"), "fp16": ("avx512_fp16", "amx_fp16", "asimdhp")}
_FEATURES = (
    *("avx2", "fma", "avx512f", "avx512_vnni", "avx_vnni", "asimd", "sve", "sve2"),
    *(name for names in _PRECISION_FEATURES.values() for name in names),
)
_LIBRARIES = ("torch", "numpy", "opencv-python-headless", "pillow", "scipy", "pandas", "pyarrow")


class Environment(TypedDict):
    """The machine, the device and the versions of a run, as its record holds them."""

    srbench: str
    python: str
    libraries: dict[str, str]
    system: str
    processor: str
    processor_features: list[str]
    cores: int | None
    threads: int
    device: str


def describe_environment(device: torch.device) -> Environment:
    """Return versions, machine and device, ready for JSON, without names of users or hosts."""
    return {
        "srbench": _version("sisr-bench") or "source tree",
        "python": platform.python_version(),
        "libraries": {name: version for name in _LIBRARIES if (version := _version(name))},
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "processor_features": list(processor_features()),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
    }


@cache
def _version(name: str) -> str | None:
    """Return the version of an installed package; cached, because reading it parses all metadata of the package."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


@cache
def processor_features() -> tuple[str, ...]:
    """Return the features of the processor that decide the speed of torch, by their Linux names.

    On other systems only the instruction set that torch uses is known.
    """
    flags = next((line.split() for line in _processor_lines() if line.startswith(("flags", "Features"))), None)
    if flags is None:
        return (torch.backends.cpu.get_cpu_capability().lower(),)
    return tuple(name for name in _FEATURES if name in flags)


def has_native(precision: str) -> bool:
    """Return whether the processor multiplies numbers of a precision itself; otherwise they are slower than float32."""
    return precision not in _PRECISION_FEATURES or any(
        name in processor_features() for name in _PRECISION_FEATURES[precision]
    )


def _processor() -> str:
    names = (line.partition(":")[2].strip() for line in _processor_lines() if line.startswith("model name"))
    return next(names, platform.processor())


def _processor_lines() -> list[str]:
    listing = Path("/proc/cpuinfo")
    return listing.read_text().splitlines() if listing.exists() else []
