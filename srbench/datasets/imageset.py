"""A dataset as an ordered set of named HR images with a fingerprint, read from a folder or a Parquet file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from srbench.datasets.catalogue import CATALOGUE, DatasetEntry, Split, find_entry
from srbench.datasets.lr_folder import LrFolderStore
from srbench.datasets.pixel_variants import identify_variant
from srbench.datasets.stores import LR_SCALES, FilesStore, FolderStore, ParquetStore, Store, images_in, sizes_pair
from srbench.errors import DatasetError, ImageError, SrbenchError, counted, listed
from srbench.files import SHA256, cache_dir, user_dir, write_atomic
from srbench.images import decode, fingerprint, pixel_sha256, size_of

SAMPLE_NAMES = ("astronaut", "brick", "chelsea", "coffee", "grass", "gravel", "motorcycle_left")
"""The images of the embedded Sample: photographs and gray textures that the scikit-image package ships."""

_UNREAD_SUFFIXES = (".webp", ".tif", ".tiff", ".gif", ".jp2", ".jxl", ".avif", ".heic", ".ppm", ".pgm", ".tga", ".exr")


class ImageSet:
    """An ordered set of named HR images, RGB uint8 H×W×3, with the LR files that are stored next to them.

    `names` are file stems in string order; `n_expected` is the number of images of the complete dataset; if it is not
    known, the number of images found.
    """

    def __init__(self, name: str, store: Store, *, n_expected: int | None = None, split: str = "test") -> None:
        if not store.names:
            raise DatasetError(f"{store.location}: expected images (png, jpg, bmp), found none; check the folder")
        self.name, self.store, self.split = name, store, split
        self.names = store.names
        self._known = frozenset(store.names)
        self.n_expected = n_expected if n_expected is not None else len(store.names)

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        missing = f" of {self.n_expected}" if len(self) != self.n_expected else ""
        names = listed(self.names, 3)
        return f"ImageSet {self.name}: {len(self)}{missing} HR images ({names}) in {self.location}"

    @property
    def location(self) -> Path:
        """The folder or file that the images come from."""
        return self.store.location

    def hr(self, name: str) -> NDArray[np.uint8]:
        """Return the HR image of this name. Raises DatasetError for an unknown name, ImageError for a damaged file."""
        return decode(self.hr_bytes(name), name=f"{self.name}/{name}")

    def hr_size(self, name: str) -> tuple[int, int]:
        """Return height and width of the HR image from the header of its file. Raises what `hr` raises."""
        return size_of(self.hr_bytes(name), name=f"{self.name}/{name}")

    def hr_bytes(self, name: str) -> bytes:
        """Return the bytes of the HR file."""
        if name not in self._known:
            raise DatasetError(f"{self.name} has no image {name!r}; its names are {', '.join(self.names[:5])} …")
        return self.store.hr(name)

    @cached_property
    def given_scales(self) -> tuple[int, ...]:
        """The scales at which all images have an LR file."""
        return self.store.lr_scales()

    def partly_given(self) -> dict[int, frozenset[str]]:
        """Return the names of the images with an LR file, for each scale at which only some images have one."""
        incomplete = (scale for scale in LR_SCALES if scale not in self.given_scales)
        found = {
            scale: frozenset(name for name in self.names if self.store.lr(name, scale) is not None)
            for scale in incomplete
        }
        return {scale: names for scale, names in found.items() if names}

    def require_given(self, scale: int) -> None:
        """Raise DatasetError if images have no LR file at a scale; the message names the first five."""
        if isinstance(self.store, LrFolderStore):
            self.store.require_pairs(scale)
        if scale in self.given_scales:
            return
        if missing := [name for name in self.names if self.store.lr(name, scale) is None]:
            raise DatasetError(
                f"{self.name}: expected a given LR at ×{scale} for each of {counted(len(self), 'image')} in "
                f"{self.location}, got none for {listed(missing, 5)}; such a file is named like "
                f"LR_bicubic/X{scale}/{missing[0]}x{scale}.png. Name their folder with --lr-dir, or use --lr made"
            )

    def with_lr(self, folder: Path, *, pattern: str | None = None) -> ImageSet:
        """Return this set with the LR files of a folder; see `LrFolderStore` for their names. Errors as there."""
        store = LrFolderStore(self.store, folder, dataset=self.name, pattern=pattern)
        return ImageSet(self.name, store, n_expected=self.n_expected, split=self.split)

    def given_lr(self, name: str, *, scale: int) -> NDArray[np.uint8]:
        """Return the given LR image. Raises DatasetError if it is missing, or if its size does not fit the HR image."""
        hr = self.hr(name)
        data = self.store.lr(name, scale)
        if data is None:
            raise DatasetError(
                f"{self.name}/{name}: no given LR at ×{scale} next to {self.location}; "
                f"expected LR_bicubic/X{scale}/{name}x{scale}.png; div2k-rgb is defined on such files, "
                "all other protocols make their own with --lr made"
            )
        lr = decode(data, name=f"{self.name}/{name} LR ×{scale}")
        require_pair(hr, lr, scale=scale, name=f"{self.name}/{name}")
        return lr

    @property
    def fingerprint(self) -> str:
        """Hash of the pixels of all images; names and file formats do not matter."""
        return fingerprint(self.pixel_hashes.values())

    @cached_property
    def pixel_hashes(self) -> dict[str, str]:
        """sha256 of each image's RGB pixels by name; cached until a file changes."""
        place = hashlib.sha256(str(self.location.resolve()).encode()).hexdigest()
        record = cache_dir() / "fingerprints" / f"{place}.json"
        kept = _kept_hashes(record)
        current = {name: [*self.store.stamp(name), self._hash(name, kept)] for name in self.names}
        if current != kept:
            _keep_hashes(record, current)
        return {name: str(row[-1]) for name, row in current.items()}

    def require_hashed(self, name: str, sha256: str) -> None:
        """Raise ImageError if the pixels of an image differ from those that the known fingerprint was computed from."""
        known = self.__dict__.get("pixel_hashes", {}).get(name, sha256)
        if known != sha256:
            raise ImageError(
                f"{self.name}/{name}: expected the pixels that the dataset's fingerprint was computed from "
                f"({known[:12]}…), got {sha256[:12]}…, which are not those; check the file and the disk, "
                "and run again"
            )

    @property
    def variant(self) -> str:
        """The pixel variant, as named by `identify_variant`; `srbench data verify` reports more."""
        return identify_variant(self.name, self.pixel_hashes)

    def _hash(self, name: str, kept: dict[str, list[object]]) -> str:
        row = kept.get(name)
        if row and row[:-1] == self.store.stamp(name):
            return str(row[-1])
        return pixel_sha256(self.hr(name))


def distinct_sets(sets: Iterable[ImageSet]) -> list[ImageSet]:
    """The datasets in their order, each once.

    Raises DatasetError for two different datasets of one name: their scores could not be distinguished.
    """
    kept: dict[str, ImageSet] = {}
    for images in sets:
        first = kept.setdefault(images.name, images)
        if first is images or (
            first.location.resolve() == images.location.resolve() and first.pixel_hashes == images.pixel_hashes
        ):
            continue
        raise DatasetError(
            f"expected one dataset of each name, got two called {images.name}: {first.location} "
            f"({first.split}, {len(first)} images) and {images.location} ({images.split}, "
            f"{len(images)} images); rename a folder, or score them in runs of their own"
        )
    return list(kept.values())


def require_pair(hr: NDArray[np.uint8], lr: NDArray[np.uint8], *, scale: int, name: str) -> None:
    """Raise DatasetError unless the LR has the size of the HR divided by the scale, rounded down or up."""
    if not sizes_pair(hr.shape[:2], lr.shape[:2], scale=scale):
        raise DatasetError(
            f"{name}: expected LR of {hr.shape[1] // scale}×{hr.shape[0] // scale} pixels for HR of "
            f"{hr.shape[1]}×{hr.shape[0]} at ×{scale}, got {lr.shape[1]}×{lr.shape[0]}; "
            "the two folders belong to different sets or scales"
        )


def data_root(path: Path | None = None) -> Path:
    """Return the folder of the datasets: the given one, else `$SRBENCH_DATA`, else the user's data folder."""
    return path.expanduser() if path is not None else user_dir("SRBENCH_DATA", "data")


_root = data_root


def open_dataset(spec: str, *, data_root: Path | None = None) -> ImageSet:
    """Return the images that a spec names: `Set5`, `DIV2K:train`, `folder:DIR`, `./DIR` or the embedded `Sample`.

    A spec with a slash, or the name of an existing folder that is no dataset's name, means that folder. `MySet` and
    `MySet/HR` are both called MySet. A folder with the name of a known dataset, such as Set5, is called `folder-Set5`.

    Raises:
        UnknownNameError: no such dataset; close matches are offered.
        DatasetError: it is missing (the message says where it was searched and how to get it), empty or ambiguous.

    Examples:
        >>> images = open_dataset("Sample")
        >>> images.names
        ['astronaut', 'brick', 'chelsea', 'coffee', 'grass', 'gravel', 'motorcycle_left']
        >>> images.hr("coffee").shape
        (400, 600, 3)
    """
    kind, _, rest = spec.partition(":")
    if kind == "folder":
        return _open_folder(Path(rest).expanduser())
    if _is_path(spec):
        return _open_folder(Path(spec).expanduser())
    if kind.lower() == "sample":
        if rest:
            raise DatasetError(f"{spec}: expected Sample alone, which has no parts, got {rest!r}; leave it out")
        return _sample()
    entry = find_entry(kind)
    split = entry.split(rest or None)
    store = find_store(entry, split, _root(data_root))
    if store is None:
        raise DatasetError(_missing(entry, split, _root(data_root)))
    return ImageSet(entry.name, store, n_expected=split.count, split=split.name)


def available_datasets(root: Path | None = None) -> list[str]:
    """Return the benchmark sets found under a data root, in the order of the catalogue. No image is opened."""
    return [entry.name for entry in CATALOGUE.values() if find_place(entry, entry.split(), data_root(root))]


def find_place(entry: DatasetEntry, split: Split, root: Path) -> Path | None:
    """Return the imported Parquet file or the HR folder of a split under a data root; None if there is neither."""
    for name in (entry.name, *entry.aliases):
        folders = (root / name / folder for folder in split.hr_folders)
        for place in (root / name / f"{split.name}.parquet", *folders):
            if place.exists():
                return place
    return None


def find_store(entry: DatasetEntry, split: Split, root: Path) -> Store | None:
    """Return the images of a split under a data root; None if they are missing."""
    place = find_place(entry, split, root)
    if place is None:
        return None
    if place.is_file():
        return _fullest(ParquetStore(place), split)
    return FolderStore(place, lr_folders=[place.parent / prefix for prefix in split.lr_prefixes])


def _fullest(store: ParquetStore, split: Split) -> Store:
    """Raise DatasetError if the imported file would hide a folder that has more images of the set."""
    for folder in (store.location.parent / name for name in split.hr_folders):
        if len(store.names) != split.count and folder.is_dir() and len(images_in(folder)) > len(store.names):
            raise DatasetError(
                f"{store.location}: expected the complete set, got {len(store.names)} images while "
                f"{folder} next to it has {len(images_in(folder))}; move the wrong one away, "
                "or import the complete set"
            )
    return store


def _missing(entry: DatasetEntry, split: Split, root: Path) -> str:
    places = f"{root / entry.name / split.hr_folders[0]} or {root / entry.name / split.name}.parquet"
    if entry.sources:
        part = "" if split.name == entry.default_split else f":{split.name}"
        command = f"srbench data download {entry.name}{part}` fetches it, `srbench data import {entry.name} PATH"
        way = f"`{command}` takes your copy"
    else:
        way = entry.access
    return f"{entry.name} ({split.name}) was not found: looked for {places}; {way}. --data-root names another root"


def _open_folder(folder: Path) -> ImageSet:
    if not folder.is_dir():
        raise DatasetError(f"{folder}: expected a folder of images, found none; check the path")
    if not images_in(folder) and (folder / "HR").is_dir():
        folder = folder / "HR"
    if unread := sorted(path.name for path in folder.iterdir() if path.suffix.lower() in _UNREAD_SUFFIXES):
        raise DatasetError(
            f"{folder}: expected PNG, JPEG and BMP images alone, got {listed(unread)}, which would be "
            "missing in every mean; convert or move them"
        )
    name, lr = _name_of(folder), folder.parent / "LR"
    images = ImageSet(name, FolderStore(folder, lr_folders=[folder.parent / "LR_bicubic"]))
    if folder.name == "HR" and lr.is_dir() and not (folder.parent / "LR_bicubic").is_dir():
        return images.with_lr(lr)
    return images


def _is_path(spec: str) -> bool:
    """Return whether a spec means a folder: it looks like a path, or it is a folder whose name is no dataset's."""
    if "/" in spec or "\\" in spec or spec.startswith((".", "~")):
        return True
    return spec.partition(":")[0].lower() not in _known_names() and Path(spec).is_dir()


def _name_of(folder: Path) -> str:
    """Return the name of a folder, or of its parent if it is called HR; `folder-Set5` if that is a known dataset's."""
    place = folder.resolve()
    name = (place.parent.name if place.name == "HR" else place.name) or "folder"
    return f"folder-{name}" if name.lower() in _known_names() else name


def _known_names() -> set[str]:
    return {"sample", *(title.lower() for entry in CATALOGUE.values() for title in (entry.name, *entry.aliases))}


def _sample() -> ImageSet:
    # Find the package's folder without importing the package: skimage is slow to load, and only its files are needed.
    spec = find_spec("skimage")
    if spec is None or not spec.submodule_search_locations:
        raise DatasetError("Sample needs the images of scikit-image, which is not installed; pip install scikit-image")
    folder = Path(spec.submodule_search_locations[0]) / "data"
    files = {name: folder / f"{name}.png" for name in SAMPLE_NAMES if (folder / f"{name}.png").is_file()}
    return ImageSet("Sample", FilesStore(files, folder), n_expected=len(SAMPLE_NAMES))


def _kept_hashes(record: Path) -> dict[str, list[object]]:
    try:
        kept = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    rows = kept.items() if isinstance(kept, dict) else ()
    return {name: row for name, row in rows if isinstance(row, list) and row and SHA256.fullmatch(str(row[-1]))}


def _keep_hashes(record: Path, hashes: dict[str, list[object]]) -> None:
    try:
        write_atomic(record, json.dumps(hashes))
    except SrbenchError:
        # The cache only saves time; an evaluation must not stop because the cache cannot be written.
        return
