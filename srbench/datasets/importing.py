"""Import a dataset from any known layout into one Parquet file per split; image bytes are not changed."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from srbench.datasets.catalogue import DatasetEntry, Split, find_entry, known_images
from srbench.datasets.imageset import data_root as root_of
from srbench.datasets.import_files import UNPACKED, as_folder, files_in
from srbench.datasets.layouts import Role, canonical_name, foreign_set, role_of, split_of
from srbench.datasets.overwrite_guard import ExistingSplit
from srbench.datasets.parquet_writer import ImageWriter
from srbench.datasets.pixel_variants import identify_variant
from srbench.datasets.stores import sizes_pair
from srbench.errors import DatasetError, counted, listed
from srbench.files import atomic_path, explain
from srbench.images import decode, fingerprint, pixel_sha256, size_of

_MANGA109_PAGES = (
    "this is the page-level release of Manga109 (whole volumes); the benchmark is different: 109 PNGs, one page of "
    "each volume. Import the folder that holds those"
)


@dataclass(frozen=True)
class ImportReport:
    """The result of one import: `skipped` counts files by reason, `renamed` maps file names to canonical names.

    `lr_scales` are all scales with imported LR files; `partial_lr` has the number of files for each incomplete scale.
    """

    name: str
    split: str
    path: Path
    names: tuple[str, ...]
    n_expected: int
    lr_scales: tuple[int, ...]
    variant: str
    fingerprint: str
    taken_from: str
    renamed: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, int] = field(default_factory=dict)
    partial_lr: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Found:
    """A file that can be imported: its path relative to the imported folder, its role, and a function that reads it."""

    path: str
    role: Role
    read: Callable[[], bytes]

    @property
    def folder(self) -> str:
        return self.path.rpartition("/")[0]

    @property
    def group(self) -> tuple[str, int | None]:
        return self.folder, self.role.scale


@dataclass
class _Chosen:
    """The HR files of a split by canonical name, and the LR files by scale and name."""

    hr: dict[str, _Found]
    lr: dict[int, dict[str, _Found]]
    taken_from: str
    renamed: dict[str, str]


@dataclass(frozen=True)
class _Plan:
    """A split that was found: the images to write, and the number of files left out for each reason."""

    split: Split
    chosen: _Chosen
    skipped: Counter[str]
    present: ExistingSplit | None


def import_dataset(
    name: str,
    paths: Iterable[Path],
    *,
    data_root: Path | None = None,
    replace: bool = False,
    own_formats: bool = True,
) -> list[ImportReport]:
    """Import a dataset from folders, archives and the hub's Parquet files, in any layout that `layouts` knows.

    `own_formats` also takes lossless WebP and TIFF, stored as PNG: for files of the user's own.

    Writes ROOT/NAME/SPLIT.parquet for each split that was found, completely or not at all. Only one import of a set
    runs at a time. Unless `replace` is set, an import that would remove images, given LR files or canonical pixels of
    an existing split is refused.

    Raises:
        UnknownNameError: no such dataset.
        DatasetError: no image fits, or the import would remove part of an existing split; the message says what was
            found.
        ImageError: an image is damaged.
    """
    entry, root = find_entry(name), root_of(data_root)
    folder = root / entry.name
    # Inside the function: only writers need the lock, and listing must stay cheap.
    from filelock import FileLock

    with ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(FileLock(folder / ".lock"))
        except OSError as error:
            raise DatasetError(explain(error, folder)) from error
        _sweep(folder)
        stack.callback(_sweep, folder)
        skipped: Counter[str] = Counter()
        found = _sorted_out(entry, [as_folder(path, folder) for path in paths], skipped, own_formats)
        plans = [
            _Plan(split, *planned, None if replace else ExistingSplit.find(entry, split, root))
            for split in entry.splits
            if (planned := _planned(entry, split, [item for item in found if _belongs(entry, item, split)], skipped))
        ]
        if not plans:
            raise DatasetError(
                f"{entry.name}: expected its images, found none; {_reasons_in_words(skipped) or 'no files at all'}"
            )
        for plan in plans:
            if plan.present:
                plan.present.require_kept(plan.chosen.hr, plan.chosen.lr)
        return [_import_split(entry, plan, folder) for plan in plans]


def _sweep(folder: Path) -> None:
    """Remove the remains of an interrupted import; the caller holds the lock."""
    for leftover in folder.glob(f"{UNPACKED}*"):
        shutil.rmtree(leftover, ignore_errors=True)
    for leftover in [*folder.glob(f".{UNPACKED}*.partial"), *folder.glob(".*.parquet.*.tmp")]:
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()


def _sorted_out(entry: DatasetEntry, folders: list[Path], skipped: Counter[str], own_formats: bool) -> list[_Found]:
    """Return all files with a role; count the other files by reason in `skipped`."""
    found = []
    for path, read in (item for folder in folders for item in files_in(folder, own_formats)):
        role = role_of(path)
        other = foreign_set(path, entry)
        if isinstance(role, str):
            skipped[role] += 1
        elif other:
            skipped[f"belongs to {other}"] += 1
        else:
            found.append(_Found(str(path), role, read))
    _refuse_pages(entry, found)
    return found


def _refuse_pages(entry: DatasetEntry, found: list[_Found]) -> None:
    if entry.name == "Manga109" and len({item.folder for item in found if item.role.name.isdecimal()}) > 1:
        raise DatasetError(_MANGA109_PAGES)


def _belongs(entry: DatasetEntry, item: _Found, split: Split) -> bool:
    name = canonical_name(entry, item.role.name)
    if split.first is None:
        return True
    return name is not None and split_of(entry, name) == split.name


def _planned(
    entry: DatasetEntry, split: Split, found: list[_Found], skipped: Counter[str]
) -> tuple[_Chosen, Counter[str]] | None:
    left = Counter(skipped)
    chosen = _choose(entry, found, left)
    if not chosen.hr:
        skipped.update(left - skipped)
        return None
    if split.count is not None and len(chosen.hr) > split.count:
        reason = _MANGA109_PAGES if entry.name == "Manga109" else "import the folder that holds this set alone"
        raise DatasetError(f"{entry.name}: expected {split.count} images, found {len(chosen.hr)}; {reason}")
    return chosen, left


def _import_split(entry: DatasetEntry, plan: _Plan, folder: Path) -> ImportReport:
    split, chosen = plan.split, plan.chosen
    target = folder / f"{split.name}.parquet"
    hashes = _write(chosen, target, plan.present)
    return ImportReport(
        name=entry.name,
        split=split.name,
        path=target,
        names=tuple(hashes),
        n_expected=split.count or len(hashes),
        lr_scales=tuple(sorted(chosen.lr)),
        variant=identify_variant(entry.name, hashes),
        fingerprint=fingerprint(hashes.values()),
        taken_from=chosen.taken_from,
        renamed=chosen.renamed,
        skipped=dict(plan.skipped),
        partial_lr={scale: len(lr) for scale, lr in sorted(chosen.lr.items()) if len(lr) < len(chosen.hr)},
    )


def _choose(entry: DatasetEntry, found: list[_Found], skipped: Counter[str]) -> _Chosen:
    """Choose one HR file per name and one LR file per name and scale from the files that were found."""
    renamed: dict[str, str] = {}
    groups = _groups(item for item in found if not item.role.is_lr)
    groups = {key: items for key, items in groups.items() if not _half_size(entry, items, skipped)}
    if not groups:
        return _Chosen({}, {}, "", {})
    best = max(groups, key=lambda key: _rank(entry, groups[key]))
    parts = _parts(entry, groups, best)
    for key, items in groups.items():
        if key not in parts:
            skipped[f"another HR folder than the one taken ({key[0]})"] += len(items)
    hr = _named(entry, [item for key in parts for item in groups[key]], renamed, skipped)
    lr: dict[int, dict[str, _Found]] = {}
    lr_groups = _groups(item for item in found if item.role.is_lr)
    for (place, scale), items in sorted(lr_groups.items(), key=lambda group: -len(group[1])):
        if scale is None or scale in lr:
            skipped[f"another LR folder than the one taken ({place})"] += len(items)
            continue
        named = _named(entry, items, {}, skipped, renamed)
        paired = {name: item for name, item in named.items() if name in hr}
        if len(paired) < len(named):
            skipped[f"LR ×{scale} without its HR"] += len(named) - len(paired)
        if _pairs(hr, paired, scale):
            lr[scale] = paired
        else:
            skipped[f"LR ×{scale} of a size that does not pair with the HR"] += len(paired)
    return _Chosen(hr, lr, best[0], renamed)


def _groups(items: Iterable[_Found]) -> dict[tuple[str, int | None], list[_Found]]:
    groups: dict[tuple[str, int | None], list[_Found]] = {}
    for item in items:
        groups.setdefault(item.group, []).append(item)
    return groups


def _rank(entry: DatasetEntry, items: list[_Found]) -> tuple[int, int, int]:
    """Return the sort key of a folder: the number of canonical names in it, then the size of its images."""
    height, width = _size(items[0])
    return sum(canonical_name(entry, item.role.name) is not None for item in items), height * width, len(items)


def _half_size(entry: DatasetEntry, items: list[_Found], skipped: Counter[str]) -> bool:
    """Return whether these are the half-size images of SelfExSR, which are not the HR images for ×2."""
    known = {image.name: image for image in known_images(entry.name)}
    image = known.get(canonical_name(entry, items[0].role.name) or "")
    if image is None:
        return False
    height, width = _size(items[0])
    half = abs(width - image.width / 2) <= 8 and abs(height - image.height / 2) <= 8
    if half:
        skipped[f"half the size of {entry.name}'s images ({items[0].folder})"] += len(items)
    return half


def _parts(
    entry: DatasetEntry, groups: dict[tuple[str, int | None], list[_Found]], best: tuple[str, int | None]
) -> list[tuple[str, int | None]]:
    """Return the best HR folder; if a set is split over several folders, return all of them.

    The others are next to it (or next to its parent), have files of the same kind, and hold other images of the set.
    """
    parts, names = [best], _names_in(entry, groups[best])
    parent, _, leaf = best[0].rpartition("/")
    # If the folder is called HR, the folders next to it hold something else.
    parent = "" if re.search("HR|GT", leaf, re.IGNORECASE) else parent
    for key, items in groups.items():
        others = _names_in(entry, items)
        near = key[0].startswith(f"{best[0]}/") or (bool(parent) and key[0].startswith(f"{parent}/"))
        if key != best and key[1] == best[1] and near and len(others) == len(items) and not names & others:
            parts.append(key)
            names |= others
    return parts


def _names_in(entry: DatasetEntry, items: list[_Found]) -> set[str]:
    return {name for item in items if (name := canonical_name(entry, item.role.name)) is not None}


def _named(
    entry: DatasetEntry,
    items: list[_Found],
    renamed: dict[str, str],
    skipped: Counter[str],
    known: Mapping[str, str] | None = None,
) -> dict[str, _Found]:
    """Return the files by canonical name, in string order.

    Files with unknown names are recognised by their pixels. LR files are found by the names of their HR files, which
    `known` maps to the names of the set.
    """
    named: dict[str, _Found] = {}
    foreign: list[str] = []
    by_pixels = {image.sha256: image.name for image in known_images(entry.name)}
    for item in items:
        name = canonical_name(entry, item.role.name) or (known or {}).get(item.role.name)
        if name is None and not item.role.is_lr:
            name = by_pixels.get(pixel_sha256(decode(item.read(), name=item.path)))
        if name is None:
            foreign.append(item.role.name[:60])
            continue
        if name in named:
            raise DatasetError(
                f"{entry.name}/{name}: expected one file, got {named[name].path} and {item.path}; remove one of them"
            )
        if name != item.role.name:
            renamed[item.role.name] = name
        named[name] = item
    if foreign:
        skipped[f"not one of the names of {entry.name} ({listed(foreign)})"] += len(foreign)
    return dict(sorted(named.items()))


def _pairs(hr: dict[str, _Found], lr: dict[str, _Found], scale: int) -> bool:
    return bool(lr) and all(sizes_pair(_size(hr[name]), _size(item), scale=scale) for name, item in lr.items())


def _size(item: _Found) -> tuple[int, int]:
    """Return height and width from the header of the file; pixels are decoded only once, when they are written."""
    return size_of(item.read(), name=item.path)


def _write(chosen: _Chosen, target: Path, present: ExistingSplit | None) -> dict[str, str]:
    """Write the images to a Parquet file one by one; return their pixel hashes by name."""
    # Inside the function: only long work shows a bar.
    from tqdm import tqdm

    hashes: dict[str, str] = {}
    scales = sorted(chosen.lr)
    with atomic_path(target, error=DatasetError) as temporary, ImageWriter(temporary, scales=scales) as writer:
        for name, item in tqdm(chosen.hr.items(), desc=f"importing {target.parent.name}", unit="image", disable=None):
            data = item.read()
            hashes[name] = pixel_sha256(decode(data, name=item.path))
            lr = {scale: chosen.lr[scale][name].read() for scale in scales if name in chosen.lr[scale]}
            for scale, low in lr.items():
                decode(low, name=chosen.lr[scale][name].path)
            writer.add(name, data, lr)
        if present:
            present.require_pixels(hashes)
        writer.record({"images": len(hashes), "fingerprint": fingerprint(hashes.values())})
    return hashes


def _reasons_in_words(skipped: Counter[str]) -> str:
    return "; ".join(f"{counted(count, 'file')} left out: {reason}" for reason, count in skipped.items())
