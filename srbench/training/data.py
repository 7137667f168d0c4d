"""What a training reads: the images named, those held out, and both packed as aligned pairs."""

from __future__ import annotations

import difflib
import hashlib
from dataclasses import dataclass
from pathlib import Path

from srbench.datasets.catalogue import CATALOGUE, find_entry
from srbench.datasets.imageset import ImageSet, data_root, find_place
from srbench.datasets.packing import PatchStore, build_store
from srbench.datasets.pairs import PairMaker, pair_maker
from srbench.datasets.patches import PatchPlan
from srbench.datasets.stores import FolderStore, images_in
from srbench.errors import DatasetError, TrainingError
from srbench.files import cache_dir
from srbench.training.recipe import Recipe


@dataclass(frozen=True)
class TrainingData:
    """Packed pairs to train on and to measure progress on (None without held-out images), and whose pixels they are.

    `fingerprint` is that of all images of the set, the held-out ones included; `images` counts those trained on.
    """

    name: str
    fingerprint: str
    images: int
    train: PatchStore
    held_out: PatchStore | None

    def plan(self, recipe: Recipe, seed: int) -> PatchPlan:
        """The patches of a training: one stream for all processes, whatever their number.

        Raises DatasetError where an image or its crops are smaller than the recipe's patch.
        """
        # Pairs that were packed crop by crop are windows already.
        five_crop = recipe.crops == "five" and recipe.lr == "matlab"
        return PatchPlan(self.train, patch=recipe.patch, seed=seed, five_crop=five_crop, symmetries=recipe.symmetries,
                         repeat=recipe.repeat)


def open_training_data(name: str, recipe: Recipe, *, scale: int, root: Path | None = None) -> TrainingData:
    """The set `name` under the data root, or the folder of that path, packed for the recipe; packed once, then reused.

    Raises:
        TrainingError: a held-out name that the set lacks, or nothing left to train on.
        DatasetError: the set is not there, or cannot be packed.
    """
    folder = find_training_folder(name, root)
    files = images_in(folder)
    if not files:
        raise DatasetError(f"{folder}: expected training images (png, jpg, bmp), found none; check the folder")
    _require_held_out(recipe, files, folder)
    train = {stem: path for stem, path in files.items() if stem not in recipe.held_out}
    held_out = {stem: files[stem] for stem in recipe.held_out}
    if not train:
        raise TrainingError(f"{folder}: expected images besides the {len(held_out)} held out, got none; hold out fewer")
    whole = pair_maker("matlab", scale=scale)
    return TrainingData(
        name=name, fingerprint=ImageSet(name, FolderStore(folder)).fingerprint, images=len(train),
        train=_packed(train, pair_maker(recipe.lr, scale=scale)),
        held_out=_packed(held_out, whole) if held_out else None)


def find_training_folder(name: str, root: Path | None = None) -> Path:
    """The folder of images that a training set's name or path stands for.

    A set of the catalogue (its training split, where it has one), a folder of that name under the data root, with its
    images in it or in its `HR`, or a path; `folder:DIR` is always a path. Raises DatasetError where there is none.
    """
    kind, _, rest = name.partition(":")
    if kind == "folder":
        return _existing(Path(rest).expanduser(), name)
    if place := _catalogued(kind, rest, data_root(root)):
        return place
    named = data_root(root) / name
    for folder in (named / "HR", named, Path(name).expanduser() / "HR", Path(name).expanduser()):
        if folder.is_dir():
            return folder
    raise DatasetError(f"training set {name!r} was not found: looked for {named} and for a folder of that path; "
                       "--data-root names another root")


def _catalogued(name: str, split: str, root: Path) -> Path | None:
    if name.lower() not in {alias.lower() for entry in CATALOGUE.values() for alias in (entry.name, *entry.aliases)}:
        return None
    entry = find_entry(name)
    wanted = split or next((known.name for known in entry.splits if known.name == "train"), None)
    place = find_place(entry, entry.split(wanted), root)
    if place is not None and not place.is_dir():
        raise DatasetError(f"{place}: expected a folder of image files to train on, got an imported set; "
                           "name the folder that it was imported from")
    return place


def _existing(folder: Path, name: str) -> Path:
    if not folder.is_dir():
        raise DatasetError(f"{name}: expected a folder of images, found none; check the path after folder:")
    return folder


def _require_held_out(recipe: Recipe, files: dict[str, Path], folder: Path) -> None:
    missing = [name for name in recipe.held_out if name not in files]
    if not missing:
        return
    close = {other for name in missing for other in difflib.get_close_matches(name, files, n=1)}
    hint = f" (there are {', '.join(sorted(close))})" if close else ""
    raise TrainingError(
        f"{folder}: expected all {len(recipe.held_out)} images that recipe {recipe.name} holds out, missing are "
        f"{', '.join(missing[:5])}{' …' if len(missing) > 5 else ''}{hint}; take the recipe's own training set, or "
        "name others with --set held_out=NAME,NAME (empty for none)")


def _packed(files: dict[str, Path], make: PairMaker) -> PatchStore:
    """The store of these files, in the cache folder under a name that their paths and the pairs decide."""
    identity = "\n".join([make.key, *(str(path.resolve()) for path in files.values())])
    folder = cache_dir() / "patches" / f"x{make.scale}-{hashlib.sha256(identity.encode()).hexdigest()[:16]}"
    return build_store(files, folder, make=make)
