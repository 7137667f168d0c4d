"""Change single expressions of the numeric core at random, and check that a test notices each change.

python .ci/mutants.py [COUNT] [SEED]    mutants in metrics, protocols, statistics and records; prints killed or survived

A mutant that survives is either equivalent (no input shows the change) or shows that a test is missing. Published
numbers kill many of them, so set $SRBENCH_TEST_DATA. Everything happens in a copy in a temporary folder. One process
runs at a time; a mutant takes about ten seconds if it is killed, and as long as all its tests if it survives.
"""

from __future__ import annotations

import ast
import copy
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
COUNT, SEED = 30, 20261128
TESTS = {
    "srbench/metrics": ["tests/metrics", "tests/test_protocols.py"],
    "srbench/protocols": ["tests/test_protocols.py", "tests/metrics/test_aliased.py", "tests/metrics/test_metrics.py"],
    "srbench/statistics.py": ["tests/test_statistics.py", "tests/test_run_comparison.py"],
    "srbench/records": ["tests/records", "tests/submissions", "tests/training/test_recipe.py"],
}
"""The tests that have to notice a change, by the folder or file that is changed."""

_COPIED = ("srbench", "tests", "leaderboard", "pyproject.toml")
_PATIENCE = 900
_SWAPPED: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Pow: ast.Mult,
    ast.And: ast.Or,
    ast.Or: ast.And,
}


def replacements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the changed forms of a node: another operator, a number plus one, the other truth value, or no result."""
    changed = copy.deepcopy(node)
    if isinstance(changed, ast.Compare) and type(changed.ops[0]) in _SWAPPED:
        changed.ops[0] = _SWAPPED[type(changed.ops[0])]()  # type: ignore[call-overload]
        yield changed
    elif isinstance(changed, ast.BinOp | ast.BoolOp) and type(changed.op) in _SWAPPED:
        changed.op = _SWAPPED[type(changed.op)]()  # type: ignore[assignment]
        yield changed
    elif isinstance(changed, ast.UnaryOp) and isinstance(changed.op, ast.Not):
        yield changed.operand
    elif isinstance(changed, ast.Constant) and isinstance(changed.value, int | float):
        changed.value = not changed.value if isinstance(changed.value, bool) else changed.value + 1
        yield changed
    elif isinstance(changed, ast.Return) and changed.value is not None and ast.unparse(changed.value) != "None":
        changed.value = ast.Constant(None)
        yield changed


def candidates(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes that can be changed: all except those in decorators, error messages and f-strings."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Raise | ast.JoinedStr):
            continue
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            node.decorator_list = []
        if any(True for _ in replacements(node)):
            yield node
        yield from candidates(node)


class _Swap(ast.NodeTransformer):
    def __init__(self, place: tuple[int, int, str], new: ast.AST) -> None:
        self.place, self.new = place, new

    def visit(self, node: ast.AST) -> ast.AST:
        if _place(node) == self.place:
            self.place = (0, 0, "")
            return self.new
        return self.generic_visit(node)


def _place(node: ast.AST) -> tuple[int, int, str]:
    return (getattr(node, "lineno", -1), getattr(node, "col_offset", -1), ast.dump(node))


def mutants() -> Iterator[tuple[str, Path, ast.AST]]:
    """Yield every change: the key of `TESTS`, the file, and the node that is changed."""
    for area in TESTS:
        source = ROOT / area
        for path in sorted(source.rglob("*.py")) if source.is_dir() else [source]:
            for node in candidates(ast.parse(path.read_text(encoding="utf-8"))):
                yield area, path.relative_to(ROOT), node


def survives(folder: Path, area: str, path: Path, text: str) -> bool:
    """Return whether the tests of an area pass with another text in a file of the copy; restore the file."""
    target = folder / path
    before = target.read_text(encoding="utf-8")
    target.write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", *TESTS[area]]
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            timeout=_PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    finally:
        target.write_text(before, encoding="utf-8")
    if done.returncode not in (0, 1, 2):
        raise SystemExit(done.stdout.decode() + done.stderr.decode())
    return done.returncode == 0


def main(count: int = COUNT, seed: int = SEED) -> None:
    """Draw the mutants, run the tests of each, and print the outcome."""
    drawn = random.Random(seed).sample(sorted(mutants(), key=lambda one: (str(one[1]), _place(one[2]))), count)
    alive = 0
    with tempfile.TemporaryDirectory(prefix="mutants-") as name:
        folder = Path(name)
        for item in ROOT.iterdir():
            if item.name in _COPIED:
                (shutil.copytree if item.is_dir() else shutil.copy2)(item, folder / item.name)
            elif not item.name.startswith("."):
                (folder / item.name).symlink_to(item)
        for area, path, node in drawn:
            start = time.monotonic()
            tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
            new = next(replacements(node))
            text = ast.unparse(ast.fix_missing_locations(_Swap(_place(node), new).visit(tree)))
            outcome = "SURVIVED" if survives(folder, area, path, text) else "killed"
            alive += outcome == "SURVIVED"
            change = f"{ast.unparse(node)[:60]}  ->  {ast.unparse(new)[:60]}"
            print(f"{outcome:8} {path}:{node.lineno}  {change}  ({time.monotonic() - start:.0f} s)", flush=True)  # type: ignore[attr-defined]
    print(f"{count - alive} of {count} killed")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
