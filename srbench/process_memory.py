"""How much memory this machine has, and how much processes take."""

from __future__ import annotations

import os
import subprocess
import sys

if sys.platform != "win32":
    import resource


def physical_memory() -> int | None:
    """Return the memory of this machine in bytes; None where the system does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def process_peak() -> int:
    """Return the most resident memory in bytes that this process had; 0 on Windows."""
    if sys.platform == "win32":
        return 0
    # Linux counts in kilobytes, macOS in bytes.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def session_memory(leader: int) -> int:
    """Return the resident memory in bytes of all processes of a session; 0 where it cannot be measured."""
    if sys.platform == "win32":
        return 0
    try:
        listed = subprocess.run(["ps", "-o", "rss=", "-g", str(leader)], capture_output=True, text=True, check=False)
    except OSError:
        return 0
    return sum(int(word) for word in listed.stdout.split() if word.isdecimal()) * 1024
