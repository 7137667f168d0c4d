"""`gallery.html`: the same crop of several models next to each other, as in the figures of papers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from leaderboard.addresses import link, model_path
from leaderboard.boards import front_board
from leaderboard.collection import Collection
from leaderboard.entries import Entry
from leaderboard.families import is_baseline
from leaderboard.models import sample_path
from leaderboard.pages import Page
from leaderboard.rendering import render
from srbench.protocols import get_protocol
from srbench.submissions.crops import CORNERS, SCALE

PATH = "gallery.html"
DATA = "data/gallery.js"
"""The models and their crops, as a script: a page that is opened from a disk may load scripts but not read files."""

PROTOCOL = "matlab-y"
"""The protocol of the LR and of the scores of single crops."""

IMAGES = ("brick", "motorcycle_left", "grass", "gravel", "coffee", "chelsea", "astronaut")
"""The images of the Sample set, those with most texture first."""

_SHOWN = 3
_STATIC = Path(__file__).with_name("static") / "samples"


@dataclass(frozen=True)
class Crop:
    """One SR crop: its address in the site, and PSNR and PSNR (aliased) of the crop in dB."""

    address: str
    psnr: float | None
    aliased: float | None


@dataclass(frozen=True)
class GalleryModel:
    """An entry with crops, by image name."""

    entry: Entry
    crops: dict[str, Crop]


def pages(collection: Collection) -> Iterator[Page]:
    """Return `gallery.html` and its data."""
    models = cache(partial(gallery_models, collection))
    yield Page(PATH, lambda: _page(models()))
    yield Page(DATA, lambda: _script(models()))


def gallery_models(collection: Collection) -> list[GalleryModel]:
    """Return the entries with crops: the interpolations first, then in the order of the front page."""
    front = front_board(collection)
    ordered = [line.entry for line in front.lines] if front else []
    ordered += [entry for entry in collection if entry not in ordered]
    with_crops = [entry for entry in ordered if entry.submission.samples]
    with_crops.sort(key=lambda entry: not is_baseline(entry))
    return [GalleryModel(entry, _crops(entry)) for entry in with_crops]


def _crops(entry: Entry) -> dict[str, Crop]:
    found = {}
    for name in entry.submission.samples:
        image = name.rpartition(".")[0]
        scores = _scores(_decoded((entry.submission.folder / "samples" / name).read_bytes()), image)
        found[image] = Crop(link(sample_path(entry, name)), scores["psnr_y"], scores["psnr_y_aliased"])
    return found


def _scores(crop: NDArray[np.uint8], image: str) -> dict[str, float | None]:
    return get_protocol(PROTOCOL).score(crop, _reference(image), scale=SCALE)


@cache
def _reference(image: str) -> NDArray[np.uint8]:
    return _decoded((_STATIC / f"{image}.webp").read_bytes())


def _decoded(data: bytes) -> NDArray[np.uint8]:
    with Image.open(BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


def _page(models: Sequence[GalleryModel]) -> str:
    shown = [one for one in models if len(one.crops) == len(CORNERS)][: 1 + _SHOWN]
    return render(
        "gallery.html.j2",
        path=PATH,
        images=IMAGES,
        models=models,
        shown=shown,
        data=DATA,
        scale=SCALE,
        protocol=PROTOCOL,
    )


def _script(models: Sequence[GalleryModel]) -> str:
    listed = [
        {
            "id": one.entry.id,
            "title": one.entry.title,
            "page": link(model_path(one.entry.id)),
            "crops": {
                name: [crop.address, _rounded(crop.psnr), _rounded(crop.aliased)] for name, crop in one.crops.items()
            },
        }
        for one in models
    ]
    text = json.dumps({"images": IMAGES, "models": listed}, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return f"srbenchGallery({text});\n"


def _rounded(value: float | None) -> float | str | None:
    return None if value is None else "∞" if np.isinf(value) else round(value, 2)
