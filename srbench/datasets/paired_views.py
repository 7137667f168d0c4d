"""Datasets for torch: pairs (lr, hr) under a protocol, float32 3×H×W in [0, 1]."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from srbench.datasets.imageset import ImageSet, open_dataset
from srbench.datasets.lr_origins import given_origins, lr_files_sha256, require_matlab
from srbench.datasets.pairs import given_pair
from srbench.datasets.parquet_writer import ImageWriter
from srbench.errors import DatasetError
from srbench.files import atomic_path, cache_dir
from srbench.images import encode_png
from srbench.protocols import get_protocol

Pair = tuple[torch.Tensor, torch.Tensor]


class PairedView(Dataset[Pair]):
    """A dataset as (lr, hr) pairs, float32 3×H×W RGB in [0, 1], prepared by a protocol.

    `lr` is "made" from the HR by the protocol's degradation, "given" by the dataset's files, which have to be MATLAB's
    bicubic, or "any" LR files that the dataset has; protocols that are defined on given files use them always.
    Raises DatasetError where the set or its LR is missing, or where "given" LR is not MATLAB's.

    Examples:
        >>> lr, hr = Sample(scale=4, protocol="matlab-y")[0]
        >>> lr.shape, hr.shape
        (torch.Size([3, 128, 128]), torch.Size([3, 512, 512]))
    """

    spec: ClassVar[str]

    def __init__(
        self, scale: int, protocol: str = "matlab-y", data_root: Path | str | None = None, *, lr: str = "made"
    ) -> None:
        self.images = self._open(None if data_root is None else Path(data_root))
        self.scale, self.protocol = scale, get_protocol(protocol)
        self.protocol.preparation.require_scale(scale)
        self.lr_source = self.protocol.preparation.lr_source(lr)
        if self.lr_source == "given":
            require_matlab(self.images, given_origins(self.images, scale=scale), scale=scale)

    def _open(self, data_root: Path | None) -> ImageSet:
        return open_dataset(self.spec, data_root=data_root)

    def __repr__(self) -> str:
        how = f"under {self.protocol.name} at ×{self.scale}, LR {self.lr_source}"
        return f"{type(self).__name__}: {len(self)} pairs (lr, hr) {how}; {self.images!r}"

    @property
    def names(self) -> list[str]:
        """The images' names in order."""
        return self.images.names

    @property
    def fingerprint(self) -> str:
        """Hash of the HR pixels."""
        return self.images.fingerprint

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Pair:
        lr, hr = self.pair(self.names[index])
        return _tensor(lr), _tensor(hr)

    def pair(self, name: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return the (lr, hr) pair with this name as uint8 H×W×3."""
        hr = self.images.hr(name)
        if self.lr_source != "made":
            reference, lr = given_pair(self.images, name, hr, self.protocol.preparation, scale=self.scale)
        else:
            reference, lr = self.protocol.prepare(hr, scale=self.scale, name=name)
        return lr, reference

    def to_hf(self) -> Any:
        """Return this view as a Hugging Face `datasets.Dataset` with the column `name` and the Image columns `hr` and
        `lr_x4` (for ×4).

        The pairs are written once, as PNG in Parquet, to the cache folder.
        """
        # Inside the method: datasets is slow to import, and only this method needs it.
        from datasets import Dataset as HubDataset

        path = cache_dir() / "hf" / f"{self._key()}.parquet"
        if not path.is_file():
            self._write(path)
        return HubDataset.from_parquet(str(path), cache_dir=str(cache_dir() / "hf"))

    def _key(self) -> str:
        named = "\n".join(f"{name} {digest}" for name, digest in self.images.pixel_hashes.items())
        parts = (named, str(self.scale), self.protocol.name, str(self.protocol.version), self._lr_identity())
        return f"{self.images.name}-{hashlib.sha256(repr(parts).encode()).hexdigest()[:16]}"

    def _lr_identity(self) -> str:
        """Return what identifies the LR images: `made`, or their source with a hash of its files."""
        if self.lr_source == "made":
            return self.lr_source
        return f"{self.lr_source} {lr_files_sha256(self.images, scale=self.scale)}"

    def _write(self, path: Path) -> None:
        with atomic_path(path, error=DatasetError) as temporary, ImageWriter(temporary, scales=(self.scale,)) as writer:
            for name in self.names:
                lr, hr = self.pair(name)
                writer.add(name, encode_png(hr), {self.scale: encode_png(lr)})


def _tensor(image: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(image).permute(2, 0, 1).contiguous().float().div_(255)


class Set5(PairedView):
    """Set5 as (lr, hr) pairs."""

    spec = "Set5"


class Set14(PairedView):
    """Set14 as (lr, hr) pairs."""

    spec = "Set14"


class BSD100(PairedView):
    """BSD100 as (lr, hr) pairs."""

    spec = "BSD100"


class Urban100(PairedView):
    """Urban100 as (lr, hr) pairs."""

    spec = "Urban100"


class Manga109(PairedView):
    """Manga109 as (lr, hr) pairs."""

    spec = "Manga109"


class RealSR7(PairedView):
    """The BAM paper's realSR7 as (lr, hr) pairs."""

    spec = "RealSR7"


class Sample(PairedView):
    """The images that scikit-image ships, as (lr, hr) pairs."""

    spec = "Sample"


class DIV2K(PairedView):
    """DIV2K as (lr, hr) pairs; `split` is `train` or `validation`."""

    spec = "DIV2K"

    def __init__(
        self,
        scale: int,
        protocol: str = "matlab-y",
        data_root: Path | str | None = None,
        *,
        lr: str = "made",
        split: str = "validation",
    ) -> None:
        self.split = split
        super().__init__(scale, protocol, data_root, lr=lr)

    def _open(self, data_root: Path | None) -> ImageSet:
        return open_dataset(f"{self.spec}:{self.split}", data_root=data_root)
