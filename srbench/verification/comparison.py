"""Scores that were made again, held against the ones an entry states, row by row."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from srbench.errors import SubmissionError
from srbench.protocols import Protocol, get_protocol
from srbench.verification.checks import ROW, with_psnr

EXACT = 1e-6
"""Largest difference, in dB and in SSIM, between two scorings of the same pixels: only the order of sums differs."""
RERUN_PSNR, RERUN_SSIM = 0.001, 1e-5
"""Largest differences between two runs of the same weights in fp32, on any device: a rounded pixel may fall over."""
HALF_PSNR, HALF_SSIM = 0.05, 5e-4
"""The same in half precision, whose kernels differ between devices."""

# Rounding to 8 bit adds noise of variance 1/12 to R, G and B, and this much to Y = 0.2529 R + 0.5041 G + 0.0979 B.
_ROUNDING_NOISE = 0.3277 / 12
_ROUNDING_SSIM = 1e-3
_MOST_ROUNDING = 0.3
_SENSITIVE = 20
_MAX_SHOWN = 5

Bound = Callable[[Protocol, float], tuple[float, float]]
"""From a protocol and the PSNR in dB that was found to the differences of PSNR and SSIM that are let pass."""


@dataclass(frozen=True)
class Outcome:
    """How far scores made again lie from the stated ones: largest differences (dB, SSIM) and what is beyond bounds.

    `crops` is the number of sample crops that were made again, too.
    """

    rows: int
    psnr: float
    ssim: float
    tolerance: str
    failures: tuple[str, ...]
    crops: int = 0


def images_bound(protocol: Protocol, psnr: float) -> tuple[float, float]:
    """What 8-bit SR images can carry: all of a protocol that rounds; one that does not loses the rounding noise.

    For the latter, PSNR may move by 0.002 dB plus twice 10·log10(1 + v/MSE), v the noise's variance in Y: 0.005 dB at
    30 dB, 0.1 dB at 45 dB, never more than 0.3 dB; SSIM by 0.001. Images that come nearer to their HR than rounding
    lets be told cannot prove such a score. `psnr` is the one that was found: a stated one would widen its own bound.
    """
    if protocol.scoring.rounded:
        return EXACT, EXACT
    mse = 255**2 / 10 ** (psnr / 10)
    rounding = 20 * math.log10(1 + _ROUNDING_NOISE / mse) if mse > 0 else math.inf
    return min(0.002 + rounding, _MOST_ROUNDING), _ROUNDING_SSIM


def rerun_bounds(precision: str) -> tuple[float, float]:
    """Differences of PSNR and SSIM that another device and other libraries may make, by precision."""
    return (RERUN_PSNR, RERUN_SSIM) if precision == "fp32" else (HALF_PSNR, HALF_SSIM)


def compare_scores(stated: pd.DataFrame, fresh: pd.DataFrame, bound: Bound, *, tolerance: str) -> Outcome:
    """Compare every score of every stated row with the same row made again.

    `psnr_lr` and `psnr_y_aliased` look at few or small errors, so they may move by 20 times what PSNR may.

    Raises:
        SubmissionError: rows that were not made again, or from another HR or LR.
    """
    both = with_psnr(stated).set_index(ROW).join(with_psnr(fresh).set_index(ROW).add_suffix("_fresh"))
    for column in ("psnr_fresh", "hr_sha256", "lr_sha256", "protocol_version"):
        wrong = both[both[column].isna() if column == "psnr_fresh" else both[column] != both[f"{column}_fresh"]]
        if not wrong.empty:
            raise SubmissionError(
                f"expected every score to be made again from the same pixels, but {column} of "
                f"{_named(wrong.index[0])} is missing or another; check the images and --data-root"
            )
    both["ssim"], both["ssim_fresh"] = (both[f"ssim_y{end}"].fillna(both[f"ssim_rgb{end}"]) for end in ("", "_fresh"))
    bounds = [bound(get_protocol(row[2]), psnr) for row, psnr in zip(both.index, both["psnr_fresh"], strict=True)]
    allowed = pd.DataFrame(bounds, index=both.index, columns=["psnr", "ssim"])
    moved = {column: _distances(both, column) for column in ("psnr", "ssim")}
    failures = [
        message for column in ("psnr", "ssim") for message in _beyond(both, column, moved[column], allowed[column])
    ]
    for column in ("psnr_lr", "psnr_y_aliased"):  # where it was stated at all
        distances = _distances(both, column).where(both[column].notna(), 0.0)
        failures += _beyond(both, column, distances, _SENSITIVE * allowed["psnr"])
    more = [f"and {len(failures) - _MAX_SHOWN} more"] if len(failures) > _MAX_SHOWN else []
    return Outcome(
        len(both), float(moved["psnr"].max()), float(moved["ssim"].max()), tolerance, (*failures[:_MAX_SHOWN], *more)
    )


def _distances(both: pd.DataFrame, column: str) -> pd.Series[float]:
    """How far each score lies from the one made again: 0 where both are missing or infinite, infinite where one is."""
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


def _named(row: Any) -> str:
    dataset, scale, protocol, image = row
    return f"{dataset}/{image} ×{scale} under {protocol}"
