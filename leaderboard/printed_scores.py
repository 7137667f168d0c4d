"""Scores that papers and repositories print, each with its audit: read from the package's own files."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

FOLDER = Path(__file__).with_name("reported")
"""Where the printed rows and their audits are stored."""
_VERDICTS = {"undecided": "undecided", "none": "no protocol fits"}

ClaimKey = tuple[str, ...]


class AuditedForm(TypedDict):
    """A form of scoring, and how far the printed mean is from what a model scores in it."""

    protocol: str
    version: int
    variant: str | None
    self_ensemble: bool
    psnr: float
    ssim: float
    psnr_y_aliased: float | None
    distance_db: float
    ssim_distance: float
    fits: bool
    differs_from_matlab_y: list[str]


class NearestForm(TypedDict):
    """The form nearest to a printed mean; `protocol` is None where no form fits."""

    protocol: str | None
    distance_db: float
    margin_db: float


class StoredAudit(TypedDict):
    """One audit of `audits.json`; `best` is "undecided", the nearest form, or None where nothing could be measured."""

    claim: dict[str, str | int | bool | None]
    best: NearestForm | str | None
    protocols: list[AuditedForm]
    reason: str | None


@dataclass(frozen=True)
class Reported:
    """A printed mean, by the columns of `reported/claims.csv`, and the audit of it where there is one."""

    row: Mapping[str, str]
    audit: StoredAudit | None

    @property
    def scores(self) -> str:
        """PSNR / SSIM as printed."""
        return " / ".join(filter(None, (self.row["psnr"], self.row["ssim"])))

    @property
    def remarks(self) -> list[str]:
        """Remarks about the row: misprints first."""
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
        best = self.audit["best"] if self.audit else None
        if self.kind == "fits" and isinstance(best, dict):
            return str(best["protocol"])
        return _VERDICTS.get(self.kind, "not audited" if self.row["model"] else "no weights")

    @property
    def findings(self) -> list[AuditedForm]:
        """Every form of scoring that the row was compared with: those that fit first, then the nearest."""
        found = self.audit["protocols"] if self.audit else []
        return sorted(found, key=lambda one: (not one["fits"], float(one["distance_db"])))

    @property
    def differs(self) -> str:
        """What differs between the form that fits and `matlab-y`."""
        return "; ".join(self.findings[0]["differs_from_matlab_y"]) if self.kind == "fits" else ""


def reported_rows(folder: Path = FOLDER) -> list[Reported]:
    """Return every row of `claims.csv` with its audit from `audits.json`, in the order of the file."""
    with (folder / "claims.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    audits = {_key(audit["claim"]): audit for audit in _audits(folder)}
    return [Reported(row, audits.get(_key(row))) for row in rows]


def _audits(folder: Path) -> list[StoredAudit]:
    file = folder / "audits.json"
    found: list[StoredAudit] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
    return found


def _key(row: Mapping[str, object]) -> ClaimKey:
    return tuple(str(row.get(name) or "") for name in ("source", "network", "scale", "dataset", "psnr", "ssim", "note"))


def training_of(one: Reported) -> str:
    """Return the training data in brackets, which distinguishes two rows of one network in one table."""
    training = one.row["training_set"]
    return f"(trained on {training})" if training else ""
