"""Scores that papers and repositories print, each with its audit: read from the package's own files."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_name("reported")
"""Where the printed rows and their audits are stored."""
_VERDICTS = {"undecided": "undecided", "none": "no protocol fits"}

Key = tuple[str, ...]


@dataclass(frozen=True)
class Reported:
    """A printed mean, by the columns of `reported/claims.csv`, and the audit of it where there is one."""

    row: Mapping[str, str]
    audit: Mapping[str, Any] | None

    @property
    def scores(self) -> str:
        """PSNR / SSIM as printed."""
        return " / ".join(filter(None, (self.row["psnr"], self.row["ssim"])))

    @property
    def remarks(self) -> list[str]:
        """What has to be known of the row: misprints first."""
        misprint = f"misprint: {self.row['misprint']}" if self.row["misprint"] else ""
        return [text for text in (misprint, self.row["note"]) if text]

    @property
    def kind(self) -> str:
        """`fits`, `undecided`, `none` (no protocol explains it) or `unknown` (not compared with any weights)."""
        best = self.audit["best"] if self.audit else None
        if not self.audit or not self.audit["protocols"] or best is None:
            return "unknown"
        if isinstance(best, str):
            return "undecided"
        return "fits" if best["protocol"] else "none"

    @property
    def verdict(self) -> str:
        """The protocol that explains the row, or why there is no such protocol."""
        if self.audit and self.kind == "fits":
            return str(self.audit["best"]["protocol"])
        return _VERDICTS.get(self.kind, "not audited" if self.row["model"] else "no weights")

    @property
    def findings(self) -> Sequence[Mapping[str, Any]]:
        """Every form that the row was compared with, the nearest first."""
        found = self.audit["protocols"] if self.audit else []
        return sorted(found, key=lambda one: float(one["distance_db"]))

    @property
    def differs(self) -> str:
        """What differs between the form that fits and `matlab-y`."""
        fitting = [one for one in self.findings if one["fits"]]
        return "; ".join(fitting[0]["differs_from_matlab_y"]) if self.kind == "fits" and fitting else ""


def reported_rows(folder: Path = FOLDER) -> list[Reported]:
    """Return every row of `claims.csv` with its audit from `audits.json`, in the order of the file."""
    with (folder / "claims.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    audits = {_key(audit["claim"]): audit for audit in _audits(folder)}
    return [Reported(row, audits.get(_key(row))) for row in rows]


def _audits(folder: Path) -> list[dict[str, Any]]:
    file = folder / "audits.json"
    found: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
    return found


def _key(row: Mapping[str, Any]) -> Key:
    return tuple(str(row.get(name) or "") for name in ("source", "network", "scale", "dataset", "psnr", "ssim", "note"))


def training_of(one: Reported) -> str:
    """Return the training data in brackets, which distinguishes two rows of one network in one table."""
    training = one.row["training_set"]
    return f"(trained on {training})" if training else ""
