"""Other projects' code to compare with: pinned archives, of which single modules are loaded without their packages.

An archive is fetched with the registry client and never installed. A package's `__init__` is not run, since it would
import all that the package depends on; a module sees only the neighbours that it names itself.
"""

from __future__ import annotations

import hashlib
import importlib
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType

import torch
from torch.library import Library

from benchmarks.report import cache_dir


@dataclass(frozen=True)
class Archive:
    """A wheel or source archive of one version, known by its hash. `title` is how the report names it."""

    title: str
    file: str
    sha256: str

    @property
    def requirement(self) -> str:
        """What the registry client is asked for."""
        return "==".join(self.file.removesuffix(".tar.gz").split("-")[:2])


BASICSR = Archive(
    "BasicSR 1.4.2", "basicsr-1.4.2.tar.gz", "b89b595a87ef964cda9913b4d99380ddb6554c965577c0c10cb7b78e31301e87"
)
"""The restoration toolbox whose functions circulate most."""
SUPER_IMAGE = Archive(
    "super-image 0.2.0",
    "super_image-0.2.0-py3-none-any.whl",
    "443040f165bc2074aa22ec703832fd75f5f8db6536b1867c3f90966112f0dd8b",
)
"""Networks with weights on the hub."""
PIQ = Archive(
    "piq 0.8.0", "piq-0.8.0-py3-none-any.whl", "bad83f8e68bad6c09df09c2bdf50d1e8ccf5e852d7b64562317c27ed5eb63159"
)
"""Image quality measures; torchSR scores with it."""
TORCHMETRICS = Archive(
    "torchmetrics 1.9.0",
    "torchmetrics-1.9.0-py3-none-any.whl",
    "bfdcbff3dd1d96b3374bb2496eb39f23c4b28b8a845b6a18c313688e0d2d9ca1",
)
"""Metrics of the Lightning family."""
LPIPS = Archive(
    "lpips 0.1.4", "lpips-0.1.4-py3-none-any.whl", "fd537af5828b69d2e6ffc0a397bd506dbc28ca183543617690844c08e102ec5e"
)
"""LPIPS of its authors."""
LIGHTNING_UTILITIES = Archive(
    "lightning-utilities 0.15.3",
    "lightning_utilities-0.15.3-py3-none-any.whl",
    "6c55f1bee70084a1cbeaa41ada96e4b3a0fea5909e844dd335bd80f5a73c5f91",
)
"""What torchmetrics imports at every door."""


_TORCHVISION_OPERATORS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}


class PeerMissing(Exception):
    """An archive that cannot be had here; the argument is its title."""


def module(archive: Archive, name: str) -> ModuleType:
    """Load one module of an archive, by its full name; the packages that it lies in become shells.

    Raises:
        PeerMissing: the archive cannot be fetched, or is not the one that was pinned.
    """
    parts = name.split(".")
    for length in range(1, len(parts)):
        shell(archive, ".".join(parts[:length]))
    return importlib.import_module(name)


def shell(archive: Archive, package: str, **names: object) -> None:
    """Stand in for a package whose `__init__` is not run; `names` is what its modules ask of it. Raises PeerMissing."""
    if package not in sys.modules:
        empty = ModuleType(package)
        empty.__path__ = [str(_unpacked(archive).joinpath(*package.split(".")))]
        sys.modules[package] = empty
    vars(sys.modules[package]).update(names)


def importable(archive: Archive) -> None:
    """Put a wheel on the import path as a whole. Raises PeerMissing."""
    path = str(_unpacked(archive))
    if path not in sys.path:
        sys.path.append(path)


@cache
def allow_torchvision() -> Library:
    """Declare the operators that torchvision needs when it is imported, if it was built for another torch.

    Its networks call none of them. The declaration lasts as long as the returned object, which is kept.
    """
    library = Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]  # torch leaves it untyped
    for name, schema in _TORCHVISION_OPERATORS.items():
        if not hasattr(torch.ops.torchvision, name):
            library.define(schema)  # type: ignore[no-untyped-call]  # torch leaves it untyped
    return library


def _unpacked(archive: Archive) -> Path:
    """Where the archive's packages lie: a wheel is imported as it is, a source archive from its folder."""
    folder = cache_dir() / "peers"
    path = folder / archive.file
    if not path.exists():
        _download(archive, folder)
    if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != archive.sha256:
        raise PeerMissing(archive.title)
    if path.suffix == ".whl":
        return path
    target = folder / archive.file.removesuffix(".tar.gz")
    if not target.exists():
        with tarfile.open(path) as members:
            members.extractall(folder, filter="data")
    return target


def _download(archive: Archive, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    options = ["--no-deps", "--no-build-isolation", "--quiet", "--dest", str(folder), archive.requirement]
    subprocess.run([sys.executable, "-m", "pip", "download", *options], capture_output=True, check=False)
