"""`images:DIR`: SR images that someone has already made, read from a folder."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from srbench.errors import UpscalerError
from srbench.files import sha256_of
from srbench.images import IMAGE_SUFFIXES, decode
from srbench.upscalers.base import Identity, Image, Options, Upscaler


class FinishedImages(Upscaler):
    """Reads `DIR/DATASET/NAME.png`, or `DIR/NAME.png`; NAME may carry a suffix such as `_x4`, `x4`, `_SR`, `_x4_SR`.

    Raises:
        UpscalerError: no such folder, or no images in it.
    """

    probed = False

    def __init__(self, folder: Path, *, scale: int) -> None:
        if not folder.is_dir():
            raise UpscalerError(
                f"images:{folder}: expected a folder of SR images, got none; "
                "write them with srbench evaluate --save-images, or check the path"
            )
        if not any(path.suffix.lower() in IMAGE_SUFFIXES for path in folder.rglob("*")):
            raise UpscalerError(f"images:{folder}: expected {', '.join(IMAGE_SUFFIXES)} files, got an empty folder")
        self._folder = folder
        self._digests: dict[tuple[Path, ...], str] = {}
        self.identity, self.options, self.scale = Identity(f"images:{folder}"), Options(device="cpu"), scale

    def details_of(self, images: Iterable[tuple[str, str]]) -> dict[str, Any]:
        """`images_sha256`, over the files of these images. Raises UpscalerError where one is missing or there twice."""
        files = tuple(sorted({self._find(dataset, name) for dataset, name in images}))
        if files not in self._digests:
            listing = "\n".join(f"{path.relative_to(self._folder).as_posix()} {sha256_of(path)}" for path in files)
            self._digests[files] = hashlib.sha256(listing.encode()).hexdigest()
        return {"images_sha256": self._digests[files]}

    def upscale(self, lr: NDArray[np.uint8], *, dataset: str, name: str) -> Image:
        """The stored SR image, uint8. Raises UpscalerError if there is none or more than one."""
        return decode(self._find(dataset, name))

    def _find(self, dataset: str, name: str) -> Path:
        suffixes = ("", f"_x{self.scale}", f"x{self.scale}", "_SR", f"_x{self.scale}_SR", f"_SR_x{self.scale}")
        wanted = {name + suffix for suffix in suffixes}
        for folder in (self._folder / dataset, self._folder):
            candidates = folder.iterdir() if folder.is_dir() else ()
            found = sorted(path for path in candidates if path.stem in wanted and path.suffix.lower() in IMAGE_SUFFIXES)
            if len(found) > 1:
                raise UpscalerError(
                    f"{folder}: expected one SR image for {name!r}, got "
                    f"{' and '.join(path.name for path in found)}; keep one of them"
                )
            if found:
                return found[0]
        raise UpscalerError(
            f"expected {self._folder / dataset / name}.png (or {self._folder / name}.png, with or "
            f"without _x{self.scale}, x{self.scale} or _SR), got no such file"
        )
