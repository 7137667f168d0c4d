"""LR files in a separate folder, paired with HR images by their names."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from srbench.datasets.stores import LR_SCALES, Store, images_in, read_file, sizes_pair
from srbench.errors import DatasetError, listed
from srbench.images import IMAGE_SUFFIXES, size_of

# Endings that programs and datasets add to a name; {s} is the scale. Those with a scale are preferred.
_LR_ENDINGS = (
    *("x{s}", "_x{s}", "-x{s}", "_lrx{s}", "_lr_x{s}", "_lr{s}", "_x{s}_lr", "_lrbi_x{s}", "_lrbix{s}"),
    *("_bix{s}", "_bi_x{s}", "_bicubic_x{s}", "_bicx{s}", "_srf_{s}_lr"),
    *("", "_lr", "-lr", "_bicubic", "_lrbi"),
)
_HR_ENDINGS = ("_hr_x{s}", "_hrx{s}", "_x{s}_hr", "_srf_{s}_hr", "_hr", "-hr", "_gt", "-gt")


class LrFolderStore:
    """HR images of a store, with LR from `folder`, `folder/X4`, `folder/DATASET` or `folder/DATASET/X4`.

    Args:
        pattern: the LR file of an image below that folder, such as `{name}_LRBI_x{scale}` or `X{scale}/{name}.png`;
            without it the usual endings are tried.

    Raises:
        DatasetError: no such folder, or a pattern without `{name}`.
    """

    def __init__(self, hr: Store, folder: Path, *, dataset: str, pattern: str | None = None) -> None:
        if not folder.is_dir():
            raise DatasetError(f"{folder}: expected a folder of LR images, got none; check --lr-dir")
        if pattern is not None and "{name}" not in pattern:
            raise DatasetError(
                f"--lr-pattern: expected a file name with {{name}}, such as {{name}}x{{scale}}, got {pattern!r}"
            )
        self._hr, self._folder, self._dataset, self._pattern = hr, folder, dataset, pattern
        self.names, self.location = hr.names, hr.location
        self._found: dict[tuple[str, int], Path | None] = {}

    def hr(self, name: str) -> bytes:
        """Return the bytes of the HR file."""
        return self._hr.hr(name)

    def stamp(self, name: str) -> list[int]:
        """Return the stamp of the HR file."""
        return self._hr.stamp(name)

    def lr(self, name: str, scale: int) -> bytes | None:
        """Return the bytes of the LR file, None where there is none. Raises DatasetError where two files fit."""
        path = self._path(name, scale)
        return read_file(path) if path else None

    def lr_scales(self) -> tuple[int, ...]:
        """Return the scales at which every image has an LR file and the first of them has the size for that scale."""
        return tuple(
            scale for scale in LR_SCALES if all(self._path(name, scale) for name in self.names) and self._fits(scale)
        )

    def require_pairs(self, scale: int) -> None:
        """Raise DatasetError, naming the first five of each kind, where HR and LR files do not pair."""
        lacking = [name for name in self.names if self._path(name, scale) is None]
        used = {self._path(name, other) for name in self.names for other in LR_SCALES}
        left = [] if self._pattern else [path.name for path in self._files(scale).values() if path not in used]
        parts = [f"HR without LR: {listed(lacking, 5)}"] if lacking else []
        parts += [f"LR without HR: {listed(left, 5)}"] if left else []
        if parts:
            example = f"{self.names[0]}x{scale}.png"
            raise DatasetError(
                f"{self._folder}: expected one LR file at ×{scale} for each HR image of {self._dataset}, such as "
                f"{example}, got {'; '.join(parts)}. Name the files with --lr-pattern '{{name}}x{{scale}}', or move "
                "those that do not belong there"
            )

    def _fits(self, scale: int) -> bool:
        name = self.names[0]
        hr, lr = size_of(self.hr(name), name=name), size_of(self.lr(name, scale) or b"", name=f"LR of {name}")
        return sizes_pair(hr, lr, scale=scale)

    def _path(self, name: str, scale: int) -> Path | None:
        key = (name, scale)
        if key not in self._found:
            self._found[key] = self._by_pattern(name, scale) if self._pattern else self._by_ending(name, scale)
        return self._found[key]

    def _by_pattern(self, name: str, scale: int) -> Path | None:
        values = {"{name}": name, "{scale}": str(scale), "{dataset}": self._dataset}
        text = self._pattern or ""
        for field, value in values.items():
            text = text.replace(field, value)
        places = [root / text for root in (self._folder / self._dataset, self._folder)]
        files = [place.with_name(place.name + ending) for place in places for ending in ("", *IMAGE_SUFFIXES)]
        return next((file for file in files if file.is_file() and file.suffix.lower() in IMAGE_SUFFIXES), None)

    def _by_ending(self, name: str, scale: int) -> Path | None:
        files = self._files(scale)
        for endings in (_LR_ENDINGS[:-5], _LR_ENDINGS[-5:]):
            wanted = {base + ending.format(s=scale) for base in _bases(name, scale) for ending in endings}
            found = [files[stem] for stem in sorted(wanted & files.keys())]
            if len(found) > 1:
                raise DatasetError(
                    f"{self._folder}: expected one LR file for {name}, got "
                    f"{' and '.join(path.name for path in found)}; say which with --lr-pattern"
                )
            if found:
                return found[0]
        return None

    def _files(self, scale: int) -> dict[str, Path]:
        """Return the image files of the innermost folder that exists for a scale, by normalised stem."""
        return self._by_scale.get(scale, {})

    @cached_property
    def _by_scale(self) -> dict[int, dict[str, Path]]:
        found = {}
        for scale in LR_SCALES:
            files = next((files for folder in self._folders(scale) if (files := images_in(folder))), {})
            found[scale] = {_normal(stem): path for stem, path in files.items()}
        return found

    def _folders(self, scale: int) -> Iterator[Path]:
        for root in (self._folder / self._dataset, self._folder):
            for place in (root / f"X{scale}", root / f"x{scale}", root):
                if place.is_dir():
                    yield place


def _normal(stem: str) -> str:
    return unicodedata.normalize("NFC", stem).lower()


def _bases(name: str, scale: int) -> set[str]:
    """Return the name of an HR image, and the name without an ending such as `_HR`."""
    stem = _normal(name)
    endings = [ending.format(s=scale) for ending in _HR_ENDINGS]
    return {stem, *(stem.removesuffix(ending) for ending in endings if stem.endswith(ending))}
