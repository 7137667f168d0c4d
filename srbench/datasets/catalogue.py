"""The seven datasets of the benchmark as frozen data: citation, licence, splits, names, sources, known pixels.

Nothing here opens an image or the network. Sources: the projects' own pages, the fingerprints measured on the files
that circulate.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources

from srbench.errors import DatasetError, UnknownNameError
from srbench.fetch import RemoteFile
from srbench.plugins import Registry

EDSR_LEVELS = (
    33,
    37,
    41,
    45,
    49,
    53,
    57,
    61,
    66,
    74,
    82,
    90,
    98,
    106,
    114,
    122,
    132,
    148,
    164,
    180,
    196,
    212,
    228,
    244,
)
"""The 24 gray levels that are one lower in the edsr variant of B100 and Urban100: v becomes floor(v·(1/255)·255)."""


@dataclass(frozen=True)
class KnownImage:
    """A canonical image: its name, its size in pixels, and sha256 of its RGB pixels, its edsr variant and its file."""

    name: str
    width: int
    height: int
    sha256: str
    edsr_sha256: str | None = None
    file_sha256: str | None = None


@dataclass(frozen=True)
class DatasetSource:
    """A source of a dataset or of one split. All its files are needed; they are archives or single images.

    `stated_bytes` is the size that its page states; it is used if the sizes of the files are not known.
    """

    title: str
    files: tuple[RemoteFile, ...]
    split: str | None = None
    stated_bytes: int = 0

    @property
    def known_bytes(self) -> int:
        """The sum of the known sizes of the files in bytes; 0 if no size is known."""
        return sum(file.size or 0 for file in self.files) or self.stated_bytes

    @property
    def is_exact(self) -> bool:
        """Whether the size of every file is known."""
        return all(file.size is not None for file in self.files)


@dataclass(frozen=True)
class Split:
    """One part of a dataset. `hr_folders` and `lr_prefixes` are usual names of its folders."""

    name: str
    count: int | None
    hr_folders: tuple[str, ...] = ("HR",)
    lr_prefixes: tuple[str, ...] = ("LR_bicubic",)
    first: int | None = None


@dataclass(frozen=True)
class DatasetEntry:
    """A dataset. `access` says how to get it; `sources` are tried in order until one gives the dataset.

    `default_split` is what is evaluated; `hidden` names the part that exists but was never published.
    """

    name: str
    title: str
    citation: str
    licence: str
    access: str
    splits: tuple[Split, ...]
    default_split: str
    aliases: tuple[str, ...] = ()
    sources: tuple[DatasetSource, ...] = ()
    hidden: str = ""
    scales: tuple[int, ...] = (2, 3, 4, 8)

    def sources_of(self, split: Split) -> tuple[DatasetSource, ...]:
        """Return the sources that have this split, in the order in which they are tried."""
        return tuple(source for source in self.sources if source.split in (None, split.name))

    def split(self, name: str | None = None) -> Split:
        """Return the split with this name; without a name, the split that is evaluated."""
        for split in self.splits:
            if split.name == (name or self.default_split):
                return split
        if name and name in self.hidden.split(" ")[:1]:
            raise DatasetError(f"the {name} split of {self.name} is hidden: {self.hidden}")
        raise UnknownNameError(f"split of {self.name}", str(name), [split.name for split in self.splits])


_EDSR_BENCHMARK = DatasetSource(
    "EDSR's benchmark.tar, with MATLAB LR",
    (
        RemoteFile(
            "benchmark.tar",
            ("https://cv.snu.ac.kr/research/EDSR/benchmark.tar",),
            size=None,
            sha256=None,
            md5="4ace41d33c2384b97e6b320cd0afd6ba",
        ),
    ),
    # The README of sanghyun-son/EDSR-PyTorch.
    stated_bytes=250_000_000,
)
_DIV2K_MD5 = {
    "DIV2K_train_HR.zip": "bdc2d9338d4e574fe81bf7d158758658",
    "DIV2K_train_LR_bicubic_X2.zip": "9a637d2ef4db0d0a81182be37fb00692",
    "DIV2K_train_LR_bicubic_X3.zip": "ad80b9fe40c049a07a8a6c51bfab3b6d",
    "DIV2K_train_LR_bicubic_X4.zip": "76c43ec4155851901ebbe8339846d93d",
    "DIV2K_valid_HR.zip": "9fcdda83005c5e5997799b69f955ff88",
    "DIV2K_valid_LR_bicubic_X2.zip": "1512c9a3f7bde2a1a21a73044e46b9cb",
    "DIV2K_valid_LR_bicubic_X3.zip": "18b1d310f9f88c13618c287927b29898",
    "DIV2K_valid_LR_bicubic_X4.zip": "21962de700c8d368c6ff83314480eff0",
}
# Sizes: url_checksums/div2k.txt of tensorflow/datasets.
_DIV2K_SIZES = {
    "DIV2K_train_HR.zip": 3_530_603_713,
    "DIV2K_train_LR_bicubic_X2.zip": 925_390_592,
    "DIV2K_valid_HR.zip": 448_993_893,
    "DIV2K_valid_LR_bicubic_X2.zip": 117_763_600,
}
_ETHZ = "https://data.vision.ee.ethz.ch/cvl/DIV2K/"


def _div2k(split: str, start: str) -> DatasetSource:
    names = [name for name in _DIV2K_MD5 if name.startswith(start)]
    files = (RemoteFile(name, (_ETHZ + name,), _DIV2K_SIZES.get(name), None, _DIV2K_MD5[name]) for name in names)
    return DatasetSource("ETH Zürich", tuple(files), split)


_HUB = "https://huggingface.co/datasets/eugenesiow/"
_BSDS500_BYTES = 7_696_027  # measured on the hundred files, whose hashes are in fingerprints.json
_BSDS500 = "https://raw.githubusercontent.com/BIDS/BSDS500/master/BSDS500/data/images/val/"


def _hub_archive(repository: str, name: str) -> DatasetSource:
    # No hash of these archives is published: they are fetched only when unpinned files are allowed.
    file = RemoteFile(name, (f"{_HUB}{repository}/resolve/main/data/{name}",), size=None, sha256=None)
    return DatasetSource("Hugging Face hub, HR alone", (file,))


@cache
def known_images(name: str) -> tuple[KnownImage, ...]:
    """The canonical images of a dataset in their fixed order (string order of names); empty where none are known."""
    text = resources.files("srbench.datasets").joinpath("fingerprints.json").read_text(encoding="utf-8")
    return tuple(KnownImage(*row) for row in json.loads(text).get(name, ()))


def _bsds500() -> DatasetSource:
    images = known_images("BSD100")
    files = (RemoteFile(f"{i.name}.jpg", (f"{_BSDS500}{i.name}.jpg",), None, i.file_sha256) for i in images)
    return DatasetSource("BSDS500 on GitHub, the original JPEGs", tuple(files), stated_bytes=_BSDS500_BYTES)


def _test_split(count: int) -> tuple[Split, ...]:
    return (Split("test", count),)


_ENTRIES = (
    DatasetEntry(
        name="Set5",
        title="five photographs",
        citation="Bevilacqua, Roumy, Guillemot, Alberi-Morel: Low-complexity single-image super-resolution based on "
        "nonnegative neighbor embedding. BMVC 2012",
        licence="research use; the photographs' own terms are not stated",
        access="public archives with MATLAB LR (EDSR's benchmark.tar), HR alone on the Hugging Face hub",
        splits=_test_split(5),
        default_split="test",
        aliases=("set5", "Set 5"),
        sources=(_EDSR_BENCHMARK, _hub_archive("Set5", "Set5_HR.tar.gz")),
    ),
    DatasetEntry(
        name="Set14",
        title="fourteen photographs and graphics",
        citation="Zeyde, Elad, Protter: On single image scale-up using sparse-representations. "
        "Curves and Surfaces 2010",
        licence="research use; the photographs' own terms are not stated",
        access="public archives with MATLAB LR (EDSR's benchmark.tar), HR alone on the Hugging Face hub",
        splits=_test_split(14),
        default_split="test",
        aliases=("set14", "Set 14"),
        sources=(_EDSR_BENCHMARK, _hub_archive("Set14", "Set14_HR.tar.gz")),
    ),
    DatasetEntry(
        name="BSD100",
        title="the test images of BSDS300",
        citation="Martin, Fowlkes, Tal, Malik: A database of human segmented natural images and its application to "
        "evaluating segmentation algorithms and measuring ecological statistics. ICCV 2001",
        licence="non-commercial research and education",
        access="val of BSDS500 (JPEG, github.com/BIDS/BSDS500) is the same hundred images; benchmark.tar has the edsr "
        "variant of them as B100",
        splits=_test_split(100),
        default_split="test",
        aliases=("B100", "BSDS100", "BSD 100", "bsd100"),
        sources=(_bsds500(), _EDSR_BENCHMARK, _hub_archive("BSD100", "BSD100_HR.tar.gz")),
    ),
    DatasetEntry(
        name="Urban100",
        title="a hundred buildings",
        citation="Huang, Singh, Ahuja: Single image super-resolution from transformed self-exemplars. CVPR 2015",
        licence="photographs from Flickr under Creative Commons; research use",
        access="github.com/jbhuang0604/SelfExSR (its SRF_2 is half size and not Urban100 ×2), or benchmark.tar, which "
        "has the edsr variant",
        splits=_test_split(100),
        default_split="test",
        aliases=("urban100", "Urban 100"),
        sources=(_EDSR_BENCHMARK, _hub_archive("Urban100", "Urban100_HR.tar.gz")),
    ),
    DatasetEntry(
        name="Manga109",
        title="one drawn page of each of 109 manga",
        citation="Matsui, Ito, Aramaki, Fujimoto, Ogawa, Yamasaki, Aizawa: Sketch-based manga retrieval using Manga109 "
        "dataset. Multimedia Tools and Applications 2017",
        licence="academic use on request; redistribution forbidden",
        access="ask its authors at www.manga109.org, then `srbench data import Manga109 PATH` with the folder of the "
        "109 benchmark PNGs; it may not be redistributed, so there is nothing to download",
        splits=_test_split(109),
        default_split="test",
        aliases=("manga109", "Manga 109"),
    ),
    DatasetEntry(
        name="DIV2K",
        title="a thousand photographs of 2K size",
        citation="Agustsson, Timofte: NTIRE 2017 challenge on single image super-resolution: dataset and study. "
        "CVPR Workshops 2017",
        licence="academic research only",
        access="ETH Zürich publishes the archives",
        splits=(
            Split("train", 800, ("DIV2K_train_HR",), ("DIV2K_train_LR_bicubic",), first=1),
            Split("validation", 100, ("DIV2K_valid_HR",), ("DIV2K_valid_LR_bicubic",), first=801),
        ),
        default_split="validation",
        aliases=("Div2k", "div2k", "DIV 2K"),
        sources=(_div2k("train", "DIV2K_train"), _div2k("validation", "DIV2K_valid")),
        hidden="test (0901 to 1000): its HR was never published",
    ),
    DatasetEntry(
        name="RealSR7",
        title="the photographs that the BAM paper calls realSR7",
        citation="Wang, Hu, Shen: BAM, a balanced attention mechanism for single image super resolution. 2021",
        licence="not stated",
        access="published only through a file-sharing page with a password in the README of "
        "github.com/dandingbudanding/BAM, so it cannot be downloaded from here; number and names of its images are "
        "not known: put them into one folder and `srbench data import RealSR7 PATH` records their fingerprint",
        splits=(Split("test", None),),
        default_split="test",
        aliases=("realSR7", "realsr7"),
        scales=(4,),
    ),
)


def _table(entries: tuple[DatasetEntry, ...]) -> dict[str, DatasetEntry]:
    names = [name.lower() for entry in entries for name in {entry.name.lower(), *map(str.lower, entry.aliases)}]
    if len(names) != len(set(names)):
        raise DatasetError("expected different names and aliases, got two datasets that share one; rename one")
    return {entry.name: entry for entry in entries}


CATALOGUE: Registry[DatasetEntry] = Registry("dataset", _table(_ENTRIES))
"""Every dataset by name."""


def find_entry(name: str) -> DatasetEntry:
    """Return the dataset with this name or alias, in upper or lower case.

    Raises:
        UnknownNameError: no dataset has this name; the message offers close matches.
        DatasetError: the embedded Sample, or a folder, which need no entry.
    """
    wanted = name.lower()
    if wanted == "sample" or wanted.startswith("folder:"):
        raise DatasetError(
            f"expected a dataset of the catalogue, got {name}, which is read in place: "
            f"it cannot be listed, downloaded or imported; `srbench data preview {name}` shows it"
        )
    for entry in CATALOGUE.values():
        if wanted == entry.name.lower() or wanted in map(str.lower, entry.aliases):
            return entry
    raise UnknownNameError("dataset", name, [*CATALOGUE, "Sample", "folder:DIR"])
