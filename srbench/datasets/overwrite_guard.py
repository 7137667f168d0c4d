"""What an import must not take away unasked: images, given LR or canonical pixels of a set that is there already."""

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
    """A split that lies under the root already, and would be hidden or overwritten by an import of it."""

    images: ImageSet

    @classmethod
    def find(cls, entry: DatasetEntry, split: Split, root: Path) -> ExistingSplit | None:
        """What is there; None for nothing, and for what cannot be read, which an import may always mend."""
        try:
            store = find_store(entry, split, root)
            return cls(ImageSet(entry.name, store, n_expected=split.count, split=split.name)) if store else None
        except DatasetError:
            return None

    def require_kept(self, names: Collection[str], lr: Mapping[int, Collection[str]]) -> None:
        """Raises DatasetError if a set of these images, and of this given LR by scale, lacks any of what is there."""
        there, missing = self._given_lr(), [name for name in self.images.names if name not in names]
        lost = [f"the images {_some(missing)}"] if missing else []
        if scales := [scale for scale, given in there.items() if given - {*lr.get(scale, ()), *missing}]:
            lost.append(f"the given LR {', '.join(f'×{scale}' for scale in scales)}")
        if lost:
            self._refuse(f"{len(names)} with {_told(lr, len(names))}", " and ".join(lost), there)

    def require_pixels(self, hashes: Mapping[str, str]) -> None:
        """Raises DatasetError if canonical pixels are there and these, by the images' names, are others."""
        variant = identify_variant(self.images.name, hashes)
        if not variant.startswith("canonical") and self._is_canonical():
            self._refuse(f"{len(hashes)} of other pixels ({variant})", "the canonical pixels", self._given_lr())

    def _given_lr(self) -> dict[int, frozenset[str]]:
        """The names with a given LR by scale, that of incomplete scales included."""
        whole = dict.fromkeys(self.images.given_scales, frozenset(self.images.names))
        try:
            return dict(sorted({**whole, **self.images.partly_given()}.items()))
        except DatasetError:
            return whole  # the rest cannot be read, so that nothing is lost with it

    def _is_canonical(self) -> bool:
        try:
            return self.images.variant.startswith("canonical")
        except (DatasetError, ImageError):
            return False  # damaged: an import may mend it

    def _refuse(self, came: str, lost: str, lr: Mapping[int, Collection[str]]) -> None:
        raise DatasetError(
            f"{self.images.name} ({self.images.split}): {self.images.location} has {len(self.images)} images with "
            f"{_told(lr, len(self.images))}, what is imported has {came}: {lost} would be lost; import the whole "
            "set, name another --data-root, or give --replace"
        )


def _some(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (" …" if len(names) > _SHOWN else "")


def _told(lr: Mapping[int, Collection[str]], images: int) -> str:
    """`given LR ×2, ×4 of 3`."""
    counts = {scale: len(names) for scale, names in sorted(lr.items()) if names}
    parts = (f"×{scale}" + (f" of {count}" if count < images else "") for scale, count in counts.items())
    return f"given LR {', '.join(parts)}" if counts else "no given LR"
