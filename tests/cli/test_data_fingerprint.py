"""`srbench data fingerprint` through its parser."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from srbench.cli import main
from srbench.datasets import known_images


def test_fingerprint_of_set5_equals_the_shipped_rows(test_data: Path) -> None:
    result = CliRunner().invoke(main, ["data", "fingerprint", str(test_data / "data/Set5/HR")])
    assert result.exit_code == 0, result.output
    (rows,) = json.loads(result.stdout).values()
    assert [tuple(row) for row in rows] == [(i.name, i.width, i.height, i.sha256) for i in known_images("Set5")]
