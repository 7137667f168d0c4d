"""Plan the output files of the input files, and check which other files an output folder has."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from srbench.errors import ImageError, ResultsError, listed
from srbench.upscaling.png_files import read_note
from srbench.upscaling.source_images import SOURCE_SUFFIXES

VIEW_NAME = "view.html"
INPUTS_FOLDER = "view-inputs"


@dataclass(frozen=True)
class SourceFile:
    """One input file, and the name of its outputs below each model's folder, with `/` and the ending `.png`."""

    path: Path
    name: str


def find_sources(inputs: Sequence[Path], *, output: Path) -> list[SourceFile]:
    """Return the images of files and folders; folders are searched with all folders inside them.

    Files in `output` are left out. Two images that differ only in their ending keep it: `a.jpg.png`.

    Raises:
        ImageError: a path that does not exist, a folder without images, or two inputs with the same name.
        ResultsError: an input is `output` or inside it.
    """
    found = list(dict.fromkeys(pair for path in inputs for pair in _images_of(path, output)))
    if not found:
        raise ImageError("expected at least one image to upscale, got none; give files or folders")
    stems = Counter(relative.with_suffix(".png") for _, relative in found)
    sources = [SourceFile(path, _output_name(relative, stems)) for path, relative in found]
    twice = [name for name, times in Counter(source.name for source in sources).items() if times > 1]
    if twice:
        raise ImageError(
            f"expected inputs with different names, got two for {listed(twice)}; upscale them into different folders"
        )
    return sources


def _output_name(relative: Path, stems: Counter[Path]) -> str:
    plain = relative.with_suffix(".png")
    return (plain if stems[plain] == 1 else relative.with_name(f"{relative.name}.png")).as_posix()


def _images_of(path: Path, output: Path) -> Iterator[tuple[Path, Path]]:
    if _is_inside(path, output):
        raise ResultsError(f"{path}: expected inputs outside of {output}; choose another --output")
    if path.is_file():
        yield path, Path(path.name)
        return
    if not path.is_dir():
        raise ImageError(f"{path}: expected an image or a folder of images, got nothing there; check the path")
    images = [
        file
        for file in sorted(path.rglob("*"))
        if file.suffix.lower() in SOURCE_SUFFIXES and file.is_file() and not _is_inside(file, output)
    ]
    if not images:
        raise ImageError(f"{path}: expected images ({', '.join(SOURCE_SUFFIXES)}), got none; check the folder")
    yield from ((file, file.relative_to(path)) for file in images)


def _is_inside(file: Path, folder: Path) -> bool:
    return file.resolve().is_relative_to(folder.resolve())


def model_folders(specs: Sequence[str], *, output: Path) -> list[Path]:
    """Return the output folder of each model: `output` for one, folders named after the specs for several."""
    if len(specs) == 1:
        return [output]
    names = [re.sub(r"[^\w.+-]+", "-", spec).strip("-.") or "model" for spec in specs]
    unique = [f"{name}-{names[:index].count(name) + 1}" if name in names[:index] else name
              for index, name in enumerate(names)]  # fmt: skip
    return [output / name for name in unique]


def require_own_folder(output: Path, expected: Iterable[Path]) -> None:
    """Raise ResultsError where an output folder holds files that `srbench upscale` did not write there.

    `expected` are the files that are about to be written: what is there in their place must be an earlier result, too.
    """
    if output.exists() and not output.is_dir():
        raise ResultsError(f"{output}: expected a folder, got a file; choose another --output")
    allowed = set(expected)
    foreign = [file for file in sorted(output.rglob("*")) if not file.is_dir() and not _is_own(file, output)]
    if foreign:
        names = [str(file.relative_to(output)) for file in foreign]
        raise ResultsError(
            f"{output}: expected a new folder or one of srbench upscale, got other files ({listed(names)}); "
            "choose another --output"
        )
    blocked = [file for file in allowed if file.is_dir()]
    if blocked:
        raise ResultsError(f"{blocked[0]}: expected no folder of this name; choose another --output")


def _is_own(file: Path, output: Path) -> bool:
    if file.name.startswith(".") and file.name.endswith(".tmp"):
        return True  # what a killed call was writing
    if file == output / VIEW_NAME:
        return '<meta name="generator" content="srbench upscale">' in file.read_text("utf-8", errors="replace")[:1000]
    return read_note(file) is not None
