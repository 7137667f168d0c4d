"""Build the page that compares any two entries in the browser, and the per-image data that it loads for them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from functools import partial

from leaderboard.addresses import address_safe, link, model_path
from leaderboard.boards import front_board
from leaderboard.collection import Collection
from leaderboard.entries import Entry, Group, GroupValues, Mean
from leaderboard.further_metrics import further_metrics
from leaderboard.matching import matched_pairs, partners
from leaderboard.models import small_crops
from leaderboard.pages import Page
from leaderboard.ranking import METRICS
from leaderboard.rendering import LEVELS, render
from leaderboard.views import group_rank
from srbench.run_comparison import STATEMENT
from srbench.scores import json_number
from srbench.statistics import MIN_IMAGES
from srbench.submissions.crops import CORNERS, SCALE

PATH = "compare.html"
INDEX = "data/compare.js"
"""The list of entries, as a script: a page opened from a disk may load scripts but not read files. It is outside the
folder of the scripts of entries, because an entry may be called index."""

_LISTED = 300


def pages(collection: Collection) -> Iterator[Page]:
    """Return `compare.html`, the list of entries and one script of scores per entry."""
    names = _names(collection)
    others = partners(collection)
    first = _first(collection)
    listed = [[*name, others.get(name[0])] for name in names]
    yield Page(PATH, partial(_page, names))
    yield Page(INDEX, partial(_script, "index", {"first": first, "entries": listed}))
    for entry in collection:
        yield Page(data_path(entry.id), partial(_entry_script, collection, entry))


def _first(collection: Collection) -> str | None:
    """Return the entry to show first: the variant of the highest ranked pair of base and variant, else the leader.

    The variant comes first because everywhere else differences are variant minus base. None without entries.
    """
    board, matched = front_board(collection), matched_pairs(collection)
    ids = [line.entry.id for line in board.lines] if board else []
    variants = (matched[name][0].variant.id for name in ids if name in matched)
    return next(variants, ids[0] if ids else None)


def _pictures(entry: Entry) -> str:
    if entry.submission.samples_verified:
        return "made again"
    return "as submitted" if entry.submission.samples else "none"


def _names(collection: Collection) -> list[tuple[str, str]]:
    """Return the id and title of each entry. The id is added to titles that several entries share."""
    held = Counter(entry.title for entry in collection)
    return [(entry.id, f"{entry.title} ({entry.id})" if held[entry.title] > 1 else entry.title) for entry in collection]


def data_path(entry_id: str) -> str:
    """Return the path of the script with an entry's scores."""
    return f"data/compare/{address_safe(entry_id)}.js"


def _page(names: list[tuple[str, str]]) -> str:
    return render(
        "compare.html.j2",
        path=PATH,
        index=INDEX,
        listed=names[:_LISTED],
        left_out=max(0, len(names) - _LISTED),
        min_images=MIN_IMAGES,
        statement=STATEMENT,
        samples=tuple(CORNERS),
        sample_scale=SCALE,
    )


def _entry_script(collection: Collection, entry: Entry) -> str:
    names: dict[str, int] = {}
    groups = {
        " ".join(map(str, group)): _group(collection.values(entry, group), entry.means[group], images, names)
        for group, images in _images(entry)
    }
    document = {
        "id": entry.id,
        "title": entry.title,
        "page": link(model_path(entry.id)),
        "facts": _facts(entry),
        "images": [json.loads(listed) for listed in names],
        "groups": groups,
        "metrics": _metrics(entry),
        "samples": {stem: link(path) for stem, path in small_crops(entry)},
    }
    return _script("entry", document)


def _images(entry: Entry) -> Iterator[tuple[Group, list[str]]]:
    """Return the image names of each group in the order of its values; groups by protocol, scale and dataset."""
    rows = entry.rows()
    for group in sorted(entry.means, key=group_rank):
        yield group, [str(row["image"]) for row in rows[group]]


def _group(values: GroupValues, mean: Mean, images: list[str], names: dict[str, int]) -> dict[str, object]:
    """Return the scores of one group. Equal lists of image names are stored only once, in `names` under their JSON."""
    place = names.setdefault(json.dumps(images), len(names))
    metrics = {name: [json_number(float(value)) for value in values[row]] for row, name in enumerate(METRICS)}
    return {
        "images": place,
        "inputs": mean.inputs,
        "n_expected": mean.n_expected,
        "psnr_mean": json_number(mean.psnr),
        "ssim_mean": json_number(mean.ssim),
        **metrics,
    }


def _metrics(entry: Entry) -> list[dict[str, object]]:
    """Return the further metrics of an entry: name with version, arrow, and means as text by group."""
    return [
        {
            "name": f"{one.title} (version {one.version}) {one.arrow}",
            "means": {" ".join(map(str, group)): one.shown(group) for group in sorted(one.means, key=group_rank)},
        }
        for one in further_metrics(entry)
    ]


def _facts(entry: Entry) -> dict[str, str]:
    """Return in words what may differ between two entries in addition to their scores."""
    options, model, training = entry.document["options"], entry.document["model"], entry.document["training"] or {}
    facts = {
        "attention": model["attention"],
        "training data": training.get("data"),
        "recipe": training.get("recipe"),
        "steps": training.get("steps"),
        "seed": training.get("seed"),
        "precision": options["precision"],
        "tile": options["tile"],
        "self-ensemble": "yes" if options["self_ensemble"] else "no",
        "optimise": options["optimise"],
        "LR": options["lr_source"],
        "verification": LEVELS[entry.level],
        "pictures": _pictures(entry),
    }
    return {
        name: "unknown" if value is None and name != "tile" else str(value or "none") for name, value in facts.items()
    }


def _script(kind: str, document: object) -> str:
    # Only ASCII, because JavaScript treats some other characters as line breaks.
    text = json.dumps(document, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return f"srbenchCompare.{kind}({text});\n"
