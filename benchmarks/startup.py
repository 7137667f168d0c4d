"""What `srbench --help` and `import srbench` cost beside a bare `python -c "import click"`."""

from __future__ import annotations

import subprocess
import sys

from benchmarks.report import BenchRow, cost_row, timings


def rows() -> list[BenchRow]:
    """Two rows, both as a ratio to importing click."""
    bare, library, program = timings(
        lambda: _run("-c", "import click"),
        lambda: _run("-c", "import srbench"),
        lambda: _run("-m", "srbench", "--help"),
        repeats=15,
    )
    return [
        cost_row("import srbench, against import click", library, bare, "≤ 2"),
        cost_row("srbench --help, against import click", program, bare, "≤ 2"),
    ]


def _run(*arguments: str) -> None:
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
