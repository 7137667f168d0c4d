"""`images:DIR`: SR images that already exist, read from a folder."""

from __future__ import annotations

import glob
import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path

from srbench.datasets.catalogue import CATALOGUE
from srbench.errors import UpscalerError, counted, listed
from srbench.files import sha256_of
from srbench.images import IMAGE_SUFFIXES, decode, is_jpeg
from srbench.spec_paths import recorded_path
from srbench.upscalers.base import Identity, Image, Options, Upscaler

_FIELDS = ("{name}", "{dataset}", "{scale}")
_WORDS = "sr|out|output|fake|fake_b|pred|result|restored|rlt|swinir"
"""Words that programs add to the names of results, in lower case."""
_DEPTH = 5
_SHOWN = 3


class ImageFolderUpscaler(Upscaler):
    """Upscaler that reads existing SR images: `DIR/DATASET/NAME.png`, or `DIR/NAME.png`.

    The name may have an ending such as `_x4`, `_SR` or `_x4_EDSR`.

    An ending that all files of the folder share is accepted, too, unless it names another scale. `pattern` replaces
    this search: a path below DIR with `{name}`, and optionally `{dataset}`, `{scale}` and `*`.

    Raises:
        UpscalerError: no such folder, no images in it, or a pattern without `{name}`.
    """

    probed = False

    def __init__(self, folder: Path, *, scale: int, pattern: str | None = None) -> None:
        if not folder.is_dir():
            raise UpscalerError(
                f"images:{folder}: expected a folder of SR images, got none; "
                "write them with srbench evaluate --save-images, or check the path"
            )
        if not any(path.suffix.lower() in IMAGE_SUFFIXES for path in folder.rglob("*")):
            raise UpscalerError(f"images:{folder}: expected {', '.join(IMAGE_SUFFIXES)} files, got none in this folder")
        if pattern is not None:
            _require_pattern(pattern)
        self._folder, self._pattern = folder, pattern
        self._digests: dict[tuple[Path, ...], str] = {}
        self._listings: dict[Path, list[Path]] = {}
        self.identity, self.scale = Identity(f"images:{recorded_path(str(folder))}"), scale
        self.options = Options(device="cpu", pattern=pattern)

    def details_of(self, images: Iterable[tuple[str, str]]) -> dict[str, object]:
        """Return `images_sha256` of these images' files. Raise UpscalerError where one is missing or exists twice."""
        files = tuple(sorted({self._find(dataset, name) for dataset, name in images}))
        if files not in self._digests:
            listing = "\n".join(f"{path.relative_to(self._folder).as_posix()} {sha256_of(path)}" for path in files)
            self._digests[files] = hashlib.sha256(listing.encode()).hexdigest()
        return {"images_sha256": self._digests[files]}

    def remarks_on(self, images: Iterable[tuple[str, str]]) -> list[str]:
        """Name SR images that are JPEG files."""
        names = [name for dataset, name in images if is_jpeg(self._find(dataset, name))]
        if not names:
            return []
        return [
            f"{counted(len(names), 'SR image')} {'is' if len(names) == 1 else 'are'} JPEG, which loses quality: "
            f"{listed(names, 5)}; save PNG files to score what the model returned"
        ]

    def upscale(self, lr: Image, *, dataset: str, name: str) -> Image:
        """Return the stored SR image, uint8. Raise UpscalerError if there is none or more than one."""
        return decode(self._find(dataset, name))

    def _find(self, dataset: str, name: str) -> Path:
        name = unicodedata.normalize("NFC", name)
        if self._pattern is not None:
            return self._one(self._matching(self._pattern, dataset, name), dataset, name)
        for folders in self._places(dataset):
            for match in (self._has_known_ending, self._has_common_ending):
                found = [path for folder in folders for path in self._listed(folder) if match(path, name)]
                if found:
                    return self._one(found, dataset, name)
        return self._one([], dataset, name)

    def _one(self, found: list[Path], dataset: str, name: str) -> Path:
        if len(found) == 1:
            return found[0]
        files = [path.relative_to(self._folder).as_posix() for path in found]
        if found:
            raise UpscalerError(
                f"images:{self._folder}: expected one SR image for {dataset}/{name}, got {' and '.join(files[:_SHOWN])}"
                f"{' and more' * (len(files) > _SHOWN)}; keep one of them, or choose with --pattern '{{name}}_ENDING'"
            )
        if self._pattern is not None:
            raise UpscalerError(
                f"images:{self._folder}: expected an SR image for {dataset}/{name} at the pattern {self._pattern}, "
                "got no such file; check the pattern"
            )
        near = sorted(path.name for path in self._folder.rglob("*") if _stem(path).startswith(name) and _is_image(path))
        raise UpscalerError(
            f"images:{self._folder}: expected {dataset}/{name}.png or {name}.png, or these with an ending such as "
            f"_x{self.scale} or _SR, got {listed(near, _SHOWN) if near else 'no such file'}; "
            "name the files with --pattern, such as --pattern '{dataset}/{name}_ENDING.png'"
        )

    def _matching(self, pattern: str, dataset: str, name: str) -> list[Path]:
        values = {"{name}": name, "{dataset}": dataset, "{scale}": str(self.scale)}
        # The file system may keep the name in decomposed form, as macOS does.
        forms = {name, unicodedata.normalize("NFD", name)}
        found: set[Path] = set()
        for form in forms:
            text = pattern
            for key, value in {**values, "{name}": form}.items():
                text = text.replace(key, glob.escape(value))
            found |= {path for path in self._folder.glob(text) if _is_image(path)}
            found |= {path for path in self._folder.glob(f"{text}.*") if _is_image(path)}
        return sorted(found)

    def _places(self, dataset: str) -> Iterator[list[Path]]:
        """Yield the folders that may hold a dataset's images, the most likely ones first."""
        titles = _titles(dataset)
        scaled = {f"x{self.scale}", f"{self.scale}x"}
        yield [self._folder / dataset]
        inner = [path for path in self._folders() if path != self._folder / dataset]
        parts = {path: [part.lower() for part in path.relative_to(self._folder).parts] for path in inner}
        words = {path: {word for part in parts[path] for word in (part, *re.split("[-_]", part))} for path in inner}
        yield [path for path in inner if titles & words[path] and not self._is_of_other_scale(parts[path])]
        yield [self._folder]
        yield [path for path in inner if len(parts[path]) == 1 and parts[path][0] in scaled]

    def _folders(self) -> list[Path]:
        depth = len(self._folder.parts)
        return [path for path in sorted(self._folder.rglob("*")) if path.is_dir() and len(path.parts) - depth <= _DEPTH]

    def _is_of_other_scale(self, parts: Iterable[str]) -> bool:
        scales = (re.fullmatch(r"x?(\d)x?", part) for part in parts)
        return any(int(match[1]) != self.scale for match in scales if match)

    def _listed(self, folder: Path) -> list[Path]:
        if folder not in self._listings:
            self._listings[folder] = sorted(filter(_is_image, folder.iterdir())) if folder.is_dir() else []
        return self._listings[folder]

    def _has_known_ending(self, path: Path, name: str) -> bool:
        stem, scale = _stem(path), f"(?:[_-]?x{self.scale}|[_-]?{self.scale}x)"
        word = f"[_-](?:{_WORDS})"
        endings = f"{scale}?(?:{word})?|{word}{scale}|[_-]hr{scale}|{scale}[_-][a-z][a-z0-9+-]*"
        return stem.startswith(name) and re.fullmatch(endings, stem[len(name) :], re.IGNORECASE) is not None

    def _has_common_ending(self, path: Path, name: str) -> bool:
        """Return whether all images of the folder have this ending after their names, and it does not mean another
        scale.
        """
        stem = _stem(path)
        ending = stem[len(name) :]
        if not stem.startswith(name) or ending[:1] not in {"_", "-", "."}:
            return False
        scales = re.findall(r"x(\d)(?!\d)", ending, re.IGNORECASE) + re.findall(
            r"(?<![\dx])(\d)x", ending, re.IGNORECASE
        )
        if scales and str(self.scale) not in scales:
            return False
        return all(_stem(other).endswith(ending) for other in self._listed(path.parent))


def _titles(dataset: str) -> set[str]:
    """The names under which people keep a dataset's folder, in lower case."""
    entry = CATALOGUE.get(dataset)
    return {dataset.lower(), *(alias.lower() for alias in (entry.aliases if entry else ()))}


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".") and path.is_file()


def _stem(path: Path) -> str:
    return unicodedata.normalize("NFC", path.stem)


def _require_pattern(pattern: str) -> None:
    if "{name}" not in pattern:
        raise UpscalerError(
            f"--pattern {pattern}: expected a path with {{name}} in it (known: {', '.join(_FIELDS)}, *), got none; "
            "write for example '{dataset}/{name}_SR.png'"
        )
    if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
        raise UpscalerError(
            f"--pattern {pattern}: expected a path below the folder of images; name that folder after images:"
        )
