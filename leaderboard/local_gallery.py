"""The gallery with crops of the user's own images, as files that `serve` keeps in memory and never writes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from leaderboard.addresses import address_safe, link
from leaderboard.collection import Collection
from leaderboard.gallery import (
    DATA,
    GalleryModel,
    Picture,
    gallery_models,
    gallery_script,
    listed_model,
    rounded,
    used_pictures,
)
from srbench.crop_boxes import LocalCrop

FOLDER = "local"
"""Where the pictures are served; no page of a built site is there."""
_MODELS = 3


def default_models(collection: Collection, scale: int) -> list[str]:
    """Return the specs of bicubic and of the first entries of the front page that were run at a scale."""
    ordered = [one.entry.record for one in gallery_models(collection)]
    specs = [record.model.spec for record in ordered if any(run.scale == scale for run in record.runs)]
    return list(dict.fromkeys(["bicubic", *(spec for spec in specs if not spec.startswith("images:"))]))[: 1 + _MODELS]


def local_files(collection: Collection, crops: Sequence[LocalCrop]) -> dict[str, bytes]:
    """Return files by path: the pictures of the crops, and the gallery's data with these crops first."""
    files = {path: data for crop in crops for path, data in _pictures(crop)}
    models = gallery_models(collection)
    shown = [*(_picture(crop) for crop in crops), *used_pictures(models)]
    files[DATA] = gallery_script(shown, list(_listed(models, crops))).encode()
    return files


def _listed(models: Sequence[GalleryModel], crops: Sequence[LocalCrop]) -> Iterator[dict[str, object]]:
    """Return the models in the form that the page's script reads; models without an entry come last, named by specs."""
    specs = list(dict.fromkeys(spec for crop in crops for spec in crop.sr))
    for one in models:
        spec = one.entry.record.model.spec
        yield listed_model(one, _addresses(spec, crops))
        specs = [other for other in specs if other != spec]
    for spec in specs:
        yield {"id": spec.replace(" ", "_"), "title": spec, "page": "", "crops": _addresses(spec, crops)}


def _addresses(spec: str, crops: Sequence[LocalCrop]) -> dict[str, list[object]]:
    return {
        f"{_name(crop)}@{crop.scale}": [link(_sr_path(crop, spec)), *map(rounded, crop.scores[spec])]
        for crop in crops
        if spec in crop.sr
    }


def _picture(crop: LocalCrop) -> Picture:
    return Picture(
        _name(crop),
        f"{crop.image} ({crop.dataset}, your copy)",
        crop.box.width,
        link(_path(crop, "hr")),
        link(_path(crop, "place")),
        {crop.scale: link(_path(crop, "lr"))},
    )


def _pictures(crop: LocalCrop) -> Iterator[tuple[str, bytes]]:
    yield _path(crop, "hr"), crop.hr
    yield _path(crop, "lr"), crop.lr
    yield _path(crop, "place"), crop.place
    for spec, data in crop.sr.items():
        yield _sr_path(crop, spec), data


def _name(crop: LocalCrop) -> str:
    return f"{crop.dataset}/{crop.image}"


def _sr_path(crop: LocalCrop, spec: str) -> str:
    return _path(crop, f"model-{list(crop.sr).index(spec)}")


def _path(crop: LocalCrop, name: str) -> str:
    return f"{FOLDER}/{address_safe(crop.dataset)}/{address_safe(crop.image)}-x{crop.scale}-{name}.webp"
