"""Printed claims: their numbers, their rounding, and CSV files of claims."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from srbench.errors import AuditError
from srbench.protocols import SCALES

OWN_MARGIN = 0.005
"""Tolerance in dB for the claim's own weights, in addition to rounding: hardware and libraries differ."""

OWN_SSIM_MARGIN = 0.0001
"""Tolerance in SSIM for the claim's own weights, in addition to rounding."""

OTHER_MARGIN = 0.15
"""Tolerance in dB for other weights: of the base network, or of a different training of the same network."""

WEIGHTLESS = ("bicubic", "bicubic:pillow")
"""Models without weights: a claim about them is always about exactly what is measured here."""

COLUMNS = ("network", "scale", "dataset", "psnr", "ssim", "model", "own_weights")
"""Columns that a CSV file of claims must have; other columns are copied to the result."""

_PSNR = re.compile(r"[0-9]{1,2}(\.[0-9]{1,6})?")
_SSIM = re.compile(r"(0|1|)\.[0-9]{1,8}|0|1")


@dataclass(frozen=True)
class Printed:
    """PSNR in dB and SSIM as text, so that the last digit printed is known; SSIM is empty where there is none.

    Raises:
        AuditError: the text is neither a PSNR nor PSNR/SSIM.
    """

    psnr: str
    ssim: str = ""

    def __post_init__(self) -> None:
        if not _PSNR.fullmatch(self.psnr) or (self.ssim and not _SSIM.fullmatch(self.ssim)):
            raise AuditError(f"expected PSNR/SSIM as printed, such as 34.05/0.9259 or 34.05, got {str(self)[:40]!a}")

    @property
    def rounding(self) -> float:
        """Half a unit of the last digit of the PSNR, in dB."""
        return 0.5 * 10.0 ** -len(self.psnr.partition(".")[2])

    def __str__(self) -> str:
        return f"{self.psnr}/{self.ssim}" if self.ssim else self.psnr


@dataclass(frozen=True)
class Claim:
    """One printed score, and the model that it is compared with.

    Attributes:
        model: a model spec; empty where no weights exist.
        own_weights: whether the claim is about exactly these weights.
        labels: other information, such as the name of the network and the source.
    """

    printed: Printed
    scale: int
    dataset: str
    model: str
    own_weights: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def exact(self) -> bool:
        """Whether the claim is about exactly this model: these weights, or a model without weights."""
        return self.own_weights or self.model in WEIGHTLESS

    @property
    def margin(self) -> float:
        """Tolerance in dB: a score that differs from the claim by at most this explains it."""
        return OWN_MARGIN + self.printed.rounding if self.exact else OTHER_MARGIN

    @property
    def ssim_margin(self) -> float:
        """Tolerance in SSIM; infinite for other weights, because their SSIM says little about the claim."""
        digits = len(self.printed.ssim.partition(".")[2])
        return OWN_SSIM_MARGIN + 0.5 * 10.0**-digits if self.exact else math.inf


def parse_printed(text: str) -> Printed:
    """Parse `34.05/0.9259` (PSNR/SSIM) or `34.05`. Raises AuditError for other text."""
    psnr, _, ssim = text.partition("/")
    return Printed(psnr.strip(), ssim.strip())


def read_claims(path: Path) -> list[Claim]:
    """The claims of a CSV file with the columns `COLUMNS`; `own_weights` is yes, no or empty.

    Raises:
        AuditError: an unreadable file, a missing column, or a line that is not a claim, named by its number.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise AuditError(f"{path}: expected the columns {', '.join(COLUMNS)}, missing {', '.join(missing)}")
            return [_claim(row, f"{path}, line {reader.line_num}") for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise AuditError(f"{path}: expected a CSV file of claims, got {error}") from error


def _claim(row: dict[str, str | None], where: str) -> Claim:
    if None in row or None in row.values():
        raise AuditError(f"{where}: expected as many cells as the head has")
    cells = {name: (value or "").strip() for name, value in row.items()}
    if cells["scale"] not in map(str, SCALES):
        raise AuditError(f"{where}: expected a scale out of {', '.join(map(str, SCALES))}, got {cells['scale'][:20]!a}")
    if cells["own_weights"] not in ("yes", "no", ""):
        raise AuditError(f"{where}: own_weights: expected yes or no, got {cells['own_weights'][:20]!a}")
    try:
        printed = Printed(cells["psnr"], cells["ssim"])
    except AuditError as error:
        raise AuditError(f"{where}: {error}") from error
    labels = {name: value for name, value in cells.items() if name not in COLUMNS or name == "network"}
    return Claim(printed, int(cells["scale"]), cells["dataset"], cells["model"], cells["own_weights"] == "yes", labels)
