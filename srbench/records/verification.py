"""`verification.json`, the result of a re-scoring or re-run, and `verified.json`, the maintainers' list of them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from srbench.records.fields import Count, Day, EntryId, Name, Number, OneOf, ScaleFactor, Sha256, Text, Whole
from srbench.records.record_model import Items, RecordModel
from srbench.records.shared import EnvironmentFacts

LEVELS = ("claimed", "images-rescored", "model-rerun")
"""What is known about an entry's scores, from least to most."""

VERIFICATION_VERSION = 2
"""Version of `verification.json`; version 1 says nothing about samples."""

VERIFIED_VERSION = 1
"""Version of `verified.json`."""

Level = Annotated[str, OneOf(LEVELS[1:])]


class DeviationFacts(RecordModel):
    """The largest differences between stated and found scores: PSNR in dB, and SSIM."""

    psnr: Annotated[float, Number(0, 1e6)] | None
    ssim: Annotated[float, Number(0, 2)] | None


class DropFacts(RecordModel):
    """The largest drops in dB under one kind of change: of a set's mean, and of a single image."""

    mean: Annotated[float, Number(-1e3, 1e3)]
    image: Annotated[float, Number(-1e3, 1e3)]


class MemorisationFacts(RecordModel):
    """The outcome of the memorisation probe at one scale: see `srbench.verification.memorisation`.

    `status` is "passed", or "not applicable" and the reason. A probe that fails writes no verification.
    """

    scale: ScaleFactor
    status: Annotated[str, Text(200)]
    images: Count
    drops: dict[Annotated[str, OneOf(("crop", "flip", "shift"))], DropFacts]


class UnpublishedFacts(RecordModel):
    """How much better than bicubic a model is, in dB of PSNR: on unpublished images, and on one benchmark.

    A model that is far better on the benchmark alone was made for its images. There is no bound: a maintainer judges.
    """

    scale: ScaleFactor
    images: Count
    gain: Annotated[float, Number(-1e3, 1e3)]
    benchmark: Name
    benchmark_gain: Annotated[float, Number(-1e3, 1e3)]


FINDING = 400
"""The longest message of an accepted review; longer ones are cut."""


class AcceptedReview(RecordModel):
    """A review that a maintainer looked at and accepted."""

    finding: Annotated[str, Text(FINDING)]
    by: Annotated[str, Text(100)]


class EarlierFacts(RecordModel):
    """Scores that this verification took from an earlier one of the same weights: its date, their number, its hash."""

    date: Day
    rows: Annotated[int, Whole(1, 10**6)]
    checked_sha256: Sha256


class VerificationRecord(RecordModel):
    """`verification.json`: the result of a verification, and the hashes of the entry that was verified.

    `samples_sha256` is null where the samples were not made again, and missing in version 1. `rows` and
    `largest_deviation` include the scores of `earlier`, which were not computed again; its hash is the
    `checked_sha256` of the earlier verification.
    """

    schema_version: Annotated[int, OneOf((1, VERIFICATION_VERSION))]
    id: EntryId
    level: Level
    date: Day
    rows: Annotated[int, Whole(1, 10**6)]
    largest_deviation: DeviationFacts
    tolerance: Annotated[str, Text(400)]
    checked_sha256: Sha256
    samples_sha256: Sha256 | None = None
    environment: EnvironmentFacts
    memorisation: Items[MemorisationFacts] | None = None
    accepted: Items[AcceptedReview] = ()
    unpublished: Items[UnpublishedFacts] = ()
    earlier: EarlierFacts | None = None


class ListedVerification(RecordModel):
    """What `verified.json` says about one entry: its level, and the hash of its `verification.json`."""

    level: Level
    sha256: Sha256


class VerifiedList(RecordModel):
    """`verified.json`, the maintainers' list next to the entries."""

    schema_version: Annotated[int, OneOf((VERIFIED_VERSION,))]
    entries: Annotated[dict[EntryId, ListedVerification], Field(max_length=100_000)]
