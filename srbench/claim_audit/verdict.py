"""The result for a claim: the protocol that explains it, and the distance and differences of each configuration."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

from srbench.claim_audit.claims import Claim, parse_printed
from srbench.claim_audit.configs import ConfigScore, Subject
from srbench.claim_audit.evaluator import ClaimEvaluator
from srbench.errors import AuditError, DatasetError, SrbenchError
from srbench.protocols import MATLAB_PREPARATION
from srbench.scores import json_number
from srbench.upscalers.base import AdapterKeywords

UNDECIDED = "undecided"
"""The answer where two protocols explain a claim equally."""

NO_WEIGHTS = "no weights to hold it against"
"""Why a claim without a model gets no protocol."""

# Largest distance in dB that self-ensemble or a variant can explain: in our measurements self-ensemble always gained
# less, and variants change a mean by only a few hundredths of a dB.
_REACH = 0.5

# A distance of exactly one margin must still fit in spite of rounding. Scores are more exact than this number.
_SLACK = 1e-9


@dataclass(frozen=True)
class Finding:
    """One configuration compared with a claim.

    Distances are absolute; the SSIM distance is None if either side has no SSIM.
    """

    measured: ConfigScore
    distance_db: float
    ssim_distance: float | None
    fits: bool


@dataclass(frozen=True, repr=False)
class Audit:
    """A claim and what was found.

    `best` is the finding that explains the claim, `UNDECIDED`, or None if nothing fits; `findings` are all
    configurations that were measured, in their order. `reason` says why there are none.
    """

    claim: Claim
    best: Finding | str | None
    findings: tuple[Finding, ...]
    reason: str = ""

    @property
    def nearest(self) -> Finding | None:
        """The finding with the smallest distance."""
        return min(self.findings, key=lambda finding: finding.distance_db, default=None)

    def document(self) -> dict[str, object]:
        """Return `best` and `protocols` for JSON.

        If nothing fits, the protocol of `best` is null, and its distance is the smallest one. If nothing could be
        measured, `best` is null.
        """
        return {"best": self._best(), "protocols": [_entry(finding) for finding in self.findings]}

    def __repr__(self) -> str:
        claim, found = self.claim, self.best or self.nearest
        if isinstance(found, Finding):
            answer = f"{found.measured.config}, {found.distance_db:.3f} dB away"
            found = answer if self.best else f"nothing fits; nearest {answer}"
        return f"{claim.printed} on {claim.dataset} ×{claim.scale} against {claim.model}: {found or self.reason}"

    def _best(self) -> dict[str, object] | str | None:
        if isinstance(self.best, str):
            return self.best
        finding = self.best or self.nearest
        if finding is None:
            return None
        return {
            "protocol": self.best.measured.config.protocol.name if self.best else None,
            "distance_db": json_number(finding.distance_db),
            "margin_db": self.claim.margin,
        }


def audit(
    model: str,
    dataset: str,
    claim: str,
    *,
    scale: int,
    own_weights: bool = False,
    thorough: bool = False,
    data_root: Path | str | None = None,
    device: str = "auto",
    **adapters: Unpack[AdapterKeywords],
) -> Audit:
    """Find the protocol under which a model scores what was printed.

    Args:
        model: a model spec, such as "zoo:imdn@authors".
        dataset: the set that the claim is a mean over.
        claim: PSNR in dB and SSIM as printed, such as "32.21/0.8948", or PSNR alone. Its digits give the rounding.
        scale: 2, 3, 4 or 8.
        own_weights: the claim was made with the weights of the model. The margin is then 0.005 dB, otherwise 0.15 dB.
        thorough: measure pixel variants and self-ensemble also where a protocol already fits.
        data_root: the folder of the datasets, if not `$SRBENCH_DATA` or the user's data folder.
        device: where the network runs, such as "cuda:1".
        adapters: what the network takes and returns, as in `srbench.evaluate`: `range=255`, `bgr=True`.

    Raises:
        AuditError: a claim that is not PSNR/SSIM, or several datasets.
        SrbenchError: the dataset or the model is not available, or the set lacks images.

    Examples:
        >>> found = audit("bicubic", "Sample", "26.40/0.7260", scale=4)
        >>> found.document()["best"]["protocol"]
        'matlab-y'
    """
    for name, value, example in (("dataset", dataset, "Set5"), ("claim", claim, "32.21/0.8948")):
        if not isinstance(value, str):
            raise AuditError(f"{name}: expected text such as {example!r}, got {value!r}; audit one claim at a time")
    root = Path(data_root).expanduser() if data_root is not None else None
    evaluator = ClaimEvaluator(data_root=root, device=device, adapters=adapters)
    return audit_claim(Claim(parse_printed(claim), scale, dataset, model, own_weights), evaluator, thorough=thorough)


def audit_claim(claim: Claim, evaluator: ClaimEvaluator, *, thorough: bool = False) -> Audit:
    """Compare a claim with what its model scores.

    The simplest explanations are tried first: every protocol on the dataset's own pixels; if none fits, the known
    variants; if none meets the PSNR, self-ensemble under the protocols that score less than 0.5 dB below the claim. The
    first round with a fit decides: by the nearest configuration if all that fit are of one protocol, otherwise the
    claim is undecided. If the claim is about exactly these weights, or the model has no weights, a printed SSIM has to
    fit as well: this distinguishes a rounded luma from a pixel variant, and both from a misprint. For other weights
    PSNR alone decides. `thorough` measures all rounds and decides in the same way.

    Raises:
        SrbenchError: the dataset or the model is not available, or images of the dataset are missing.
    """
    if not claim.model:
        return Audit(claim, None, (), NO_WEIGHTS)
    findings: list[Finding] = []
    best: Finding | str | None = None
    for measure in _rounds(claim, evaluator, thorough):
        found = [_against(claim, measured) for measured in measure(findings)]
        findings += found
        best = best or _decide(found)
        if best and not thorough:
            break
    return Audit(claim, best, tuple(findings))


def audit_claims(claims: Iterable[Claim], evaluator: ClaimEvaluator, *, thorough: bool = False) -> Iterator[Audit]:
    """Audit each claim. If a dataset or weights are missing, the audit says so instead of raising."""
    for claim in claims:
        try:
            yield audit_claim(claim, evaluator, thorough=thorough)
        except DatasetError as error:
            # The folders that were searched are left out: they belong to this machine, and the table has no space for
            # them.
            yield Audit(claim, None, (), str(error).partition(":")[0])
        except SrbenchError as error:
            yield Audit(claim, None, (), str(error))


def _rounds(
    claim: Claim, evaluator: ClaimEvaluator, thorough: bool
) -> Iterator[Callable[[list[Finding]], list[ConfigScore]]]:
    subject = Subject(claim.model, claim.scale, claim.dataset)

    def variants(so_far: list[Finding]) -> list[ConfigScore]:
        near = any(
            finding.distance_db <= _REACH or math.isinf(finding.measured.psnr)
            for finding in so_far
            if finding.measured.config.protocol.preparation == MATLAB_PREPARATION
        )
        return evaluator.variants(subject) if near or thorough else []

    def ensembles(so_far: list[Finding]) -> list[ConfigScore]:
        met = any(_meets_psnr(claim, finding.distance_db) for finding in so_far)  # only its SSIM is not explained
        below = [
            finding.measured.config.protocol
            for finding in so_far
            if not finding.measured.config.variant
            and (thorough or (not met and 0 < float(claim.printed.psnr) - finding.measured.psnr <= _REACH))
        ]
        return evaluator.ensembles(subject, below)

    yield lambda so_far: evaluator.plain(subject)
    yield variants
    yield ensembles


def _against(claim: Claim, measured: ConfigScore) -> Finding:
    distance = abs(measured.psnr - float(claim.printed.psnr))
    both = measured.ssim is not None and claim.printed.ssim
    ssim = abs(measured.ssim - float(claim.printed.ssim)) if both and measured.ssim is not None else None
    fits = _meets_psnr(claim, distance) and (ssim is None or ssim <= claim.ssim_margin + _SLACK)
    return Finding(measured, distance, ssim, fits)


def _meets_psnr(claim: Claim, distance: float) -> bool:
    return distance <= claim.margin + _SLACK


def _decide(found: list[Finding]) -> Finding | str | None:
    fitting = sorted((finding for finding in found if finding.fits), key=lambda finding: finding.distance_db)
    if not fitting:
        return None
    # Two protocols give one number if one of them uses given LR files that are equal to the LR made here.
    nearest = fitting[0].measured
    others = [one.measured for one in fitting if (one.measured.psnr, one.measured.ssim) != (nearest.psnr, nearest.ssim)]
    return UNDECIDED if any(one.config.protocol != nearest.config.protocol for one in others) else fitting[0]


def _entry(finding: Finding) -> dict[str, object]:
    measured, config = finding.measured, finding.measured.config
    return {
        "protocol": config.protocol.name,
        "version": config.protocol.version,
        "variant": config.variant or None,
        "self_ensemble": config.self_ensemble,
        "psnr": json_number(measured.psnr),
        "ssim": json_number(measured.ssim),
        "psnr_y_aliased": json_number(measured.psnr_aliased),
        "distance_db": json_number(finding.distance_db),
        "ssim_distance": json_number(finding.ssim_distance),
        "fits": finding.fits,
        "differs_from_matlab_y": config.differences(),
    }
