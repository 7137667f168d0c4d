"""How much memory a call needs at its peak, and how much a device has left."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from srbench.process_memory import physical_memory

_STATUS, _CLEAR, _MEMORY = Path("/proc/self/status"), Path("/proc/self/clear_refs"), Path("/proc/meminfo")
_CGROUP_LIMIT, _CGROUP_USED = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")


def peak_memory(call: Callable[[], object], module: nn.Module | None, device: torch.device) -> int | None:
    """Return the bytes that one call needs at its peak, plus those of the module's weights.

    On a GPU this is what torch allocates; on the CPU, by how much the process grows. None where the system does not
    report it.
    """
    weights = sum(tensor.nbytes for tensor in module.state_dict().values()) if module is not None else 0
    if device.type == "cuda":
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        call()
        torch.cuda.synchronize(device)
        return int(torch.cuda.max_memory_allocated(device) - before + weights)
    try:
        # Memory that the allocator keeps from earlier runs would hide what this one needs.
        ctypes.CDLL("libc.so.6").malloc_trim(0)
        _CLEAR.write_text("5")
        before = _kilobytes(_STATUS, "VmRSS")
        call()
        return (_kilobytes(_STATUS, "VmHWM") - before) * 1024 + weights
    except OSError:
        call()
        return None


def free_memory(device: torch.device) -> int | None:
    """Return the bytes that a process can still allocate on a device; None where the system does not report it.

    On the CPU, the limit of a container counts, too.
    """
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        available = _kilobytes(_MEMORY, "MemAvailable") * 1024
    except OSError:
        memory = physical_memory()
        return memory // 2 if memory is not None else None
    return min(available, _free_in_container(available))


def _free_in_container(available: int) -> int:
    try:
        return int(_CGROUP_LIMIT.read_text()) - int(_CGROUP_USED.read_text())
    except (OSError, ValueError):  # not in a container, or in one without a limit ("max")
        return available


def _kilobytes(path: Path, field: str) -> int:
    match = re.search(rf"^{field}:\s+(\d+) kB", path.read_text(), re.MULTILINE)
    return int(match[1]) if match else 0
