"""Measure the saturation of attention maps: a map that is 0 or 1 everywhere neither selects nor learns.

The spatial and channel maps of BAM and its relatives are measured over 8 fixed LR patches of embedded photographs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor

from srbench.datasets.imageset import open_dataset
from srbench.records.training import SiteSaturation
from srbench.resize import imresize
from srbench.zoo.attention import ACAM, MSAM
from srbench.zoo.blocks import SRNetwork
from srbench.zoo.building import build
from srbench.zoo.networks import FORMS, find_variant

PATCH = 24
"""Side of the LR patches in pixels."""

LOW, HIGH = 0.01, 0.99
"""Values of a sigmoid below and above these are saturated."""

MOST = 0.95
"""The share of saturated values above which a site is closed (all 0) or open (all 1)."""

_PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "motorcycle_left")
_PLACES = (Fraction(1, 4), Fraction(1, 2))

Sites = Mapping[str, SiteSaturation]
"""By the path of its module, how far each attention map of a network is saturated."""


def patches(scale: int) -> Tensor:
    """Return the patches, float32 8×3×24×24 RGB in [0, 1]: two crops of each photograph, shrunk by MATLAB's bicubic."""
    images, side = open_dataset("Sample"), PATCH * scale
    crops = []
    for name in _PHOTOGRAPHS:
        hr = images.hr(name)
        for place in _PLACES:
            top, left = (int((length - side) * place) for length in hr.shape[:2])
            crops.append(imresize(hr[top : top + side, left : left + side], Fraction(1, scale)))
    return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float() / 255


def measure(network: SRNetwork) -> dict[str, SiteSaturation]:
    """Measure every spatial and channel map of a network, in evaluation mode and float32; empty if it has none.

    The network's mode and precision are restored.
    """
    sites = {name: module for name, module in network.named_modules() if isinstance(module, ACAM | MSAM)}
    if not sites:
        return {}
    maps: dict[str, list[Tensor]] = {name: [] for name in sites}
    lr = patches(network.scale).to(next(network.parameters()).device)
    with _evaluated(network), _listening(sites, maps), torch.inference_mode():
        for patch in lr:
            network(patch[None])
    return {name: _summary(torch.cat([one.flatten() for one in found])) for name, found in maps.items() if found}


def describe(sites: Sites) -> str:
    """Say in one line how many maps of a network are closed, open or active, and name the first saturated ones."""
    states = {state: [name for name, site in sites.items() if site.state == state] for state in ("closed", "open")}
    saturated = [f"{len(names)} {state} (first {names[0]})" for state, names in states.items() if names]
    mean = sum(site.mean for site in sites.values()) / len(sites)
    return f"{len(sites)} attention maps, mean {mean:.2f}: {', '.join(saturated) or 'none saturated'}"


def table(names: Sequence[str], *, scale: int, seed: int = 0) -> str:
    """Return a Markdown table of the maps of untrained networks, one row for each form in which they differ.

    Means over a network's sites; `closed` and `open` count the sites.
    """
    rows = ["| " + " | ".join(_HEAD) + " |", "|" + "---|" * len(_HEAD)]
    for name in names:
        network = find_variant(name).network
        for form in network.forms():
            torch.manual_seed(seed)
            alike = [one for one in FORMS if network.form_options(one) == network.form_options(form)]
            cells = _cells(measure(build(name, scale=scale, form=form)))
            rows.append("| " + " | ".join((f"`{name}`", " = ".join(f"`{one}`" for one in alike), *cells)) + " |")
    return "\n".join(rows)


_HEAD = (
    "network",
    "form",
    "spatial maps",
    "closed",
    "open",
    "mean",
    "m(1−m)/0.25",
    "channel maps",
    "closed",
    "open",
    "mean",
    "m(1−m)/0.25",
)


def _cells(sites: Sites) -> list[str]:
    cells = []
    for part in ("spatial", "channel"):
        found = [site for name, site in sites.items() if name.rpartition(".")[2] == part]
        states = [site.state for site in found]
        means = (sum(values) / len(found) for values in ([site.mean for site in found], [site.slope for site in found]))
        cells += [str(len(found)), str(states.count("closed")), str(states.count("open")), *(f"{x:.2f}" for x in means)]
    return cells


def _summary(values: Tensor) -> SiteSaturation:
    values = values.float()
    below, above = (share.float().mean().item() for share in (values < LOW, values > HIGH))
    return SiteSaturation(
        mean=round(values.mean().item(), 4),
        below=round(below, 4),
        above=round(above, 4),
        slope=round((values * (1 - values)).mean().item() / 0.25, 4),
        state="closed" if below > MOST else "open" if above > MOST else "active",
    )


@contextmanager
def _listening(sites: Mapping[str, ACAM | MSAM], maps: Mapping[str, list[Tensor]]) -> Iterator[None]:
    """Collect the maps that the modules compute during a forward pass."""
    for name, module in sites.items():
        plain = module.map

        def listen(x: Tensor, plain: object = plain, found: list[Tensor] = maps[name]) -> Tensor:
            result: Tensor = plain(x)  # type: ignore[operator]  # a bound method of Tensor to Tensor
            found.append(result)
            return result

        module.__dict__["map"] = listen
    try:
        yield
    finally:
        for module in sites.values():
            del module.__dict__["map"]


@contextmanager
def _evaluated(network: SRNetwork) -> Iterator[None]:
    training, middle = network.training, network.deep_dtype
    network.eval()
    network.deep_dtype = None
    try:
        yield
    finally:
        network.train(training)
        network.deep_dtype = middle
