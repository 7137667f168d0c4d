"""The commit that a folder of entries comes from, for the footer of every page."""

from __future__ import annotations

import subprocess
from pathlib import Path

_LONGEST_S = 10


def commit_of(folder: Path) -> str:
    """Return the short hash of the newest commit that changed a folder.

    It is empty if the folder is in no Git repository, or if files in it were changed since that commit.
    """
    changed = _git(folder, "status", "--porcelain", "--", ".")
    return (
        "" if changed is None or changed else (_git(folder, "log", "-1", "--format=%h", "--abbrev=12", "--", ".") or "")
    )


def _git(folder: Path, *arguments: str) -> str | None:
    """Return the output of a Git command; None if Git is missing or refuses."""
    command = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_LONGEST_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
