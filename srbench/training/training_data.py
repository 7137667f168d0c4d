"""Prepare the data of a training: its images, the held-out ones, and both packed as aligned pairs."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from srbench.datasets.catalogue import CATALOGUE
from srbench.datasets.imageset import ImageSet, data_root, open_dataset
from srbench.datasets.pairs import PairMaker, pair_maker
from srbench.datasets.patch_store import PatchStore, StoredImage, build_store
from srbench.datasets.patches import PatchPlan
from srbench.datasets.stores import FolderStore
from srbench.errors import DatasetError, TrainingError
from srbench.files import cache_dir
from srbench.records.recipe_model import RecipeRecord
from srbench.training.recipe import Recipe


@dataclass(frozen=True)
class TrainingData:
    """Packed pairs to train on, and to measure progress on (None without held-out images), with their identity.

    `name` is the set's or the folder's, never a path; `fingerprint` is that of all its images, the held-out ones
    included, and `pixels` the hash of each; `images` counts those trained on.
    """

    name: str
    fingerprint: str
    pixels: tuple[str, ...]
    images: int
    train: PatchStore
    held_out: PatchStore | None
    held_out_names: tuple[str, ...] = ()
    ranked: tuple[str, ...] = ()

    def plan(self, recipe: Recipe, seed: int) -> PatchPlan:
        """Return the patches of a training: one stream that all processes share.

        Raises DatasetError where an image or its crops are smaller than the recipe's patch.
        """
        # With LR made per crop, the store already holds the five crops as separate pairs.
        five_crop = recipe.crops == "five" and recipe.lr == "matlab"
        return PatchPlan(
            self.train,
            patch=recipe.patch,
            seed=seed,
            five_crop=five_crop,
            symmetries=recipe.symmetries,
            repeat=recipe.repeat,
        )


def open_training_data(name: str, recipe: Recipe, *, scale: int, root: Path | None = None) -> TrainingData:
    """Open a training set by its name or path, packed for the recipe. It is packed once and reused afterwards.

    Raises:
        TrainingError: a held-out name that the set lacks, or nothing left to train on.
        DatasetError: the set is not there, or cannot be packed.
    """
    images = find_training_images(name, root)
    ranked = tuple(sorted(images.names, key=lambda name: images.pixel_hashes[name]))
    held_out = held_out_names(recipe, ranked)
    _require_held_out(recipe, held_out, images)
    train = [stem for stem in images.names if stem not in held_out]
    if not train:
        raise TrainingError(
            f"{images.location}: expected images to train on, got {len(images)}, all of them held out; hold out fewer "
            "with --set held_out=1"
        )
    whole = pair_maker("matlab", scale=scale)
    return TrainingData(
        name=images.name,
        fingerprint=images.fingerprint,
        pixels=tuple(sorted(images.pixel_hashes.values())),
        images=len(train),
        train=_packed(images, train, pair_maker(recipe.lr, scale=scale)),
        held_out=_packed(images, held_out, whole) if held_out else None,
        held_out_names=held_out,
        ranked=ranked,
    )


def find_training_images(name: str, root: Path | None = None) -> ImageSet:
    """Return the images of a training set, given by name or path.

    A set of the catalogue (its training split, where it has one), the embedded `Sample`, a folder of that name under
    the data root, with its images in it or in its `HR`, or a path; `folder:DIR` is always a path. Raises DatasetError
    where there is none.
    """
    if name == "Sample" or name.startswith("folder:"):
        return open_dataset(name)
    if images := _catalogued(name, root):
        return images
    named = data_root(root) / name
    for folder in (named / "HR", named, Path(name).expanduser() / "HR", Path(name).expanduser()):
        if folder.is_dir():
            return ImageSet(named.name, FolderStore(folder))
    raise DatasetError(
        f"training set {name!r} was not found: looked for {named} and for a folder of that path; "
        "--data-root names another root"
    )


def _catalogued(name: str, root: Path | None) -> ImageSet | None:
    title, _, split = name.partition(":")
    entry = next(
        (
            entry
            for entry in CATALOGUE.values()
            if title.lower() in (alias.lower() for alias in (entry.name, *entry.aliases))
        ),
        None,
    )
    if entry is None:
        return None
    named = {known.name for known in entry.splits}
    return open_dataset(
        f"{entry.name}:{split or ('train' if 'train' in named else entry.default_split)}", data_root=root
    )


def held_out_names(recipe: RecipeRecord, ranked: Sequence[str]) -> tuple[str, ...]:
    """Return the images that a recipe holds out: those it names, or the first ones of all names ranked by hash.

    A recipe that names images of a different training set holds out as many by hash, at most a tenth of the images.
    """
    wanted = recipe.held_out
    if isinstance(wanted, int):
        return tuple(ranked[:wanted])
    if not wanted or set(wanted) & set(ranked):
        return wanted
    return tuple(ranked[: min(len(wanted), max(len(ranked) // 10, 1), len(ranked) - 1)])


def _require_held_out(recipe: Recipe, held_out: Sequence[str], images: ImageSet) -> None:
    missing = [name for name in held_out if name not in images.names]
    if not missing:
        return
    close = {other for name in missing for other in difflib.get_close_matches(name, images.names, n=1)}
    hint = f" (there are {', '.join(sorted(close))})" if close else ""
    raise TrainingError(
        f"{images.location}: expected all {len(held_out)} images that recipe {recipe.name} holds out, missing "
        f"are {', '.join(missing[:5])}{' …' if len(missing) > 5 else ''}{hint}; take the recipe's own training set, "
        "or hold out a number of images with --set held_out=5 (empty for none)"
    )


def _packed(images: ImageSet, names: Sequence[str], make: PairMaker) -> PatchStore:
    """Return the store of these images in the cache folder; its name depends on their folder and on the pairs."""
    identity = "\n".join([make.key, str(images.location.resolve()), *names])
    folder = cache_dir() / "patches" / f"x{make.scale}-{hashlib.sha256(identity.encode()).hexdigest()[:16]}"
    return build_store({name: StoredImage(images.store, name) for name in names}, folder, make=make)
