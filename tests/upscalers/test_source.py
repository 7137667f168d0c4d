"""The hash of a model's code, against what decides its output."""

from __future__ import annotations

from pathlib import Path

import pytest

from srbench.upscalers.source import source_sha256

_FILES = {
    "own_model.py": "import torch\nfrom own_parts.blocks import Block\n\ndef make(scale): return Block(scale)\n",
    "own_parts/__init__.py": "WIDTH = 3\n",
    "own_parts/blocks.py": "from . import maths\n\nclass Block:\n    def forward(self): from own_late import GAIN\n",
    "own_parts/maths.py": "import own_parts.broken\n",
    "own_parts/broken.py": "print 'of another Python'\n",
    "own_late.py": "GAIN = 1\n",
}


def test_all_code_that_a_model_imports_counts_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    for name, text in {**_FILES, "own_other.py": "GAIN = 2\n"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    hashes = {source_sha256("own_model")}
    for name, text in _FILES.items():
        (tmp_path / name).write_text(text + "# edited\n")
        hashes.add(source_sha256("own_model"))
    assert len(hashes) == 1 + len(_FILES)
    (tmp_path / "own_other.py").write_text("GAIN = 3\n")
    assert source_sha256("own_model") in hashes
    assert source_sha256("no.such.module") is None
