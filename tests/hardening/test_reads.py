"""Every file is damaged, bit by bit and cut short: it is refused with a next step, or known to be another file."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path
from typing import Any

import pytest

from srbench.datasets import open_dataset
from srbench.errors import ImageError, SrbenchError
from srbench.evaluation import Plan, run
from srbench.images import save_png
from srbench.protocols import get_protocol
from srbench.upscalers.bicubic import MatlabBicubic
from tests.hardening.artifacts import READ, Artifact, pixels

FLIPS, CUTS = 60, 12
NEXT_STEPS = (
    "again",
    "fetch",
    "check",
    "delete",
    "remove",
    "choose",
    "import",
    "ask",
    "save",
    "read it with",
    "make",
    "expected",
)


@pytest.mark.parametrize("artifact", READ, ids=str)
def test_damage_is_refused_or_known(artifact: Artifact, tmp_path: Path) -> None:
    whole = tmp_path / "there"
    whole.mkdir()
    artifact.write(whole)
    expected = artifact.read(whole)
    luck = random.Random(artifact.name)
    for path in sorted(path for path in whole.rglob("*") if path.is_file() and path.parent.name != "sources"):
        data = path.read_bytes()
        if not data:
            continue  # a lock
        for position in sorted(luck.sample(range(len(data) * 8), min(FLIPS, len(data) * 8))):
            flipped = bytearray(data)
            flipped[position // 8] ^= 1 << position % 8
            _judge(artifact, whole, path, bytes(flipped), expected, f"{path.name}, bit {position}")
        for length in sorted({0, 1, len(data) - 1, *(luck.randrange(len(data)) for _ in range(CUTS))}):
            _judge(artifact, whole, path, data[:length], expected, f"{path.name} cut to {length} of {len(data)} bytes")
        path.write_bytes(data)


def _judge(artifact: Artifact, whole: Path, path: Path, data: bytes, expected: Any, label: str) -> None:
    before = hashlib.sha256(path.read_bytes()).digest()
    path.write_bytes(data)
    try:
        found = artifact.read(whole)
    except SrbenchError as error:
        assert any(step in str(error) for step in NEXT_STEPS), f"{label}: {error}"
        return
    if artifact.source:
        assert hashlib.sha256(data).digest() != before, "its hash tells"
    elif artifact.name == "journals":
        assert set(found) <= set(expected), f"{label}: a changed row was read as whole"
    else:
        assert found == expected, f"{label}: damage was read as whole"


def test_pixels_that_changed_since_they_were_hashed_are_not_scored(tmp_path: Path) -> None:
    for number in range(3):
        save_png(tmp_path / "set" / f"i{number}.png", pixels(number))
    images = open_dataset(f"folder:{tmp_path / 'set'}")
    plan = Plan(MatlabBicubic(scale=2), [images], [get_protocol("matlab-y")])
    plan.key()
    save_png(tmp_path / "set" / "i1.png", pixels(9))
    with pytest.raises(ImageError, match=r"i1.*not those"):
        list(run(plan))
