"""Checking a whole folder of submissions: each entry, the entries against each other, and who verified what."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from srbench.errors import SubmissionError, UnknownNameError
from srbench.submissions import Submission, read_submissions
from srbench.submissions.entry import VERIFICATION_NAME, VERIFIED_NAME, Verified, read_verified
from srbench.submissions.ids import skeleton
from srbench.verification.checks import Said, bicubic_scores, check_entry
from srbench.verification.findings import Finding


@dataclass(frozen=True)
class Checked:
    """The outcome of a check: entries that can be read, and what was found, problems of unreadable ones included."""

    entries: list[Submission]
    findings: list[Finding]

    @property
    def passed(self) -> bool:
        """Whether there is no error."""
        return all(finding.severity != "error" for finding in self.findings)


def check_submissions(root: Path, only: Sequence[str] = (), *, base: Path | None = None) -> Checked:
    """Check the entries of a folder, or those in `only`, against the schema, the catalogues and each other.

    Args:
        base: the submissions folder before a change; entries that are not in it may not bring a verification, and the
            maintainers' list must be the same.

    Raises:
        SubmissionError: no such folder or no such entry.
    """
    collection = read_submissions(root)
    damaged = any(problem.id == VERIFIED_NAME for problem in collection.problems)
    verified = {} if damaged else read_verified(root)
    known = {entry.id for entry in collection.entries} | {problem.id for problem in collection.problems}
    if missing := [name for name in only if name not in known]:
        raise UnknownNameError("submission", missing[0], known)
    findings = [Finding(problem.id, "error", problem.message) for problem in collection.problems]
    baseline = bicubic_scores(collection.entries)
    chosen = [entry for entry in collection.entries if not only or entry.id in only]
    for entry in chosen:
        findings += [Finding(entry.id, *said) for said in check_entry(entry, baseline)]
        findings += [Finding(entry.id, *said) for said in _check_verification(entry, verified)]
    findings += list(_check_against_each_other(collection.entries))
    findings += list(_check_base(collection.entries, verified, base)) if base else []
    kept = [finding for finding in findings if not only or finding.id in (*only, VERIFIED_NAME)]
    return Checked(chosen, kept)


def _check_verification(entry: Submission, verified: Verified) -> Said:
    if entry.level != "claimed" or not os.path.lexists(entry.folder / VERIFICATION_NAME):
        return
    if entry.id in verified:
        yield "review", "changed since it was verified, so it shows as claimed; verify it again"
    else:
        yield "error", f"brings a {VERIFICATION_NAME} that no maintainer wrote; it is not believed: remove the file"


def _check_against_each_other(entries: Sequence[Submission]) -> Iterator[Finding]:
    titles: dict[str, str] = {}
    tables: dict[str, str] = {}
    for entry in sorted(entries, key=lambda entry: (entry.level == "claimed", entry.document["date"], entry.id)):
        other = titles.setdefault(skeleton(entry.title) + json.dumps(entry.document["options"]), entry.id)
        if other != entry.id:
            yield Finding(entry.id, "review", f"its title looks like that of {other!r}")
        same = tables.setdefault(_means(entry), entry.id)
        if same != entry.id:
            yield Finding(entry.id, "review", f"has the means of {same!r} to the last digit")


def _means(entry: Submission) -> str:
    """Every mean of the entry, as one text: two models do not agree in all of them by chance."""
    return json.dumps(sorted([run["scale"], mean["dataset"], mean["protocol"], str(mean["psnr"]), str(mean["ssim"])]
                             for run in entry.document["runs"] for mean in run["means"]))  # fmt: skip


def _check_base(entries: Sequence[Submission], verified: Verified, base: Path) -> Iterator[Finding]:
    if not base.is_dir():
        raise SubmissionError(f"{base}: expected the submissions folder of the base branch, got none; check --base")
    if verified != read_verified(base):
        yield Finding(VERIFIED_NAME, "error", "expected the base's list; only maintainers change it, on its own")
    for entry in entries:
        if not (base / entry.id).is_dir() and os.path.lexists(entry.folder / VERIFICATION_NAME):
            yield Finding(entry.id, "error", f"a new entry may not bring a {VERIFICATION_NAME}; remove the file")
