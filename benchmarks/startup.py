"""What `srbench --help` and `import srbench` cost beside a bare `python -c "import click"`."""

from __future__ import annotations

import subprocess
import sys

from benchmarks.report import BenchRow, medians, milliseconds


def rows() -> list[BenchRow]:
    """Two rows, both as a ratio to importing click."""
    bare, library, program = medians(
        lambda: _run("-c", "import click"),
        lambda: _run("-c", "import srbench"),
        lambda: _run("-m", "srbench", "--help"),
        repeats=15,
    )
    peer = milliseconds(bare)
    return [
        BenchRow("import srbench, against import click", milliseconds(library), peer, library / bare, "≤ 2"),
        BenchRow("srbench --help, against import click", milliseconds(program), peer, program / bare, "≤ 2"),
    ]


def _run(*arguments: str) -> None:
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
