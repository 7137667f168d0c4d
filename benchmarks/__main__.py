"""`python -m benchmarks [NAME]...`: run all benchmarks, or those named, and print one table."""

from __future__ import annotations

import multiprocessing
import pkgutil
import sys
from concurrent.futures import ProcessPoolExecutor
from importlib import resources

import benchmarks
from benchmarks.report import BenchRow, markdown, rows_of


def _names() -> list[str]:
    # By their text: imported, each needs what it compares with, which a machine lent for one benchmark lacks.
    files = resources.files(benchmarks)
    found = [module.name for module in pkgutil.iter_modules(benchmarks.__path__)]
    return [name for name in found if "\ndef rows(" in files.joinpath(f"{name}.py").read_text(encoding="utf-8")]


def main(wanted: list[str]) -> int:
    """Run the benchmarks one after the other, each in a process of its own; 1 if one misses its limit."""
    names = _names()
    if unknown := sorted(set(wanted) - set(names)):
        print(f"unknown benchmark {', '.join(unknown)}; known: {', '.join(names)}", file=sys.stderr)
        return 2
    rows: list[BenchRow] = []
    # One process each: memory and thread settings of one benchmark must not reach the next.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), max_tasks_per_child=1) as pool:
        for name in wanted or names:
            print(f"running {name}", file=sys.stderr)
            rows += pool.submit(rows_of, name).result()
    print(markdown(rows))
    return 1 if any(row.verdict == "MISSED" for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
