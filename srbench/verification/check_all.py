"""Check a folder of submissions: each entry, the entries against each other, and their verifications."""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from srbench.errors import SubmissionError, UnknownNameError, counted
from srbench.files import sha256_of
from srbench.records.verification import VerifiedList
from srbench.scores import SCORES_NAME
from srbench.submissions import LEVELS, Submission, read_submissions
from srbench.submissions.confusables import skeleton
from srbench.submissions.crops import SAMPLES_NAME, read_samples
from srbench.submissions.read import (
    DOCUMENT_NAME,
    NOTHING_VERIFIED,
    VERIFICATION_NAME,
    VERIFIED_NAME,
    read_verified,
)
from srbench.submissions.untrusted_files import printable_name
from srbench.verification.checks import bicubic_scores, check_entry
from srbench.verification.crop_checks import check_crops
from srbench.verification.findings import CheckFinding

FAR_ABOVE = 1.0
"""The PSNR in dB by which a set's mean may exceed that of every network that was run again.

On Set5 ×4 the best networks that were ever published are 1.1 dB above IMDN; ×2 images that are scored as ×4 exceed it:
those of bicubic by 1.5 dB, those of IMDN by 5.8 dB.
"""


@dataclass(frozen=True)
class CheckedFolder:
    """The outcome of a check: the readable entries, and all findings, including those about unreadable ones."""

    entries: list[Submission]
    findings: list[CheckFinding]

    @property
    def passed(self) -> bool:
        """Whether there is no error."""
        return all(finding.severity != "error" for finding in self.findings)


def check_submissions(
    root: Path,
    only: Sequence[str] = (),
    *,
    base: Path | None = None,
    vet: Callable[[Path], None] | None = None,
) -> CheckedFolder:
    """Check the entries of a folder, or those in `only`, against the schema, the catalogues and each other.

    Args:
        base: the submissions folder before a change. One entry may be new or changed; its verification and everything
            else must be the same.
        vet: see `read_submissions`; `leaderboard check` reads each entry in a bounded worker process first.

    Raises:
        SubmissionError: a missing folder or entry.
    """
    collection = read_submissions(root, vet=vet)
    damaged = any(problem.id == VERIFIED_NAME for problem in collection.problems)
    verified = NOTHING_VERIFIED if damaged else read_verified(root)
    known = {entry.id for entry in collection.entries} | {problem.id for problem in collection.problems}
    if missing := [name for name in only if name not in known]:
        raise UnknownNameError("submission", missing[0], known)
    findings = [CheckFinding(problem.id, "error", problem.message) for problem in collection.problems]
    baseline = bicubic_scores(collection.entries)
    chosen = [entry for entry in collection.entries if not only or entry.id in only]
    for entry in chosen:
        findings += [CheckFinding(entry.id, *said) for said in check_entry(entry, baseline)]
        if not entry.samples_verified:
            pictures = read_samples(entry.folder / SAMPLES_NAME)
            findings += [CheckFinding(entry.id, *said) for said in check_crops(pictures)]
        findings += _check_verification(entry, verified)
    findings += [*_check_against_each_other(collection.entries), *_check_outliers(collection.entries)]
    kept = [finding for finding in findings if not only or finding.id in (*only, VERIFIED_NAME)]
    return CheckedFolder(chosen, kept + (list(dict.fromkeys(_check_base(root, base))) if base else []))


def _check_verification(entry: Submission, verified: VerifiedList) -> Iterator[CheckFinding]:
    if entry.level == LEVELS[-1]:
        yield from (CheckFinding(entry.id, "note", message) for message in _gaps(entry))
    if entry.level != LEVELS[0]:
        return
    has_record = os.path.lexists(entry.folder / VERIFICATION_NAME)
    if entry.id in verified.entries:
        gone = f"{VERIFIED_NAME} lists it, but its {VERIFICATION_NAME} is gone"
        change = "changed since it was verified" if has_record else gone
        message = f"{change}, so it shows as claimed; verify it again"
        yield CheckFinding(entry.id, "review", message, needs_verification=True)
    elif has_record:
        message = f"has a {VERIFICATION_NAME} that no maintainer wrote; remove the file"
        yield CheckFinding(entry.id, "error", message)


def _gaps(entry: Submission) -> Iterator[str]:
    """Yield what the re-run of an entry did not do."""
    if entry.samples and not entry.samples_verified:
        yield "a re-run did not reproduce its samples; pages show them as submitted"
    if entry.verification and entry.verification.memorisation is None:
        yield "re-run, memorisation probe not run; run it with srbench leaderboard check ID --rerun"


def _check_against_each_other(entries: Sequence[Submission]) -> Iterator[CheckFinding]:
    titles: dict[str, str] = {}
    holders: dict[str, Submission] = {}
    for entry in sorted(entries, key=lambda entry: (entry.level == "claimed", entry.record.date, entry.id)):
        other = titles.setdefault(skeleton(entry.title) + json.dumps(entry.record.options.plain()), entry.id)
        if other != entry.id:
            yield CheckFinding(entry.id, "review", f"its title looks like that of {other!r}")
        means = _means(entry)
        first = [holders.setdefault(mean, entry) for mean in means]
        shared = Counter(one.id for one in first if one is not entry and not _differ_by_options(one, entry))
        for name, count in sorted(shared.items()):
            which = "the means" if count == len(means) else f"{count} of its {len(means)} means"
            yield CheckFinding(entry.id, "review", f"has {which} of {name!r} to the last digit")


def _check_outliers(entries: Sequence[Submission]) -> Iterator[CheckFinding]:
    """Yield entries with means far above every network of the catalogue that was run again.

    Only the catalogue's weights set the bar: an entry with weights of its own must not raise it for the next one.
    """
    best: dict[tuple[object, ...], float] = {}
    for entry in entries:
        if entry.level == LEVELS[-1] and entry.record.model.tag is not None:
            best |= {group: max(psnr, best.get(group, psnr)) for group, psnr in _psnr_means(entry)}
    for entry in (entry for entry in entries if entry.level != LEVELS[-1]):
        if high := [group for group, psnr in _psnr_means(entry) if psnr > best.get(group, math.inf) + FAR_ABOVE]:
            scale, dataset, protocol, *_ = high[0]
            yield CheckFinding(
                entry.id,
                "review",
                f"mean PSNR more than {FAR_ABOVE:g} dB over every network that was run "
                f"again on {counted(len(high), 'set')}, such as {dataset} ×{scale} under {protocol}",
            )


def _psnr_means(entry: Submission) -> Iterator[tuple[tuple[object, ...], float]]:
    """Yield each mean PSNR of an entry, with everything that must be equal where two means are compared."""
    for run in entry.record.runs:
        for mean in run.means:
            group = (
                run.scale,
                mean.dataset,
                mean.protocol,
                run.datasets[mean.dataset].fingerprint,
                run.protocols[mean.protocol].lr_source,
            )
            if mean.psnr is not None:
                yield group, mean.psnr


def _means(entry: Submission) -> list[str]:
    """Return each mean of the entry as text; two different models practically never have one in common."""
    return [
        json.dumps([run.scale, mean.dataset, mean.protocol, str(mean.psnr), str(mean.ssim)])
        for run in entry.record.runs
        for mean in run.means
    ]


def _differ_by_options(entry: Submission, other: Submission) -> bool:
    """Return whether two entries are one model with different options. Such entries may have some equal scores."""
    one, two = entry.record, other.record
    return one.model.spec == two.model.spec and one.options != two.options


def _check_base(root: Path, base: Path) -> Iterator[CheckFinding]:
    """Yield the files that a submitted change modifies outside of the entry that it adds or changes."""
    if not base.is_dir():
        raise SubmissionError(f"{base}: expected the submissions folder of the base branch, got none; check --base")
    before, after = _files(base), _files(root)
    changed = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
    entries = list(dict.fromkeys(path.split("/")[0] for path in changed if "/" in path))
    for path in changed:
        top, _, inner = path.partition("/")
        how = "adds" if path not in before else "modifies" if path in after else "removes"
        if path == VERIFIED_NAME:
            yield CheckFinding(
                path, "error", "expected the list of the base; only maintainers change it, in a change of its own"
            )
        elif inner == VERIFICATION_NAME and not (how == "removes" and _inside(top, changed) & _CHECKED):
            yield CheckFinding(
                printable_name(top), "error", f"the change {how} its {inner}, which only maintainers do; undo that"
            )
        elif not inner or not any(other.startswith(f"{top}/") for other in after):
            yield CheckFinding(
                printable_name(top),
                "error",
                f"the change {how} it; a submission adds or changes one entry's folder and touches nothing else",
            )
    for name in entries[1:]:
        message = (
            f"expected a change of one entry, got one of {printable_name(entries[0])}, too; submit them separately"
        )
        yield CheckFinding(printable_name(name), "error", message)


_CHECKED = frozenset({DOCUMENT_NAME, SCORES_NAME})
"""The files that a verification is about. Where one of them changes, `srbench submit --replace` removes it."""


def _inside(folder: str, paths: Iterable[str]) -> set[str]:
    return {path.removeprefix(f"{folder}/") for path in paths if path.startswith(f"{folder}/")}


def _files(folder: Path) -> dict[str, str]:
    """Return the content of an untrusted folder by path: the hash of a plain file, the target of a link."""
    found: dict[str, str] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = f"link to {path.readlink()}"
        elif path.is_file():
            found[name] = sha256_of(path)
        elif not path.is_dir():
            found[name] = "neither file nor folder"
    return found
