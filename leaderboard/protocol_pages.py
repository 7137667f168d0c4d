"""The pages of the protocols: every rule, and one checkpoint under all of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from leaderboard.addresses import protocol_path
from leaderboard.collection import Collection
from leaderboard.entries import Entry, Mean
from leaderboard.pages import Page
from leaderboard.ranking import forms
from leaderboard.rendering import LEVELS, render
from leaderboard.views import View, dataset_names, views
from srbench.protocols import SSIM_WINDOW, Protocol, get_protocol, protocol_names

_INDEX = "protocols/index.html"
_CHECKPOINTS = 8

PREPARATIONS = {
    "crop, matlab bicubic": (
        "cropped right and bottom to a multiple of the scale",
        "MATLAB's imresize, bicubic, on uint8: rows first, rounded, then columns, rounded; symmetric border",
    ),
    "resize, pillow bicubic": (
        "resized to a multiple of the scale with Pillow's bicubic, which low-passes the ground truth where a side "
        "is no multiple",
        "Pillow's resize, bicubic, on uint8",
    ),
    "bd": (
        "cropped right and bottom to a multiple of the scale",
        "a 7×7 Gaussian of standard deviation 1.6, then every third pixel",
    ),
    "dn-srbench1": (
        "cropped right and bottom to a multiple of the scale",
        "MATLAB's bicubic, then Gaussian noise of level 30 that the image's name fixes",
    ),
    "given pairs": (
        "unchanged; its size must be exactly the scale times that of the LR",
        "the files that the dataset ships, of any origin",
    ),
}
"""The HR rule and the degradation of each preparation, by its key, in words."""


@dataclass(frozen=True)
class MeansByProtocol:
    """One entry at one scale on one dataset: its means under several protocols."""

    entry: Entry
    scale: int
    dataset: str
    means: dict[str, Mean]


def pages(collection: Collection) -> Iterator[Page]:
    """Return one page per protocol, and their index."""
    found = views(collection)
    for name in protocol_names():
        tables = [view for view in found if view.protocol.name == name]
        checkpoints = _checkpoints(collection, name)
        yield Page(protocol_path(name), partial(_protocol, get_protocol(name), tables, checkpoints))
    checkpoints = _checkpoints(collection)
    yield Page(_INDEX, partial(_index, found, checkpoints))


def rules(protocol: Protocol) -> list[tuple[str, str]]:
    """Return every rule of a protocol as name and text, read from the protocol itself."""
    preparation, scoring = protocol.preparation, protocol.scoring
    hr, lr = PREPARATIONS[preparation.key]
    if preparation.ships_lr and preparation.degradation is not None:
        lr = f"the files that the dataset ships ({lr}, where they were made)"
    size = f"{SSIM_WINDOW}×{SSIM_WINDOW}"
    rounding = ", rounded half to even to 8 bits" if scoring.rounded else ", not rounded"
    return [
        (
            "Decoding",
            "RGB, 8 bit, as stored: orientation, colour profile and gamma are ignored; gray becomes three "
            "equal channels",
        ),
        ("HR", hr),
        ("LR", lr),
        ("Output", f"clamped to [0, 1], times 255{rounding}"),
        ("Colour", _colour(protocol)),
        ("Shave", _shave(protocol)),
        (
            "PSNR",
            "10 log10(255² / MSE) per image, MSE in float64 over all values that are compared; then the mean over "
            "the images",
        ),
        (
            "SSIM",
            f"Gaussian window {size}, σ 1.5, K1 0.01, K2 0.03, L 255, where the complete window fits; float64"
            + ("" if scoring.luma else "; mean over the channels")
            + ("; on Y rounded to an integer" if scoring.ssim_luma else "")
            + ("; negative contrast-structure terms count as 0" if scoring.ssim_clipped else ""),
        ),
        ("Scales", ", ".join(f"×{scale}" for scale in preparation.scales)),
        ("Scores", ", ".join(protocol.columns)),
    ]


def _shave(protocol: Protocol) -> str:
    scoring = protocol.scoring
    if not scoring.scale_shave and not scoring.extra_shave:
        return "none"
    extra = f" + {scoring.extra_shave}" if scoring.extra_shave else ""
    return f"scale{extra} pixels from each side"


def _colour(protocol: Protocol) -> str:
    luma = protocol.scoring.luma
    if luma is None:
        return "R, G and B together"
    red, green, blue = luma.coefficients
    rounded = ", rounded to an integer" if luma.rounded else ", not rounded"
    return f"Y = 16 + ({red:g} R + {green:g} G + {blue:g} B) / {luma.divisor:g}{rounded}"


def _checkpoints(collection: Collection, protocol: str | None = None) -> list[MeansByProtocol]:
    """Return a few entries with scores under several protocols including `protocol`, the best verified first."""
    candidates = [
        (entry, names)
        for entry in collection
        if len(names := {name for _, name, _ in entry.means}) > 1 and not forms(entry, protocol_names()[0])
        if protocol is None or protocol in names
    ]
    strength = list(LEVELS)
    candidates.sort(key=lambda one: (strength.index(one[0].level), -len(one[1]), one[0].date, one[0].id))
    chosen = [entry for entry, _ in candidates[:_CHECKPOINTS]]
    order = dataset_names(collection)
    return [
        MeansByProtocol(entry, scale, dataset, means)
        for entry in chosen
        for scale, dataset in sorted({(s, d) for s, _, d in entry.means}, key=lambda one: (one[0], order.index(one[1])))
        if len(means := _under_each(entry, scale, dataset)) > 1 and (protocol is None or protocol in means)
    ]


def _under_each(entry: Entry, scale: int, dataset: str) -> dict[str, Mean]:
    return {name: mean for (s, name, d), mean in entry.means.items() if (s, d) == (scale, dataset)}


def _columns(checkpoints: list[MeansByProtocol]) -> list[str]:
    found = {name for one in checkpoints for name in one.means}
    return [name for name in protocol_names() if name in found]


def _protocol(protocol: Protocol, tables: list[View], checkpoints: list[MeansByProtocol]) -> str:
    return render(
        "protocol.html.j2",
        path=protocol_path(protocol.name),
        protocol=protocol,
        rules=rules(protocol),
        tables=tables,
        checkpoints=checkpoints,
        columns=_columns(checkpoints),
        most=_CHECKPOINTS,
    )


def _index(found: list[View], checkpoints: list[MeansByProtocol]) -> str:
    rows = [
        (protocol, dict(rules(protocol)), [view for view in found if view.protocol is protocol])
        for protocol in map(get_protocol, protocol_names())
    ]
    return render(
        "protocols.html.j2",
        path=_INDEX,
        rows=rows,
        checkpoints=checkpoints,
        columns=_columns(checkpoints),
        most=_CHECKPOINTS,
    )
