"""Keep an import from removing images, LR files or canonical pixels of an existing split."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from srbench.datasets.catalogue import DatasetEntry, Split
from srbench.datasets.imageset import ImageSet, find_store
from srbench.datasets.pixel_variants import identify_variant
from srbench.errors import DatasetError, ImageError

_SHOWN = 3


@dataclass(frozen=True)
class ExistingSplit:
    """A split that already exists under the data root; an import of it would overwrite or hide it."""

    images: ImageSet

    @classmethod
    def find(cls, entry: DatasetEntry, split: Split, root: Path) -> ExistingSplit | None:
        """Return the existing split. None if there is none, or if it cannot be read: an import may always repair it."""
        try:
            store = find_store(entry, split, root)
            return cls(ImageSet(entry.name, store, n_expected=split.count, split=split.name)) if store else None
        except DatasetError:
            return None

    def require_kept(self, names: Collection[str], lr: Mapping[int, Collection[str]]) -> None:
        """Raise DatasetError if an import lacks any of the existing images or LR files (by scale)."""
        there, missing = self._given_lr(), [name for name in self.images.names if name not in names]
        lost = [f"the images {_some(missing)}"] if missing else []
        if scales := [scale for scale, given in there.items() if given - {*lr.get(scale, ()), *missing}]:
            lost.append(f"the given LR {', '.join(f'×{scale}' for scale in scales)}")
        if lost:
            self._refuse(f"{len(names)} with {_lr_in_words(lr, len(names))}", " and ".join(lost), there)

    def require_pixels(self, hashes: Mapping[str, str]) -> None:
        """Raise DatasetError if the existing pixels are canonical and the new ones (hashes by image name) are not."""
        variant = identify_variant(self.images.name, hashes)
        if not variant.startswith("canonical") and self._is_canonical():
            self._refuse(f"{len(hashes)} of other pixels ({variant})", "the canonical pixels", self._given_lr())

    def _given_lr(self) -> dict[int, frozenset[str]]:
        """Return the names of the images with an LR file by scale, including incomplete scales."""
        whole = dict.fromkeys(self.images.given_scales, frozenset(self.images.names))
        try:
            return dict(sorted({**whole, **self.images.partly_given()}.items()))
        except DatasetError:
            return whole  # unreadable files cannot be lost

    def _is_canonical(self) -> bool:
        try:
            return self.images.variant.startswith("canonical")
        except (DatasetError, ImageError):
            return False  # damaged: an import may repair it

    def _refuse(self, came: str, lost: str, lr: Mapping[int, Collection[str]]) -> None:
        raise DatasetError(
            f"{self.images.name} ({self.images.split}): {self.images.location} has {len(self.images)} images with "
            f"{_lr_in_words(lr, len(self.images))}, what is imported has {came}: {lost} would be lost; import the "
            "complete set, name another --data-root, or give --replace"
        )


def _some(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (" …" if len(names) > _SHOWN else "")


def _lr_in_words(lr: Mapping[int, Collection[str]], images: int) -> str:
    """Return text such as `given LR ×2, ×4 of 3`."""
    counts = {scale: len(names) for scale, names in sorted(lr.items()) if names}
    parts = (f"×{scale}" + (f" of {count}" if count < images else "") for scale, count in counts.items())
    return f"given LR {', '.join(parts)}" if counts else "no given LR"
