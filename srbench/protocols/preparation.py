"""The first half of a protocol: how HR is brought to a multiple of the scale, and where LR comes from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from srbench.errors import ProtocolError
from srbench.protocols.arrays import Images, require_rgb_uint8

HrRule = Callable[..., Images]
Degradation = Callable[..., Images]
LrSource = Literal["made", "given", "any"]
"""Where LR comes from: "made" from HR by the protocol's degradation; "given" by the dataset's files, which have to be
exactly what MATLAB's bicubic makes of its HR; or "any" files, whose origin is named next to the scores."""

SCALES = (2, 3, 4, 8)
"""The scales that protocols are defined for."""


@dataclass(frozen=True)
class Preparation:
    """Makes (HR', LR) from an HR image. Preparations with equal `key` give equal results and share one forward pass.

    Attributes:
        degradation: makes LR from HR'; None where only given LR files exist, such as photographs of real pairs.
        takes_lr: given LR files that are MATLAB's bicubic of HR' may replace the LR of `degradation`.
        ships_lr: the protocol is defined on the dataset's own LR files and always uses them.
        any_origin: the LR files may come from any source, so their origin is not checked.
    """

    key: str
    hr_rule: HrRule
    degradation: Degradation | None
    scales: tuple[int, ...] = SCALES
    takes_lr: bool = False
    ships_lr: bool = False
    any_origin: bool = False

    def prepare(self, hr: Images, *, scale: int, name: str = "") -> tuple[Images, Images]:
        """Return HR' and the LR made from it, both uint8 H×W×3; the sides of HR' are multiples of the scale.

        `name` is the image's name; only degradations with noise depend on it.

        Raises:
            ProtocolError: not an RGB uint8 image, a scale that is not defined, an image smaller than the scale, or a
                protocol that only uses given LR files.
        """
        reference = self.reference(hr, scale=scale)
        return reference, self.degrade(reference, scale=scale, name=name)

    def reference(self, hr: Images, *, scale: int) -> Images:
        """Return HR' alone, uint8, its sides multiples of the scale. Errors as for `prepare`."""
        self.require_scale(scale)
        require_rgb_uint8(hr, "hr")
        self.require_size(hr.shape[0], hr.shape[1], scale=scale)
        return self.hr_rule(hr, scale=scale)

    def require_size(self, height: int, width: int, *, scale: int) -> None:
        """Raise ProtocolError for an HR image smaller than the scale."""
        if min(height, width) < scale:
            raise ProtocolError(
                f"expected an HR image of at least {scale}×{scale} pixels at ×{scale}, got "
                f"{width}×{height}; leave it out or use a smaller scale"
            )

    def degrade(self, hr: Images, *, scale: int, name: str = "") -> Images:
        """Return the LR of an image whose sides are multiples of the scale; uint8 in, uint8 out.

        Raises:
            ProtocolError: this preparation has no degradation.
        """
        if self.degradation is None:
            raise ProtocolError(
                f"the preparation {self.key!r} makes no LR: expected LR files next to the HR images, got none; "
                "name their folder with --lr-dir"
            )
        return self.degradation(hr, scale=scale, name=name)

    def lr_source(self, asked: str) -> LrSource:
        """Return the LR source that this preparation uses if `asked` is requested.

        It is never "made" if `ships_lr`, and always "any" if `any_origin`.

        Raises:
            ProtocolError: a word other than "made", "given" and "any", or given files for a degradation other than
                MATLAB's.
        """
        if asked not in ("made", "given", "any"):
            raise ProtocolError(f"lr: expected 'made', 'given' or 'any', got {asked!r}")
        if asked == "any" or self.any_origin:
            return "any"
        if asked == "given" and not (self.takes_lr or self.ships_lr):
            raise ProtocolError(
                f"the degradation {self.key!r} makes its own LR, and given LR files are MATLAB's "
                "bicubic; use --lr made, in a run of its own if other protocols need the files"
            )
        return "given" if asked == "given" or self.ships_lr else "made"

    def require_scale(self, scale: int) -> None:
        """Raise ProtocolError unless this is defined for the scale."""
        if scale not in self.scales:
            defined = ", ".join(f"×{known}" for known in self.scales)
            raise ProtocolError(f"the degradation {self.key!r} is defined for {defined}, got ×{scale}")
