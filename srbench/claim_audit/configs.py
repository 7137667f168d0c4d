"""The configurations in which a score can be computed, and the scores of a model in a configuration."""

from __future__ import annotations

from dataclasses import dataclass

from srbench.claim_audit.variants import PHRASES
from srbench.protocols import Protocol, get_protocol

REFERENCE = "matlab-y"
"""The protocol that most papers mean; every other configuration is described by how it differs from it."""


@dataclass(frozen=True)
class ScoringConfig:
    """One way to compute a score: a protocol, and the name of a variant (`srbench.claim_audit.variants`) or empty
    text."""

    protocol: Protocol
    variant: str = ""
    self_ensemble: bool = False

    def __str__(self) -> str:
        return ", ".join(filter(None, (self.protocol.name, self.variant, "self-ensemble" * self.self_ensemble)))

    def differences(self) -> list[str]:
        """Return the differences from plain `matlab-y`, one phrase each."""
        ours, usual = self.protocol, get_protocol(REFERENCE)
        found = []
        if ours.preparation.key != usual.preparation.key:
            found.append(f"HR and LR: {ours.preparation.key}, not {usual.preparation.key}")
        if ours.preparation.ships_lr:
            found.append("the dataset's own LR files")
        found += _scoring_differences(ours, usual)
        found += [PHRASES[self.variant]] if self.variant else []
        return found + (["the mean over eight flips and rotations"] if self.self_ensemble else [])


def _scoring_differences(ours: Protocol, usual: Protocol) -> list[str]:
    scoring = ours.scoring
    found = [] if scoring.rounded else ["the output is not rounded to 8 bit"]
    if scoring.channels != usual.scoring.channels:
        found.append("R, G and B together, not Y")
    elif scoring.luma and scoring.luma != usual.scoring.luma:
        found.append("Y rounded to an integer" if scoring.luma.rounded else "Y by other coefficients")
    if scoring.ssim_luma is not None:
        found.append("SSIM on Y rounded to an integer")
    if not scoring.scale_shave:
        found.append("nothing shaved")
    if scoring.extra_shave:
        found.append(f"{scoring.extra_shave} more pixels shaved from each side")
    return found


@dataclass(frozen=True)
class ConfigScore:
    """Means over a complete dataset: PSNR in dB, SSIM, and PSNR of aliased texture where it is defined."""

    config: ScoringConfig
    psnr: float
    ssim: float | None
    psnr_aliased: float | None


@dataclass(frozen=True)
class Subject:
    """The subject of a claim: a model at a scale on a dataset."""

    model: str
    scale: int
    dataset: str
