"""The rules of the code: which package may import which, one meaning per name, short files, cheap listings."""

from __future__ import annotations

import ast
import graphlib
import importlib.util
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.layers import BELOW

ROOT = Path(__file__).parents[1]
MAX_FUNCTION, MAX_FILE, MAX_ANY = 60, 400, 20
HEAVY = ("torch", "pandas", "pyarrow", "datasets", "requests", "scipy", "skimage", "cv2", "pydantic")

START = ROOT / "srbench" / "__main__.py"  # it loads only the command of the command line
SOURCES = sorted(path for name in ("srbench", "leaderboard") for path in (ROOT / name).rglob("*.py"))
LAZY = ROOT / "srbench" / "__init__.py"  # it imports public names from all packages when they are first used


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in SOURCES}


def layer(module: str) -> str:
    package, _, inner = module.partition(".")
    return inner.split(".")[0] if package == "srbench" else package


def imported_modules(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and full name of each imported module of this project; `from a import b` is a.b if b is a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names if ours(alias.name))
        elif isinstance(node, ast.ImportFrom) and node.module and ours(node.module):
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from ((node.lineno, name if name in MODULES else node.module) for name in inner)


def ours(module: str) -> bool:
    return module.split(".")[0] in ("srbench", "leaderboard")


def reach(name: str) -> set[str]:
    return {name}.union(*(reach(lower) for lower in BELOW[name]))


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", [path for path in SOURCES if path != LAZY], ids=name_of)
def test_imports_point_down(path: Path) -> None:
    home = layer(module_name(path))
    assert home in BELOW, f"{home} is new: add it to BELOW in tests/layers.py, then run make tables"
    tree = parsed(path)
    wrong = [f"line {line}: {name}" for line, name in imported_modules(tree) if layer(name) not in reach(home)]
    assert not wrong, f"{home} may import {sorted(reach(home))}, not {wrong}"


def test_imports_form_no_cycle() -> None:
    graph = {
        name: {target for _, target in imported_modules(parsed(path)) if target != name}
        for name, path in MODULES.items()
        if path != LAZY
    }
    list(graphlib.TopologicalSorter(graph).static_order())


def test_training_a_study_does_not_import_opencv() -> None:
    left, seen = ["srbench.study.running"], {"srbench"}
    while left:
        tree = parsed(MODULES[left.pop()])
        # What a function imports is not needed until it is called.
        top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        assert "cv2" not in [alias.name for node in top if isinstance(node, ast.Import) for alias in node.names]
        found = {name for node in top for _, name in imported_modules(node)}
        found |= {name.rpartition(".")[0] for name in found}
        left += found - seen
        seen |= found
    assert "srbench.evaluation" in seen


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_files_and_functions_stay_short(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= MAX_FILE
    tree = parsed(path)
    long = [
        f"{node.name}: {node.end_lineno - node.lineno + 1} lines"
        for node in functions(tree)
        if node.end_lineno and node.end_lineno - node.lineno + 1 > MAX_FUNCTION
    ]
    assert not long
    if "cli" not in path.parts and path not in (LAZY, START):
        assert not [f"{node.name}: {name}" for node in functions(tree) for _, name in imported_modules(node)]


def test_no_public_class_or_module_name_has_two_meanings() -> None:
    places = defaultdict(list)
    for path in SOURCES:
        # A module of the command line has the name of what it commands.
        if path.stem != "__init__" and "cli" not in path.parts:
            places[f"module {path.stem}"].append(name_of(path))
        for node in parsed(path).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[f"class {node.name}"].append(name_of(path))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_few_annotations_use_any() -> None:
    spec = importlib.util.spec_from_file_location("measure", ROOT / ".ci" / "measure.py")
    assert spec and spec.loader
    measure = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(measure)
    found = {name_of(path): measure.any_annotations(parsed(path)) for path in SOURCES}
    assert sum(found.values()) <= MAX_ANY, {name: count for name, count in found.items() if count}


@pytest.mark.parametrize(
    "statement",
    [
        "import srbench",
        "from srbench.cli import main; main(['--help'], standalone_mode=False)",
        "from srbench.cli import main; main(['zoo', 'list'], standalone_mode=False)",
        "from srbench.cli import main; main(['data', 'list'], standalone_mode=False)",
    ],
)
def test_listing_loads_nothing_heavy(statement: str) -> None:
    program = f"import sys; {statement}; sys.exit(' '.join(m for m in {HEAVY} if m in sys.modules) or 0)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
