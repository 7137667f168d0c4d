"""Reading `submissions/` for a build: what did not change since the last one comes from its memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from leaderboard.entries import Entry, Group, Values, summarise
from leaderboard.memory import Memory
from srbench.errors import SrbenchError, SubmissionError
from srbench.submissions import Problem, Submission, read_submissions
from srbench.submissions.known import catalogue_errors, pixels_of


@dataclass(frozen=True)
class Collection:
    """The entries under `root` that can be shown, in the order of their ids, and what is wrong with the others."""

    root: Path
    entries: tuple[Entry, ...]
    problems: tuple[Problem, ...]
    memory: Memory

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def values(self, entry: Entry, group: Group) -> Values:
        """The scores behind one of the entry's means, without reading its table again."""
        return self.memory.values(entry.digest, group)


def collect(root: Path, memory: Memory) -> Collection:
    """The entries of a folder of submissions; only the tables of new and changed ones are read.

    An entry that the catalogues contradict is left out, as `srbench leaderboard check` asks: what needs a network to be
    built, and what needs a person, is left to that command. Raises SubmissionError where there is no such folder.
    """
    known = memory.entries()
    found = read_submissions(root, trusted=known)
    entries: list[Entry] = []
    problems = list(found.problems)
    for submission in found.entries:
        try:
            entries.append(_entry(submission, memory))
        except SrbenchError as error:
            problems.append(Problem(submission.id, str(error)))
    memory.forget_entries(known - {entry.digest for entry in entries})
    return Collection(root, tuple(entries), tuple(problems), memory)


def _entry(submission: Submission, memory: Memory) -> Entry:
    means = memory.means(submission.digest)
    if means is not None:
        return Entry(submission, means)
    rows = submission.rows()
    pixels = pixels_of((row["dataset"], row["image"], row["hr_sha256"]) for row in rows)
    for message in catalogue_errors(submission.document, pixels):
        raise SubmissionError(message)
    entry, values = summarise(submission, rows)
    memory.keep_entry(entry, values)
    return entry
