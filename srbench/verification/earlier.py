"""The runs of an entry that were reproduced when an earlier version of it was verified, and need not run again."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from srbench.errors import SubmissionError
from srbench.records.submission import SubmittedRun
from srbench.records.verification import LEVELS, AcceptedReview, EarlierFacts, MemorisationFacts, VerificationRecord
from srbench.submissions import Submission, read_submission
from srbench.submissions.create import different_fact
from srbench.submissions.crops import sample_scales
from srbench.verification.checks import ROW
from srbench.verification.memorisation import PASSED


@dataclass(frozen=True)
class EarlierRuns:
    """What an earlier verification says about the unchanged runs of an entry.

    Attributes:
        unchanged: the entry's runs whose facts and scores are those of the earlier version.
        facts: what the new verification records about the earlier one.
        verification: the earlier verification.
        samples_verified: whether it reproduced the sample crops that the entry still has, with weights that it still
            has.
    """

    unchanged: tuple[SubmittedRun, ...]
    facts: EarlierFacts
    verification: VerificationRecord
    samples_verified: bool

    @property
    def scales(self) -> set[int]:
        """The scales at which the weights are those of the earlier version."""
        return {run.scale for run in self.unchanged}

    @property
    def probes(self) -> dict[int, MemorisationFacts]:
        """By scale, what the memorisation probe found for weights that the entry still has and that passed it."""
        facts = self.verification.memorisation or ()
        return {found.scale: found for found in facts if found.scale in self.scales and found.status == PASSED}

    def probed_sets(self, scale: int) -> set[str]:
        """Return the datasets whose images the probe of that scale changed."""
        if scale not in self.probes:
            return set()
        return {name for run in self.unchanged if run.scale == scale for name in run.datasets}


def earlier_runs(entry: Submission, folder: Path) -> EarlierRuns:
    """Return the runs of an entry that its version in another submissions folder has, too, re-run and verified there.

    Args:
        folder: the submissions folder with the earlier version, such as that of the target branch.

    Raises:
        SubmissionError: no earlier version there that was run again, the same version, another model or other options,
            or no unchanged run.
    """
    earlier = _earlier_version(entry.id, folder)
    verification = earlier.verification
    if verification is None or earlier.level != LEVELS[-1]:
        raise SubmissionError(
            f"{earlier.folder}: expected an earlier version of the entry that was run again, got one that is only "
            f"{earlier.level}; leave out --earlier to run everything"
        )
    if earlier.checked_sha256 == entry.checked_sha256:
        raise SubmissionError(
            f"{earlier.folder}: expected an earlier version of the entry, got the same one; leave out --earlier"
        )
    if difference := different_fact(earlier.record, entry.record):
        name, value, other = difference
        raise SubmissionError(
            f"{entry.id}, {name}: expected the earlier version's, {value}, got {other}; leave out --earlier"
        )
    scores, scores_before = entry.scores, earlier.scores
    unchanged = tuple(
        run
        for run in entry.record.runs
        if run in earlier.record.runs
        and _parameters(entry, run) == _parameters(earlier, run)
        and _rows_of(scores, [run]).equals(_rows_of(scores_before, [run]))
    )
    if not unchanged:
        raise SubmissionError(
            f"{entry.id}: expected a run that {earlier.folder} has, too, got none; leave out --earlier"
        )
    facts = EarlierFacts(
        date=verification.date,
        rows=int(_belongs(scores, unchanged).sum()),
        checked_sha256=verification.checked_sha256,
    )
    same_samples = earlier.samples_verified and earlier.samples_sha256 == entry.samples_sha256
    same_weights = set(sample_scales(entry.samples)) <= {run.scale for run in unchanged}
    return EarlierRuns(unchanged, facts, verification, same_samples and same_weights)


def earlier_acceptances(id: str, folder: Path) -> tuple[AcceptedReview, ...]:
    """Return the reviews that a maintainer accepted when the earlier version of an entry was verified.

    Raises:
        SubmissionError: no readable entry of that name in the submissions folder.
    """
    verification = _earlier_version(id, folder).verification
    return verification.accepted if verification else ()


def _earlier_version(id: str, folder: Path) -> Submission:
    if not (folder / id).is_dir():
        raise SubmissionError(
            f"{folder / id}: expected the earlier version of the entry, got no folder; check --earlier, or leave it "
            "out to run everything"
        )
    return read_submission(folder / id)


def rows_except(scores: pd.DataFrame, runs: Collection[SubmittedRun]) -> pd.DataFrame:
    """Return the rows of a score table that belong to none of these runs."""
    return scores[~_belongs(scores, runs)]


def _rows_of(scores: pd.DataFrame, runs: Collection[SubmittedRun]) -> pd.DataFrame:
    return scores[_belongs(scores, runs)].sort_values(ROW).reset_index(drop=True)


def _belongs(scores: pd.DataFrame, runs: Collection[SubmittedRun]) -> pd.Series[bool]:
    groups = {(run.scale, dataset, protocol) for run in runs for dataset in run.datasets for protocol in run.protocols}
    of_row = pd.MultiIndex.from_frame(scores[["scale", "dataset", "protocol"]])
    return pd.Series(of_row.isin(groups), index=scores.index)


def _parameters(entry: Submission, run: SubmittedRun) -> int | None:
    return (entry.record.model.parameters or {}).get(str(run.scale))
