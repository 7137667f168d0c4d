"""The type of an entry of the catalogue of weights. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from srbench.errors import WeightsError
from srbench.fetch import RemoteFile
from srbench.zoo.trained import Training

Tag = Literal["authors", "srbench", "super-image", "ntire2023", "ntire2024"]
Setting = tuple[str, int | float | bool]

TAGS: tuple[Tag, ...] = ("authors", "srbench", "super-image", "ntire2023", "ntire2024")
_SCALES = (2, 3, 4, 8)


@dataclass(frozen=True)
class ExpectedScore:
    """The scores of a weights file on one set under `matlab-y`: PSNR in dB and SSIM, both on Y, means over the set."""

    scale: int
    dataset: str
    psnr_y: float
    ssim_y: float


@dataclass(frozen=True, kw_only=True)
class WeightsEntry:
    """One weights file: its network, source, training data and expected scores.

    `name` is the word in a model spec (`zoo:NAME@TAG`), `network` what `zoo.build` makes, with `options` as the
    hyper-parameters that differ from its default; `keys` names the key family that the file's tensors follow.
    A file without a hash is unpinned; `sha256_prefix` is the part of its hash that is known from its address.
    `published` is what was printed for the network where that is not what the file scores; `note` says why.
    `training` is what its own record says of weights that were trained here.
    """

    name: str
    tag: Tag
    scales: tuple[int, ...]
    network: str
    options: tuple[Setting, ...] = ()
    keys: Literal["authors", "srbench", "super-image"]
    file: RemoteFile
    sha256_prefix: str = ""
    licence: str
    source: str
    training_data: str
    scores: tuple[ExpectedScore, ...] = ()
    published: tuple[ExpectedScore, ...] = ()
    training: Training | None = None
    note: str = ""

    def __post_init__(self) -> None:
        if not self.scales or not set(self.scales) <= set(_SCALES):
            raise WeightsError(f"{self.spec}: expected scales out of {_SCALES}, got {self.scales}")
        if strange := [score for score in self.scores if score.scale not in self.scales]:
            raise WeightsError(f"{self.spec}: scores of scales that the file does not serve: {strange}")
        if len({key for key, _ in self.options}) != len(self.options):
            raise WeightsError(f"{self.spec}: an option is given twice: {self.options}")

    @property
    def spec(self) -> str:
        """The model spec that loads this file."""
        return f"zoo:{self.name}@{self.tag}"

    @property
    def pinned(self) -> bool:
        """Whether the complete hash of the file is known."""
        return self.file.pinned


def raw_address(repository: str, commit: str, path: str) -> tuple[str, ...]:
    """Return the address of a file of a public repository at a fixed commit."""
    return (f"https://raw.githubusercontent.com/{repository}/{commit}/{path}",)


def expected_scores(scale: int, **means: tuple[float, float]) -> tuple[ExpectedScore, ...]:
    """Return the scores (PSNR, SSIM) by dataset at one scale."""
    return tuple(ExpectedScore(scale, dataset, psnr, ssim) for dataset, (psnr, ssim) in means.items())
