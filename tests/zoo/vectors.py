"""Reading the parity vectors: manifests, filled weights, and which of our networks each name stands for."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from srbench.zoo import build, key_tables
from srbench.zoo.blocks import SRNetwork
from srbench.zoo.networks import Option

CLAIMS = {
    "edsr": "edsr",
    "edsr_bam": "edsr-bam",
    "carn": "carn",
    "carn_bam": "carn-bam",
    "carn_m": "carn-m",
    "carn_m_g1": "carn-m",
    "carn_m_bam": "carn-m-bam",
    "msrn": "msrn",
    "msrn_bam": "msrn-bam",
    "lwsr": "s-lwsr32",
    "lwsr_bam": "s-lwsr32-bam",
    "awsrn": "awsrn",
    "awsrn_v2": "awsrn",
    "awsrn_bam": "awsrn-bam",
    "rcan": "rcan",
    "rcan_bam": "rcan-bam",
    "drln": "drln",
    "drln_bam": "drln-bam",
    "imdn": "imdn",
    "imdn_bam": "imdn-bam",
    "imdn_cbam": "imdn-cbam",
    "imdn_acam": "imdn-acam",
    "imdn_msam": "imdn-msam",
    "imdn_acam_max": "imdn-acam-max",
    "imdn_msam_avg": "imdn-msam-avg",
    "imdn_bam_add": "imdn-bam-add",
    "pan": "pan",
    "pan_bam": "pan-bam",
}
"""The name of a vector, and the variant of ours that claims it."""

MODERN_CLAIMS = {
    "rlfn": "rlfn",
    "rlfn_ntire": "rlfn-ntire2022",
    "efdn": "efdn",
    "span": "span",
    "span_train": "span",
    "span_ntire": "span-28",
    "safmn": "safmn",
    "safmn_ntire": "safmn-ntire2023",
}
"""The same for the vectors of `parity-modern`."""

_OPTIONS = {
    "nf": "channels",
    "feature_channels": "channels",
    "mid_channels": "hidden",
    "dim": "channels",
    "num_blocks": "blocks",
    "num_cells": "cells",
    "n_feats": "channels",
    "chs": "channels",
    "unf": "up_channels",
    "block_feats": "wide",
    "nb": "blocks",
    "num_modules": "blocks",
    "n_blocks": "blocks",
    "n_resblocks": "blocks",
    "n_resgroups": "groups",
    "group": "groups",
    "n_awru": "units",
    "attention_reduction": "reduction",
    "ca_reduction": "reduction",
    "reduction": "reduction",
    "bam_reduction": "reduction",
}
"""Sizes in a vector's config, and the options of ours that they are."""


@dataclass(frozen=True)
class Vector:
    """One manifest of the parity set; `tensors` and `full_tensors` are lists of (key, shape, kind)."""

    path: Path
    facts: dict[str, Any]

    @property
    def variant(self) -> str:
        name = str(self.facts["name"])
        if name not in self.claims:
            raise LookupError(f"no network claims the parity vector {self.path.stem}; add it to CLAIMS")
        return self.claims[name]

    @property
    def claims(self) -> dict[str, str]:
        return MODERN_CLAIMS if self.path.parent.name == "parity-modern" else CLAIMS

    @property
    def scale(self) -> int:
        return int(self.facts["scale"])

    @property
    def tensors(self) -> list[tuple[str, list[int], str]]:
        return self._entries(self.facts["tensors"])

    @property
    def full_tensors(self) -> list[tuple[str, list[int], str]]:
        return self._entries(self.facts.get("full_tensors", "tensors"))

    def build(self, *, full: bool = False, device: str = "cpu") -> SRNetwork:
        """Our network at the vector's size (or at the published one), in the form that the vector's code runs."""
        config = self.facts["full_config" if full else "config"]
        options: dict[str, Option] = {_OPTIONS[key]: value for key, value in config.items() if key in _OPTIONS}
        papers = self.facts["upstream"]["repository"] == "dandingbudanding/BAM"
        options["value_range"] = self.facts["input_multiplier"]
        if self.facts["name"] == "span_train":
            options["training_form"] = True
        return build(self.variant, scale=self.scale, device=device, form="paper" if papers else "authors", **options)

    def filled(self) -> dict[str, Tensor]:
        """The state of the golden in our names, every value by the formula."""
        rename = dict(self.renamed(self.tensors))
        offset = int(self.facts["index_offset"])
        state = {}
        for position, (key, shape, kind) in enumerate(self.tensors):
            if key not in rename:
                continue
            if kind == "const":
                values = np.array(self.facts["constants"][key], dtype=np.float32).reshape(shape)
            else:
                values = fill(shape, position + offset, **self.facts["fill"][kind])
            state[rename[key]] = torch.from_numpy(values)
        return state

    def renamed(self, tensors: list[tuple[str, list[int], str]]) -> list[tuple[str, str]]:
        """(published key, our key) for every tensor that we need, by the first table that knows them all."""
        for table in key_tables(self.variant):
            keys = [key for key, _, _ in tensors if not table.leaves_out(key)]
            pairs = [(key, ours) for key in keys if (ours := table.ours(key)) is not None and table.theirs(ours) == key]
            if len(pairs) == len(keys):
                return pairs
        raise LookupError(f"no rename table of {self.variant} maps all keys of {self.path.stem}; first: {tensors[:3]}")

    def _entries(self, field: Any) -> list[tuple[str, list[int], str]]:
        if field == "tensors":
            field = self.facts["tensors"]
        if isinstance(field, str):
            file, _, name = field.partition("#")
            return read(self.path.parent / file)._entries(json.loads((self.path.parent / file).read_text())[name])
        return [(key, shape, kind) for key, shape, kind in field]


def read(path: Path) -> Vector:
    """The manifest at `path` (`.json`, or the `.safetensors` beside it)."""
    path = path.with_suffix(".json")
    return Vector(path, json.loads(path.read_text()))


def fill(shape: list[int], index: int, *, base: float, alt: float, amp: float, fan_in: bool) -> NDArray[np.float32]:
    """The value of every element of tensor `index`, by the formula in the parity set's README."""
    u = (hashes(int(np.prod(shape)), index) >> np.uint32(8)).astype(np.float64) / 2**24 - 0.5
    rows = np.arange(shape[0]).reshape(-1, *[1] * (len(shape) - 1))
    values = base + amp * u.reshape(shape) + alt * np.where(rows % 2 == 0, 1.0, -1.0)
    if fan_in:
        values = values / np.sqrt(np.prod(shape[1:]))
    return values.astype(np.float32)


def hashes(count: int, index: int) -> NDArray[np.uint32]:
    """h(i, index) for i from 0, in 32-bit arithmetic."""
    h = np.arange(count, dtype=np.uint32) * np.uint32(2654435761)
    h += np.uint32((index * 2246822519 + 374761393) % 2**32)
    h = (h ^ (h >> np.uint32(16))) * np.uint32(2246822519)
    h = (h ^ (h >> np.uint32(13))) * np.uint32(3266489917)
    return h ^ (h >> np.uint32(16))
