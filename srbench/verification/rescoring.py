"""Score submitted SR images again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from srbench.datasets.imageset import ImageSet, open_dataset
from srbench.errors import ImageError, SubmissionError
from srbench.evaluation import Plan, run
from srbench.images import IMAGE_SUFFIXES, size_of
from srbench.protocols import Protocol, get_protocol
from srbench.records.shared import DatasetFacts
from srbench.records.submission import SubmissionRecord, SubmittedRun
from srbench.scores import Row, to_frame
from srbench.submissions import Submission
from srbench.upscalers.loading import open_upscaler
from srbench.verification.tolerances import Reproduction, compare_scores, images_bound

MAX_PIXELS = 24_000_000
"""The largest SR image that is decoded; benchmark images have at most 6 million pixels."""
MAX_BYTES = 100_000_000
"""The largest file that is opened as an SR image."""

_TOLERANCE = (
    "1e-6 dB and SSIM where the protocol rounds its output; elsewhere 0.002 dB plus twice what rounding to "
    "8 bit costs, 0.3 dB at the most, and 0.001 SSIM"
)


def rescore(entry: Submission, images: Path, *, data_root: Path | None = None) -> Reproduction:
    """Score a folder of 8-bit SR images and compare every score of the entry.

    The folder has the layout of `srbench evaluate --save-images`: DATASET/NAME.png. Scales (x2, x3, …) may have folders
    of their own, and so may protocols that need a different LR (matlab-y, bam2021, …), in either order.

    Raises:
        SubmissionError: images that are missing, of a wrong size or too large, or HR images unlike the entry's.
    """
    require_safe_images(images)
    rows = [
        row for run in entry.record.runs for batch in _rescored(entry.record, run, images, data_root) for row in batch
    ]
    return compare_scores(entry.scores, to_frame(rows), images_bound, tolerance=_TOLERANCE)


def require_safe_images(folder: Path) -> None:
    """Raise SubmissionError if a folder of images has a link, or an image that is too large to decode."""
    if not folder.is_dir():
        raise SubmissionError(f"{folder}: expected a folder of SR images, got none; archives are not unpacked here")
    for path in folder.rglob("*"):
        if path.is_symlink():
            raise SubmissionError(f"{path}: expected plain files and folders, got a link")
        if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file():
            _require_decodable(path)


def open_same_datasets(stated: Mapping[str, DatasetFacts], data_root: Path | None) -> list[ImageSet]:
    """Return the local datasets of a run, with exactly the pixels that the run was made on.

    Raises:
        SubmissionError: different pixels; and the errors of `open_dataset`.
    """
    sets = [open_dataset(name, data_root=data_root) for name in stated]
    for found in sets:
        if found.fingerprint != stated[found.name].fingerprint:
            raise SubmissionError(
                f"{found.name}: expected the pixels that the entry was scored on "
                f"({stated[found.name].variant}), got {found.variant} at {found.location}; "
                "name another --data-root"
            )
    return sets


def _rescored(
    record: SubmissionRecord, facts: SubmittedRun, images: Path, data_root: Path | None
) -> Iterator[list[Row]]:
    sets = open_same_datasets(facts.datasets, data_root)
    alone = len(_by_preparation(name for one in record.runs for name in one.protocols)) == 1
    for protocols in _by_preparation(facts.protocols):
        folder = _image_folder(images, facts.scale, [protocol.name for protocol in protocols], alone=alone)
        upscaler = open_upscaler(f"images:{folder}", scale=facts.scale)
        yield from run(Plan(upscaler, sets, protocols, record.options.lr_source))


def _by_preparation(names: Iterable[str]) -> list[list[Protocol]]:
    groups: dict[str, list[Protocol]] = {}
    for name in dict.fromkeys(names):
        groups.setdefault(get_protocol(name).preparation.key, []).append(get_protocol(name))
    return list(groups.values())


def _image_folder(images: Path, scale: int, protocols: list[str], *, alone: bool) -> Path:
    """Return the folder of one scale and preparation."""
    named = [part for name in protocols for part in (f"x{scale}/{name}", f"{name}/x{scale}", name)]
    shared = [f"x{scale}", "."] if alone else []
    for place in (images / part for part in [*named, *shared]):
        if place.is_dir():
            return place
    wanted = " or ".join(f"x{scale}/{name}" for name in protocols)
    raise SubmissionError(
        f"{images}: expected SR images at ×{scale} for {', '.join(protocols)} in a folder {wanted}, "
        "since the entry's protocols need different LR, got no such folder"
    )


def _require_decodable(path: Path) -> None:
    if path.stat().st_size > MAX_BYTES:
        raise SubmissionError(f"{path}: expected an image file of at most {MAX_BYTES:,} bytes")
    try:
        height, width = size_of(path.read_bytes(), name=str(path))
    except (OSError, ImageError) as error:
        raise SubmissionError(f"{path}: expected an image that opens, got none") from error
    if height * width > MAX_PIXELS:
        raise SubmissionError(f"{path}: expected at most {MAX_PIXELS:,} pixels, got {height * width:,}")
