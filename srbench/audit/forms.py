"""The forms a score can take: protocols, pixel variants that circulate, self-ensemble; and what a model scores so."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from srbench.datasets.catalogue import known_images
from srbench.datasets.imageset import ImageSet, open_dataset
from srbench.datasets.variants import cropped_size, edsr_levels
from srbench.degradations import crop_to_multiple
from srbench.errors import AuditError, ImageError
from srbench.evaluation import evaluate
from srbench.images import pixel_sha256
from srbench.protocols import MATLAB_PREPARATION, Protocol, get_protocol, protocol_names
from srbench.scores import mean
from srbench.upscalers.base import Options, Upscaler
from srbench.upscalers.finished import FinishedImages
from srbench.upscalers.specs import open_upscaler
from srbench.upscalers.tensors import TensorUpscaler

Images = NDArray[np.uint8]

REFERENCE = "matlab-y"
"""The protocol that the field means; every other form is told by how it differs from it."""

_COMMON_MULTIPLE = 12


@dataclass(frozen=True)
class Form:
    """One way to a score. `variant` is empty for the pixels at hand, else the name of what they were turned into."""

    protocol: Protocol
    variant: str = ""
    self_ensemble: bool = False

    def __str__(self) -> str:
        return ", ".join(filter(None, (self.protocol.name, self.variant, "self-ensemble" * self.self_ensemble)))

    def differences(self) -> list[str]:
        """What makes this another number than plain `matlab-y`, one phrase each; empty for that itself."""
        ours, usual = self.protocol, get_protocol(REFERENCE)
        found = []
        if ours.preparation.key != usual.preparation.key:
            found.append(f"HR and LR: {ours.preparation.key}, not {usual.preparation.key}")
        if ours.preparation.ships_lr:
            found.append("the dataset's own LR files")
        if not ours.scoring.rounded:
            found.append("the output is not rounded to 8 bit")
        if ours.scoring.channels != usual.scoring.channels:
            found.append("R, G and B together, not Y")
        elif ours.scoring.luma and ours.scoring.luma != usual.scoring.luma:
            found.append("Y rounded to an integer" if ours.scoring.luma.rounded else "Y by other coefficients")
        if ours.scoring.extra_shave:
            found.append(f"{ours.scoring.extra_shave} more pixels shaved from each side")
        found += [_VARIANTS[self.variant].phrase] if self.variant else []
        return found + (["the mean over eight flips and rotations"] if self.self_ensemble else [])


@dataclass(frozen=True)
class Measured:
    """Means over a whole dataset in one form: PSNR in dB, SSIM, and PSNR of aliased texture where it is defined."""

    form: Form
    psnr: float
    ssim: float | None
    psnr_aliased: float | None


@dataclass(frozen=True)
class Subject:
    """What a claim is about: a model at a scale on a dataset."""

    model: str
    scale: int
    dataset: str


class Bench:
    """Measures models, each form once.

    Args:
        data_root: where datasets lie, if not at `$SRBENCH_DATA` or the user's data folder.
        device: of the network, as in `Options`.
        tell: is given a line before each evaluation.
    """

    def __init__(
        self, *, data_root: Path | None = None, device: str = "auto", tell: Callable[[str], None] = lambda line: None
    ) -> None:
        self._root, self._device, self._tell = data_root, device, tell
        self._known: dict[tuple[Subject, str, bool, tuple[str, ...]], list[Measured]] = {}

    def plain(self, subject: Subject) -> list[Measured]:
        """Every protocol of the scale on the pixels at hand; one on given LR only where the dataset has that.

        One whose LR the model was not made for may make it leave the range of images: it is told and left out.
        """
        images = self._images(subject)
        groups = groupby(self._protocols(subject.scale, images), key=lambda protocol: protocol.preparation.key)
        return [
            measured
            for key, group in groups
            for measured in self._measure(subject, images, "", list(group), foreign=key != MATLAB_PREPARATION.key)
        ]

    def variants(self, subject: Subject) -> list[Measured]:
        """The pixel variants that circulate and can be made from the pixels at hand, under the cropping protocols."""
        images = self._images(subject)
        if isinstance(self._upscaler(subject), FinishedImages) or images.variant != "canonical":
            return []
        protocols = [
            protocol
            for protocol in self._protocols(subject.scale, images)
            if protocol.preparation == MATLAB_PREPARATION
        ]
        return [
            measured
            for name, variant in _VARIANTS.items()
            if variant.applies(images, subject.scale)
            for measured in self._measure(subject, VariantSet(images, variant), name, protocols)
        ]

    def ensembles(self, subject: Subject, protocols: Iterable[Protocol]) -> list[Measured]:
        """Self-ensemble on the pixels at hand, eight times the work; nothing for what is not a network."""
        if not isinstance(self._upscaler(subject), TensorUpscaler):
            return []
        return self._measure(subject, self._images(subject), "", list(protocols), self_ensemble=True)

    def _images(self, subject: Subject) -> ImageSet:
        images = open_dataset(subject.dataset, data_root=self._root)
        if len(images) != images.n_expected:
            raise AuditError(
                f"{subject.dataset}: expected all {images.n_expected} images that a claim is about, got "
                f"{len(images)}; complete the set"
            )
        return images

    def _protocols(self, scale: int, images: ImageSet) -> list[Protocol]:
        protocols = [get_protocol(name) for name in protocol_names()]
        return [
            protocol
            for protocol in protocols
            if scale in protocol.preparation.scales
            and (not protocol.preparation.ships_lr or scale in images.given_scales)
        ]

    def _upscaler(self, subject: Subject, self_ensemble: bool = False) -> Upscaler:
        options = Options(device=self._device, self_ensemble=self_ensemble)
        return open_upscaler(subject.model, scale=subject.scale, options=options)

    def _measure(
        self,
        subject: Subject,
        images: ImageSet,
        variant: str,
        protocols: list[Protocol],
        *,
        self_ensemble: bool = False,
        foreign: bool = False,
    ) -> list[Measured]:
        names = tuple(protocol.name for protocol in protocols)
        key = subject, variant, self_ensemble, names
        if key not in self._known and protocols:
            how = ", ".join(filter(None, (*names, variant, "self-ensemble" * self_ensemble)))
            self._tell(f"scoring {subject.model} ×{subject.scale} on {subject.dataset}: {how}")
            try:
                scores = evaluate(self._upscaler(subject, self_ensemble), images, scale=subject.scale, protocol=names)
                self._known[key] = [_means(scores, Form(protocol, variant, self_ensemble)) for protocol in protocols]
            except ImageError as error:
                if not foreign:
                    raise
                self._tell(f"left out {how}: {error}")
                self._known[key] = []
        return self._known.get(key, [])


@dataclass(frozen=True)
class Variant:
    """Pixels that circulate under a dataset's name: how they come from the canonical ones, and in which sets."""

    phrase: str
    derive: Callable[[Images], Images]
    applies: Callable[[ImageSet, int], bool]


class VariantSet(ImageSet):
    """A dataset with every HR image turned into a variant of itself; its fingerprint is the variant's."""

    def __init__(self, images: ImageSet, variant: Variant) -> None:
        super().__init__(images.name, images.store, n_expected=images.n_expected, split=images.split)
        self._derive = variant.derive

    def hr(self, name: str) -> Images:
        """The variant of the HR image of that name, with the errors of `ImageSet.hr`."""
        return self._derive(super().hr(name))

    @property
    def pixel_hashes(self) -> dict[str, str]:  # nothing on the disk to keep them by
        """sha256 of each image's pixels by name."""
        return {name: pixel_sha256(self.hr(name)) for name in self.names}


def _circulates_as_edsr(images: ImageSet, scale: int) -> bool:
    return any(image.edsr_sha256 for image in known_images(images.name))


def _differs_cropped(images: ImageSet, scale: int) -> bool:
    sizes = [(image.height, image.width) for image in known_images(images.name)]
    return any(cropped_size(*size, _COMMON_MULTIPLE) != cropped_size(*size, scale) for size in sizes)


_VARIANTS = {
    "edsr": Variant("HR in the edsr variant, 24 gray levels one lower", edsr_levels, _circulates_as_edsr),
    f"mod{_COMMON_MULTIPLE}": Variant(
        f"HR cropped to a multiple of {_COMMON_MULTIPLE}",
        partial(crop_to_multiple, scale=_COMMON_MULTIPLE),
        _differs_cropped,
    ),
}


def _means(scores: pd.DataFrame, form: Form) -> Measured:
    rows = scores[scores["protocol"] == form.protocol.name]
    psnr, ssim = (mean(rows[column]) for column in form.protocol.columns[:2])
    if psnr is None:
        raise AuditError(f"{form}: expected a PSNR of every image, got one without")
    return Measured(form, psnr, ssim, mean(rows["psnr_y_aliased"]))
