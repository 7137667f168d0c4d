"""Measure how readable the code is: facts about names, types and size, and a random sample of sentences to judge.

python .ci/measure.py facts             statements, functions, `Any` in annotations, names with two definitions
python .ci/measure.py sentences [SEED]  100 docstrings and comments and 50 sentences of the guides, by a fixed seed
"""

from __future__ import annotations

import ast
import io
import random
import re
import statistics
import sys
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
SEED = 20261128
_CODE, _GUIDES = 100, 50
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_NOT_PROSE = re.compile(r"^\s*\|.*$|^<!--.*-->$|^#.*$", re.MULTILINE)


def sources() -> list[Path]:
    """The Python files of the package and of the site generator."""
    return sorted(path for name in ("srbench", "leaderboard") for path in (ROOT / name).rglob("*.py"))


def statements(tree: ast.AST) -> int:
    """Statements of a syntax tree, docstrings left out."""
    return sum(isinstance(node, ast.stmt) and not _is_text(node) for node in ast.walk(tree))


def any_annotations(tree: ast.Module) -> int:
    """How often `Any` occurs in annotations, aliases of it resolved within the module."""
    aliases = {"Any"} | {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign) and _mentions(node.value, {"Any"})
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    return sum(_mentions(annotation, aliases) for annotation in _annotations(tree))


def public_names(tree: ast.Module, path: Path) -> Iterator[tuple[str, str]]:
    """Public classes of a module, and the module itself, with where they are."""
    where = str(path.relative_to(ROOT))
    if path.stem != "__init__":
        yield f"module {path.stem}", where
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield f"class {node.name}", where


def facts() -> None:
    """Print the facts."""
    total, anys, lengths, names = 0, 0, [], defaultdict(list)
    for path in sources():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        total += statements(tree)
        anys += any_annotations(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lengths.append((node.end_lineno or node.lineno) - node.lineno + 1)
        for name, where in public_names(tree, path):
            names[name].append(where)
    print(f"statements: {total}")
    print(f"functions: {len(lengths)}, median {statistics.median(lengths):.0f} lines, longest {max(lengths)}")
    print(f"Any in annotations: {anys}")
    for name, places in sorted(names.items()):
        if len(places) > 1:
            print(f"{name}: {', '.join(places)}")


def sentences(seed: int = SEED) -> None:
    """Print the sample of a seed."""
    draw = random.Random(seed)
    for title, found, count in (
        ("docstrings and comments", sorted(set(_code_texts())), _CODE),
        ("guides", sorted(set(_guide_sentences())), _GUIDES),
    ):
        print(f"{count} of {len(found)} {title}")
        for number, (where, text) in enumerate(draw.sample(found, count), start=1):
            print(f"{number:3}. [{where}] {text}")


def _code_texts() -> Iterator[tuple[str, str]]:
    for path in sources():
        text, where = path.read_text(encoding="utf-8"), str(path.relative_to(ROOT))
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                docstring = ast.get_docstring(node)
                if docstring:
                    yield where, " ".join(docstring.split("\n\n")[0].split())
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT and not token.string.startswith("# type:"):
                yield where, token.string


def _guide_sentences() -> Iterator[tuple[str, str]]:
    for path in sorted((*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("s*/README.md"))):
        prose = _NOT_PROSE.sub("", _FENCE.sub("", path.read_text(encoding="utf-8")))
        for paragraph in prose.split("\n\n"):
            for sentence in re.split(r"(?<=[.!?])\s+", " ".join(paragraph.split())):
                if len(sentence.split()) > 3:
                    yield str(path.relative_to(ROOT)), sentence


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _annotations(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        if isinstance(node, ast.arg | ast.AnnAssign) and node.annotation is not None:
            yield node.annotation
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns is not None:
            yield node.returns


def _mentions(tree: ast.AST, names: set[str]) -> bool:
    return any(isinstance(node, ast.Name) and node.id in names for node in ast.walk(tree))


if __name__ == "__main__":
    if sys.argv[1] == "sentences":
        sentences(*map(int, sys.argv[2:]))
    else:
        facts()
