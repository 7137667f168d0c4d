"""Compare reproduced scores with the ones that an entry states, row by row, within tolerances."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from srbench.errors import SubmissionError
from srbench.protocols import Protocol, get_protocol
from srbench.records.verification import EarlierFacts, MemorisationFacts, UnpublishedFacts
from srbench.verification.checks import ROW, with_psnr

EXACT = 1e-6
"""Largest difference in dB and SSIM between two scorings of the same pixels: only the order of sums differs."""
RERUN_PSNR, RERUN_SSIM = 0.001, 1e-5
"""Largest differences between two runs of the same weights in fp32: devices may round a pixel differently."""
HALF_PSNR, HALF_SSIM = 0.05, 5e-4
"""The same in half precision, whose kernels differ between devices."""

# Rounding to 8 bit adds noise of variance 1/12 to R, G and B, and this much to Y = 0.2529 R + 0.5041 G + 0.0979 B.
_ROUNDING_NOISE = 0.3277 / 12
_ROUNDING_SSIM = 1e-3
_MOST_ROUNDING = 0.3
_SENSITIVE = 20
_MAX_SHOWN = 5

Bound = Callable[[Protocol, float], tuple[float, float]]
"""A function from a protocol and the found PSNR in dB to the tolerated differences of PSNR and SSIM."""


@dataclass(frozen=True)
class Reproduction:
    """The result of reproducing scores: the largest differences (dB, SSIM), and the failures beyond the tolerance.

    `crops` is the number of sample crops that were reproduced, too. `memorisation` has the outcome of the memorisation
    probe by scale, for a re-run, and `unpublished` the gains on unpublished images. `earlier` says which of the scores
    are those of an earlier verification.
    """

    rows: int
    psnr: float
    ssim: float
    tolerance: str
    failures: tuple[str, ...]
    crops: int = 0
    memorisation: tuple[MemorisationFacts, ...] = ()
    unpublished: tuple[UnpublishedFacts, ...] = ()
    earlier: EarlierFacts | None = None


def images_bound(protocol: Protocol, psnr: float) -> tuple[float, float]:
    """Return the tolerances for scores from 8-bit SR images.

    Protocols that round their output are reproduced exactly. For the others, rounding adds noise: PSNR may differ by
    0.002 dB plus twice 10·log10(1 + v/MSE), with v the variance of that noise in Y (0.005 dB at 30 dB, 0.1 dB at 45 dB,
    at most 0.3 dB), and SSIM by 0.001. `psnr` is the found value: a stated one would widen its own tolerance.
    """
    if protocol.scoring.rounded:
        return EXACT, EXACT
    mse = 255**2 / 10 ** (psnr / 10)
    rounding = 20 * math.log10(1 + _ROUNDING_NOISE / mse) if mse > 0 else math.inf
    return min(0.002 + rounding, _MOST_ROUNDING), _ROUNDING_SSIM


def rerun_bounds(precision: str) -> tuple[float, float]:
    """Return the differences of PSNR and SSIM that other devices and libraries may cause at a precision."""
    return (RERUN_PSNR, RERUN_SSIM) if precision == "fp32" else (HALF_PSNR, HALF_SSIM)


def compare_scores(stated: pd.DataFrame, fresh: pd.DataFrame, bound: Bound, *, tolerance: str) -> Reproduction:
    """Compare every score of every stated row with the reproduced row.

    `psnr_lr` and `psnr_y_aliased` measure few or small errors, so they may differ by 20 times the tolerance of PSNR.

    Raises:
        SubmissionError: rows that were not reproduced, or from a different HR or LR.
    """
    both = with_psnr(stated).set_index(ROW).join(with_psnr(fresh).set_index(ROW).add_suffix("_fresh"))
    for column in ("psnr_fresh", "hr_sha256", "lr_sha256", "protocol_version"):
        wrong = both[both[column].isna() if column == "psnr_fresh" else both[column] != both[f"{column}_fresh"]]
        if not wrong.empty:
            raise SubmissionError(
                f"expected every score to be reproduced from the same pixels, but {column} of "
                f"{_named(wrong.index[0])} is missing or different; check the images and --data-root"
            )
    both["ssim"], both["ssim_fresh"] = (both[f"ssim_y{end}"].fillna(both[f"ssim_rgb{end}"]) for end in ("", "_fresh"))
    bounds = [bound(get_protocol(row[2]), psnr) for row, psnr in zip(both.index, both["psnr_fresh"], strict=True)]
    allowed = pd.DataFrame(bounds, index=both.index, columns=["psnr", "ssim"])
    moved = {column: _distances(both, column) for column in ("psnr", "ssim")}
    failures = [
        message for column in ("psnr", "ssim") for message in _beyond(both, column, moved[column], allowed[column])
    ]
    for column in ("psnr_lr", "psnr_y_aliased"):  # only in rows that state this score
        distances = _distances(both, column).where(both[column].notna(), 0.0)
        failures += _beyond(both, column, distances, _SENSITIVE * allowed["psnr"])
    more = [f"and {len(failures) - _MAX_SHOWN} more"] if len(failures) > _MAX_SHOWN else []
    return Reproduction(
        len(both), float(moved["psnr"].max()), float(moved["ssim"].max()), tolerance, (*failures[:_MAX_SHOWN], *more)
    )


def _distances(both: pd.DataFrame, column: str) -> pd.Series[float]:
    """Return the differences: 0 where both scores are missing or infinite, infinite where only one of them is."""
    first, second = both[column], both[f"{column}_fresh"]
    alike = (first == second) | (first.isna() & second.isna())
    with np.errstate(invalid="ignore"):
        return (first - second).abs().fillna(math.inf).mask(alike, 0.0)


def _beyond(both: pd.DataFrame, column: str, moved: pd.Series[float], allowed: pd.Series[float]) -> list[str]:
    rows = both[moved > allowed]
    return [
        f"{_named(row)}: {column} stated {stated:.5f}, found {found:.5f}"
        for row, stated, found in zip(rows.index, rows[column], rows[f"{column}_fresh"], strict=True)
    ]


def _named(row: tuple[str, int, str, str]) -> str:
    dataset, scale, protocol, image = row
    return f"{dataset}/{image} ×{scale} under {protocol}"
