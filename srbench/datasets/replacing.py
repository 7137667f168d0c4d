"""What an import must not take away unasked: images, given LR or canonical pixels of a set that is there already."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from srbench.datasets.catalogue import Entry, Split
from srbench.datasets.imageset import ImageSet, find_store
from srbench.datasets.variants import identify_variant
from srbench.errors import DatasetError

_SHOWN = 3


@dataclass(frozen=True)
class Present:
    """A split that lies under the root already, and would be hidden or overwritten by an import of it."""

    images: ImageSet

    @classmethod
    def find(cls, entry: Entry, split: Split, root: Path) -> Present | None:
        """What is there; None for nothing, and for what cannot be read, which an import may always mend."""
        try:
            store = find_store(entry, split, root)
            return cls(ImageSet(entry.name, store, n_expected=split.count, split=split.name)) if store else None
        except DatasetError:
            return None

    def require_kept(self, names: Collection[str], lr_scales: Collection[int]) -> None:
        """Raises DatasetError if a set of these images and complete given LR lacks any of what is there."""
        kept = set(names)
        missing = [name for name in self.images.names if name not in kept]
        lost = [f"the images {_some(missing)}"] if missing else []
        if scales := sorted(set(self.images.given_scales) - set(lr_scales)):
            lost.append(f"the {_lr(scales)}")
        if lost:
            self._refuse(f"{len(names)} with {_lr(sorted(lr_scales))}", " and ".join(lost))

    def require_pixels(self, hashes: Mapping[str, str]) -> None:
        """Raises DatasetError if canonical pixels are there and these, by the images' names, are others."""
        variant = identify_variant(self.images.name, hashes)
        if not variant.startswith("canonical") and self.images.variant.startswith("canonical"):
            self._refuse(f"{len(hashes)} of other pixels ({variant})", "the canonical pixels")

    def _refuse(self, came: str, lost: str) -> None:
        raise DatasetError(
            f"{self.images.name} ({self.images.split}): {self.images.location} has {len(self.images)} images with "
            f"{_lr(self.images.given_scales)}, what is imported has {came}: {lost} would be lost; import the whole "
            "set, name another --data-root, or give --replace"
        )


def _some(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (" …" if len(names) > _SHOWN else "")


def _lr(scales: Collection[int]) -> str:
    return f"given LR {', '.join(f'×{scale}' for scale in scales)}" if scales else "no given LR"
