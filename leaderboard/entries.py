"""Submissions as pages show them: the document, the means of the rows, and the rows, which are read when needed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from operator import itemgetter
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from srbench import scores
from srbench.datasets import known_images
from srbench.protocols import get_protocol
from srbench.records.submission import SubmissionRecord
from srbench.scores import Row
from srbench.submissions import LEVELS, Submission
from srbench.submissions.catalogue_checks import served_weights

Group = tuple[int, str, str]
"""Scale, protocol and dataset: the rows of one mean."""

GroupValues = NDArray[np.float64]
"""The scores of a group, 2×n: PSNR in dB and SSIM of each image in the order of names, NaN where one is missing."""


@dataclass(frozen=True)
class Mean:
    """The mean scores of a group: PSNR in dB, SSIM, each None unless all `n_expected` images have it.

    `aliased` is the mean of `psnr_y_aliased`, None if the protocol does not have it. `inputs` is the hash of protocol
    version, HR and LR: groups of equal `inputs` may be ranked together. `canonical` is true if the HR pixels are those
    of the catalogue, or if the catalogue does not list the dataset. `seconds` is the upscaler's time per image in the
    scoring run.
    """

    n: int
    n_expected: int
    psnr: float | None
    ssim: float | None
    aliased: float | None
    inputs: str
    canonical: bool
    seconds: float | None = None


@dataclass(frozen=True)
class Entry:
    """A submission with the means of its rows."""

    submission: Submission
    means: Mapping[Group, Mean]

    @property
    def id(self) -> str:
        """The id of the entry, which is also the name of its page."""
        return self.submission.id

    @property
    def title(self) -> str:
        """The title that the submitter chose."""
        return self.submission.title

    @property
    def level(self) -> str:
        """`claimed`, `images-rescored` or `model-rerun`."""
        return self.submission.level

    @property
    def document(self) -> dict[str, Any]:
        """The checked `submission.json`."""
        return self.submission.document

    @property
    def record(self) -> SubmissionRecord:
        """The checked `submission.json`, typed."""
        return self.submission.record

    @property
    def scores(self) -> pd.DataFrame:
        """The rows that `means` are computed from, with the columns of `srbench.scores.SCHEMA`; read again at each
        use."""
        return self.submission.scores

    def rows(self) -> dict[Group, list[Row]]:
        """Return the same rows by group, in the order of image names."""
        return by_group(self.submission.rows())

    @property
    def date(self) -> str:
        """The day of the entry, ISO."""
        return self.submission.record.date

    def at(self, name: str, scale: int) -> float | None:
        """Return `parameters` or `macs` of the model at a scale; None if the entry does not give it."""
        facts = self.document["model"][name] or {}
        value: float | None = facts.get(str(scale))
        return value

    def only_claimed(self, name: str) -> bool:
        """Return whether `parameters` or `macs` were stated by the submitter instead of being counted by srbench.

        It counts both for weights of the catalogue, and the parameters of any other file that it ran again. A re-run
        from before the memorisation probe did not count them.
        """
        if served_weights(self.record.model.spec):
            return False
        verified = self.submission.verification
        rerun = self.level == LEVELS[-1] and verified is not None and verified.memorisation is not None
        return not (rerun and name == "parameters")


def by_group(rows: Iterable[Row]) -> dict[Group, list[Row]]:
    """Return the rows of an entry by group, in the order of image names."""
    found: dict[Group, list[Row]] = {}
    for row in sorted(rows, key=itemgetter("image")):
        found.setdefault(cast(Group, (row["scale"], row["protocol"], row["dataset"])), []).append(row)
    return found


def summarise(submission: Submission, rows: Iterable[Row]) -> tuple[Entry, dict[Group, GroupValues]]:
    """Return the entry of a submission and the scores behind each of its means; both are computed from its rows.

    Raises SrbenchError for a protocol that does not exist.
    """
    found = by_group(rows)
    expected = {
        (run.scale, name): facts.n_expected for run in submission.record.runs for name, facts in run.datasets.items()
    }
    means: dict[Group, Mean] = {}
    values: dict[Group, GroupValues] = {}
    for group in sorted(found):
        means[group] = _mean(group, found[group], expected.get((group[0], group[2]), 0))
        psnr, ssim, *_ = get_protocol(group[1]).columns
        values[group] = np.array([[row[name] for row in found[group]] for name in (psnr, ssim)], dtype=np.float64)
    return Entry(submission, means), values


def _mean(group: Group, rows: list[Row], n_expected: int) -> Mean:
    complete = len(rows) == n_expected > 0
    columns = [[row[name] for row in rows] for name in get_protocol(group[1]).columns]
    psnr, ssim, *others = (scores.mean(pd.Series(column, dtype=float)) if complete else None for column in columns)
    aliased = others[0] if others else None
    seconds = scores.mean(pd.Series([row["seconds"] for row in rows], dtype=float)) if complete else None
    return Mean(len(rows), n_expected, psnr, ssim, aliased, _inputs(rows), _is_canonical(group[2], rows), seconds)


def _inputs(rows: list[Row]) -> str:
    columns = "image", "protocol_version", "hr_sha256", "lr_sha256"
    lines = ["\t".join(str(row[name]) for name in columns) for row in rows]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


@cache
def _known_pixels(dataset: str) -> frozenset[tuple[str, str]]:
    return frozenset((image.name, image.sha256) for image in known_images(dataset))


def _is_canonical(dataset: str, rows: list[Row]) -> bool:
    known = _known_pixels(dataset)
    return not known or all((row["image"], row["hr_sha256"]) in known for row in rows)
