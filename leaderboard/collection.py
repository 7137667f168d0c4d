"""Read `submissions/` for a build: the entries, their means and the scores behind them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from leaderboard.entries import Entry, Group, GroupValues, summarise
from srbench.errors import SrbenchError, SubmissionError
from srbench.submissions import Problem, Submission, read_submissions
from srbench.submissions.catalogue_checks import catalogue_errors, pixels_of
from srbench.submissions.read import unexpected


@dataclass(frozen=True, eq=False)
class Collection:
    """The valid entries of the folder `root`, in the order of their ids, and the problems of the other entries.

    `scores` holds the values behind each mean, by entry id and group.
    """

    root: Path
    entries: tuple[Entry, ...]
    problems: tuple[Problem, ...]
    scores: Mapping[str, Mapping[Group, GroupValues]]

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def values(self, entry: Entry, group: Group) -> GroupValues:
        """Return the scores behind one of the entry's means."""
        return self.scores[entry.id][group]


def collect(root: Path) -> Collection:
    """Read the entries of a folder of submissions.

    An entry that contradicts the catalogues is left out, as in `srbench leaderboard check`. That command also makes the
    checks that need a network to be built, or a person. Raises SubmissionError if there is no such folder.
    """
    found = read_submissions(root)
    entries: list[Entry] = []
    scores: dict[str, Mapping[Group, GroupValues]] = {}
    problems = list(found.problems)
    for submission in found.entries:
        try:
            entry, scores[submission.id] = _entry(submission)
        except SrbenchError as error:
            problems.append(Problem(submission.id, str(error)))
        except Exception as error:  # noqa: BLE001 (whatever one entry raises, the others must be shown)
            problems.append(Problem(submission.id, unexpected(error)))
        else:
            entries.append(entry)
    return Collection(root, tuple(entries), tuple(problems), scores)


def _entry(submission: Submission) -> tuple[Entry, Mapping[Group, GroupValues]]:
    rows = submission.rows()
    pixels = pixels_of((str(row["dataset"]), str(row["image"]), str(row["hr_sha256"])) for row in rows)
    for message in catalogue_errors(submission.record, pixels):
        raise SubmissionError(message)
    return summarise(submission, rows)
