"""`gallery.html`: the same crop of several models next to each other, as in the figures of papers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
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
from srbench.submissions.crops import SCALE, TEXTURE_SCALES, SampleCrop, crop_named, crops_at

PATH = "gallery.html"
DATA = "data/gallery.js"
"""The models and their crops, as a script: a page that is opened from a disk may load scripts but not read files."""

PROTOCOL = "matlab-y"
"""The protocol of the LR and of the scores of single crops."""

_LABELS = {
    "motorcycle_left_large": "cooling fins (motorcycle_left)",
    "brick_large": "bricks (brick)",
    "astronaut_large": "fabric (astronaut)",
}
_SMALL_ORDER = ("brick", "motorcycle_left", "grass", "gravel", "coffee", "chelsea", "astronaut")
_SHOWN = 3
_STATIC = Path(__file__).with_name("static") / "samples"


@dataclass(frozen=True)
class Picture:
    """A place of a photograph that models can be compared on; `lr` has the address of its LR by scale.

    `hr` is the address of the HR crop, `place` is that of the small photograph with a box. `side` is in HR pixels.
    """

    name: str
    label: str
    side: int
    hr: str
    place: str
    lr: dict[int, str]

    @property
    def scale(self) -> int:
        """The scale that is shown first: ×4 if there is one."""
        return SCALE if SCALE in self.lr else max(self.lr)


@dataclass(frozen=True)
class Crop:
    """One SR crop: its address in the site, and PSNR and PSNR (aliased) of the crop in dB."""

    address: str
    psnr: float | None
    aliased: float | None


@dataclass(frozen=True)
class GalleryModel:
    """An entry with crops, by the name of the picture and scale: `brick_large@2`."""

    entry: Entry
    crops: dict[str, Crop]
    scales: tuple[int, ...] = field(default=(SCALE,))


def pages(collection: Collection) -> Iterator[Page]:
    """Return `gallery.html` and its data."""
    models = cache(partial(gallery_models, collection))
    yield Page(PATH, lambda: _page(models()))
    yield Page(DATA, lambda: _script(models()))


def pictures() -> list[Picture]:
    """Return the pictures of the Sample set: the large ones, then the small ones with most texture first."""
    large = [crop for crop in crops_at(SCALE) if crop.is_large]
    small = {crop.image: crop for crop in crops_at(SCALE) if not crop.is_large}
    return [_picture(crop) for crop in (*large, *(small[name] for name in _SMALL_ORDER))]


def gallery_models(collection: Collection) -> list[GalleryModel]:
    """Return the entries with crops: the interpolations first, then in the order of the front page."""
    front = front_board(collection)
    ordered = [line.entry for line in front.lines] if front else []
    ordered += [entry for entry in collection if entry not in ordered]
    with_crops = [entry for entry in ordered if entry.submission.samples]
    with_crops.sort(key=lambda entry: not is_baseline(entry))
    return [_model(entry) for entry in with_crops]


def _picture(crop: SampleCrop) -> Picture:
    scales = TEXTURE_SCALES if crop.is_large else (SCALE,)
    stems = {scale: replace(crop, scale=scale).stem for scale in scales}
    return Picture(
        crop.reference,
        _LABELS.get(crop.reference, crop.image),
        crop.side,
        f"static/samples/{crop.reference}.webp",
        f"static/samples/{crop.reference}_place.webp",
        {scale: f"static/samples/{stem}_lr.webp" for scale, stem in stems.items()},
    )


def _model(entry: Entry) -> GalleryModel:
    found: dict[str, Crop] = {}
    scales: set[int] = set()
    for name in entry.submission.samples:
        crop = crop_named(name.rpartition(".")[0])
        if crop is not None:
            pixels = _decoded((entry.submission.folder / "samples" / name).read_bytes())
            psnr, aliased = _scores(pixels, crop)
            found[f"{crop.reference}@{crop.scale}"] = Crop(link(sample_path(entry, name)), psnr, aliased)
            scales.add(crop.scale)
    return GalleryModel(entry, found, tuple(sorted(scales)))


def _scores(pixels: NDArray[np.uint8], crop: SampleCrop) -> tuple[float | None, float | None]:
    scores = get_protocol(PROTOCOL).score(pixels, _reference(crop.reference), scale=crop.scale)
    return scores["psnr_y"], scores["psnr_y_aliased"]


@cache
def _reference(name: str) -> NDArray[np.uint8]:
    return _decoded((_STATIC / f"{name}.webp").read_bytes())


def _decoded(data: bytes) -> NDArray[np.uint8]:
    with Image.open(BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


def _page(models: Sequence[GalleryModel]) -> str:
    found = pictures()
    shown = {
        picture.name: [one for one in models if f"{picture.name}@{picture.scale}" in one.crops][: 1 + _SHOWN]
        for picture in found
    }
    return render(
        "gallery.html.j2",
        path=PATH,
        pictures=[picture for picture in found if shown[picture.name]],
        models=models,
        shown=shown,
        data=DATA,
        protocol=PROTOCOL,
    )


def _script(models: Sequence[GalleryModel]) -> str:
    return gallery_script(used_pictures(models), [listed_model(one) for one in models])


def used_pictures(models: Sequence[GalleryModel]) -> list[Picture]:
    """Return the pictures that a model has a crop of."""
    used = {name.partition("@")[0] for one in models for name in one.crops}
    return [picture for picture in pictures() if picture.name in used]


def listed_model(one: GalleryModel, further: Mapping[str, list[object]] | None = None) -> dict[str, object]:
    """Return a model in the form that the page's script reads; `further` are crops that belong to no entry."""
    own = {name: [crop.address, rounded(crop.psnr), rounded(crop.aliased)] for name, crop in one.crops.items()}
    return {
        "id": one.entry.id,
        "title": one.entry.title,
        "page": link(model_path(one.entry.id)),
        "crops": {**own, **(further or {})},
    }


def gallery_script(shown: Sequence[Picture], models: Sequence[object]) -> str:
    """Return the script with the pictures and the crops of models."""
    listed = [
        {
            "name": one.name,
            "label": one.label,
            "side": one.side,
            "hr": one.hr,
            "place": one.place,
            "scale": one.scale,
            "lr": one.lr,
        }
        for one in shown
    ]
    document = {"pictures": listed, "models": models}
    text = json.dumps(document, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return f"srbenchGallery({text});\n"


def rounded(value: float | None) -> float | str | None:
    """Return a score for the page's script: with two decimals, or the sign for infinity."""
    return None if value is None else "∞" if np.isinf(value) else round(value, 2)
