"""The images behind a figure of crops: HR, LR, bicubic and SR of each model, with their scores."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from srbench.crop_boxes import CropBox, best_boxes, choose_boxes, interest
from srbench.datasets import ImageSet
from srbench.errors import FigureError
from srbench.protocols import MATLAB_LUMA, Protocol, to_8bit
from srbench.upscalers.base import Upscaler

ScoreOf = Literal["image", "box", "none"]
"""What the scores below the crops are of: the complete image under the protocol, the box alone, or no scores."""

_LOOKED_AT = 3
"""For each requested box, this many images with the strongest texture are upscaled and compared."""


@dataclass(frozen=True)
class CropModel:
    """An upscaler and the label below its crops."""

    label: str
    upscaler: Upscaler


@dataclass(frozen=True)
class FigureImage:
    """An image of a dataset."""

    images: ImageSet
    name: str

    @property
    def label(self) -> str:
        """Dataset and image, as `Set14/barbara`."""
        return f"{self.images.name}/{self.name}"


@dataclass(frozen=True)
class Panel:
    """A crop uint8 h×w×3, its label, and its scores as text (empty without)."""

    label: str
    crop: NDArray[np.uint8]
    scores: str


@dataclass(frozen=True)
class FigureRow:
    """A complete HR image uint8 H×W×3 with its box, and the crops: HR, LR, bicubic and models."""

    label: str
    hr: NDArray[np.uint8]
    box: CropBox
    panels: tuple[Panel, ...]


class CropSource:
    """Prepare images and upscale them with each model once, under one protocol and scale.

    `models` are the models of the figure, bicubic included.
    """

    def __init__(self, models: Sequence[CropModel], protocol: Protocol, scale: int) -> None:
        self.models, self.protocol, self.scale = models, protocol, scale
        self._upscaled: dict[str, list[NDArray[np.uint8]]] = {}

    def row(self, subject: FigureImage, box: CropBox, scores: ScoreOf) -> FigureRow:
        """Return the row of an image and a box. Raises FigureError for a box outside the image."""
        hr, lr = self._prepared(subject)
        box.require_inside(hr.shape[0], hr.shape[1], name=subject.label)
        enlarged = lr.repeat(self.scale, axis=0).repeat(self.scale, axis=1)
        panels = [Panel("HR", box.crop(hr), self._title(scores)), Panel("LR", box.crop(enlarged), "")]
        for model, sr in zip(self.models, self._sr(subject, lr), strict=True):
            panels.append(Panel(model.label, box.crop(sr), self._scores(sr, hr, box, scores)))
        return FigureRow(subject.label, hr, box, tuple(panels))

    def choose(
        self, subjects: Sequence[FigureImage], count: int, *, width: int, height: int
    ) -> list[tuple[FigureImage, CropBox]]:
        """Return boxes where the HR aliases and the models differ, one per image where there are enough images.

        Only the images with the strongest such texture are upscaled.

        Raises:
            FigureError: no image is large enough, or the protocol has no aliasing weight.
        """
        if not self.protocol.scoring.aliased:
            raise FigureError(
                f"expected a protocol with an aliasing weight for --auto, got {self.protocol.name}; "
                "use matlab-y, or choose the boxes with --box"
            )
        strength: dict[str, float] = {}
        for subject in subjects:
            hr, _ = self._prepared(subject)
            best = best_boxes(self._weight(hr), 1, width=width, height=height)
            if best:
                strength[subject.label] = best[0][0]
        looked_at = sorted(strength, key=lambda label: -strength[label])[: _LOOKED_AT * count]
        by_label = {subject.label: subject for subject in subjects}
        maps = {label: self._interest(by_label[label]) for label in looked_at}
        return [(by_label[label], box) for label, box in choose_boxes(maps, count, width=width, height=height)]

    def _interest(self, subject: FigureImage) -> NDArray[np.float64]:
        hr, lr = self._prepared(subject)
        images = dict(zip(self.models, self._sr(subject, lr), strict=True))
        # Every network differs from bicubic, so bicubic counts only if there are not two other models to compare.
        networks = [sr for model, sr in images.items() if not model.upscaler.identity.spec.startswith("bicubic")]
        compared = networks if len(networks) > 1 else list(images.values())
        return interest(self._weight(hr), [MATLAB_LUMA(sr) for sr in compared])

    def _weight(self, hr: NDArray[np.uint8]) -> NDArray[np.float64]:
        weight = self.protocol.scoring.aliasing_weight(hr, scale=self.scale).astype(np.float64)
        border = self.protocol.scoring.border(self.scale)
        weight[:border] = weight[-border:] = 0
        weight[:, :border] = weight[:, -border:] = 0
        return weight

    def _prepared(self, subject: FigureImage) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        hr, preparation = subject.images.hr(subject.name), self.protocol.preparation
        if preparation.ships_lr:
            lr = subject.images.given_lr(subject.name, scale=self.scale)
            return preparation.reference(hr, scale=self.scale), lr
        return preparation.prepare(hr, scale=self.scale, name=subject.name)

    def _sr(self, subject: FigureImage, lr: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
        if subject.label not in self._upscaled:
            self._upscaled[subject.label] = [
                to_8bit(model.upscaler.checked(lr, dataset=subject.images.name, name=subject.name))
                for model in self.models
            ]
        return self._upscaled[subject.label]

    def _scores(self, sr: NDArray[np.uint8], hr: NDArray[np.uint8], box: CropBox, scores: ScoreOf) -> str:
        if scores == "none":
            return ""
        if scores == "box":
            scoring = replace(self.protocol.scoring, scale_shave=0, extra_shave=0, aliased=False)
            found = scoring.score(box.crop(sr), box.crop(hr), scale=self.scale)
        else:
            found = self.protocol.score(sr, hr, scale=self.scale)
        psnr, ssim = (found[name] for name in self.protocol.columns[:2])
        return f"{_text(psnr, 2)} / {_text(ssim, 4)}"

    def _title(self, scores: ScoreOf) -> str:
        names = [name.partition("_")[0].upper() for name in self.protocol.columns[:2]]
        return "" if scores == "none" else " / ".join(names)


def find_images(
    images: Iterable[str], datasets: Iterable[str], open_set: Callable[[str], ImageSet]
) -> list[FigureImage]:
    """Return the images that `DATASET/NAME` texts name, then all images of the datasets. Raises as `open_set` does.

    Raises:
        FigureError: text without a dataset.
    """
    found = []
    for text in images:
        dataset, slash, name = text.rpartition("/")
        if not slash or not dataset or not name:
            raise FigureError(f"expected DATASET/NAME, such as Set14/barbara, got {text!r}")
        subject = FigureImage(open_set(dataset), name)
        subject.images.hr_size(name)  # an unknown name is reported before any model runs
        found.append(subject)
    for dataset in datasets:
        opened = open_set(dataset)
        found += [FigureImage(opened, name) for name in opened.names]
    return found


def _text(value: float | None, digits: int) -> str:
    return "-" if value is None else "inf" if value == float("inf") else f"{value:.{digits}f}"
