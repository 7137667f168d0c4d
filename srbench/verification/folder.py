"""Checking a whole folder of submissions: each entry, the entries against each other, and who verified what."""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from srbench.errors import SubmissionError, UnknownNameError, counted
from srbench.files import sha256_of
from srbench.submissions import LEVELS, Submission, read_submissions
from srbench.submissions.entry import VERIFICATION_NAME, VERIFIED_NAME, Verified, harmless, read_verified
from srbench.submissions.ids import skeleton
from srbench.submissions.known import BASELINES
from srbench.submissions.samples import SAMPLES_NAME, read_samples
from srbench.verification.checks import Said, bicubic_scores, check_entry
from srbench.verification.findings import Finding
from srbench.verification.pictures import check_pictures

FAR_ABOVE = 1.0
"""PSNR in dB by which a set's mean may lie over that of every network that was run again.

On Set5 ×4 the best networks that were ever published are 1.1 dB above IMDN; ×2 images scored as ×4 are so from bicubic
on (1.5 dB), and IMDN's by 5.8 dB.
"""


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
        base: the submissions folder before a change: one entry may be new or changed, its verification and everything
            else must be as it was.

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
        if not entry.samples_verified:
            pictures = read_samples(entry.folder / SAMPLES_NAME)
            findings += [Finding(entry.id, *said) for said in check_pictures(pictures)]
        findings += [Finding(entry.id, *said) for said in _check_verification(entry, verified)]
    findings += [*_check_against_each_other(collection.entries), *_check_records(collection.entries)]
    kept = [finding for finding in findings if not only or finding.id in (*only, VERIFIED_NAME)]
    return Checked(chosen, kept + (list(dict.fromkeys(_check_base(root, base))) if base else []))


def _check_verification(entry: Submission, verified: Verified) -> Said:
    if entry.level != "claimed":
        if entry.level == LEVELS[-1] and entry.samples and not entry.samples_verified:
            yield "note", "its samples are not ones that a re-run made again; pages show them as submitted"
        return
    if not os.path.lexists(entry.folder / VERIFICATION_NAME):
        if entry.id in verified:
            yield "review", f"{VERIFIED_NAME} lists it, but its {VERIFICATION_NAME} is gone, so it shows as claimed"
    elif entry.id in verified:
        yield "review", "changed since it was verified, so it shows as claimed; verify it again"
    else:
        yield "error", f"brings a {VERIFICATION_NAME} that no maintainer wrote; it is not believed: remove the file"


def _check_against_each_other(entries: Sequence[Submission]) -> Iterator[Finding]:
    titles: dict[str, str] = {}
    holders: dict[str, Submission] = {}
    for entry in sorted(entries, key=lambda entry: (entry.level == "claimed", entry.document["date"], entry.id)):
        other = titles.setdefault(skeleton(entry.title) + json.dumps(entry.document["options"]), entry.id)
        if other != entry.id:
            yield Finding(entry.id, "review", f"its title looks like that of {other!r}")
        means = _means(entry)
        first = [holders.setdefault(mean, entry) for mean in means]
        shared = Counter(one.id for one in first if one is not entry and not _differ_by_options(one, entry))
        for name, count in sorted(shared.items()):
            which = "the means" if count == len(means) else f"{count} of its {len(means)} means"
            yield Finding(entry.id, "review", f"has {which} of {name!r} to the last digit")


def _check_records(entries: Sequence[Submission]) -> Iterator[Finding]:
    """Means far above what any network reached that was run again: images made from more than their LR have such."""
    best: dict[tuple[object, ...], float] = {}
    for entry in entries:
        if entry.level == LEVELS[-1] and entry.document["model"]["spec"] not in BASELINES:
            best |= {group: max(psnr, best.get(group, psnr)) for group, psnr in _psnr_means(entry)}
    for entry in (entry for entry in entries if entry.level != LEVELS[-1]):
        if high := [group for group, psnr in _psnr_means(entry) if psnr > best.get(group, math.inf) + FAR_ABOVE]:
            scale, dataset, protocol, *_ = high[0]
            yield Finding(
                entry.id,
                "review",
                f"mean PSNR more than {FAR_ABOVE:g} dB over every network that was run "
                f"again on {counted(len(high), 'set')}, such as {dataset} ×{scale} under {protocol}",
            )


def _psnr_means(entry: Submission) -> Iterator[tuple[tuple[object, ...], float]]:
    """Each mean PSNR of an entry, by what has to be equal where two are compared."""
    for run in entry.document["runs"]:
        for mean in run["means"]:
            group = (
                run["scale"],
                mean["dataset"],
                mean["protocol"],
                run["datasets"][mean["dataset"]]["fingerprint"],
                run["protocols"][mean["protocol"]]["lr_source"],
            )
            yield group, math.inf if mean["psnr"] == "inf" else mean["psnr"]


def _means(entry: Submission) -> list[str]:
    """Each mean of the entry, as one text: no two models agree in one by chance."""
    return [
        json.dumps([run["scale"], mean["dataset"], mean["protocol"], str(mean["psnr"]), str(mean["ssim"])])
        for run in entry.document["runs"]
        for mean in run["means"]
    ]


def _differ_by_options(entry: Submission, other: Submission) -> bool:
    """Whether two entries are one model, which other options, such as large tiles, may leave as it is on some sets."""
    one, two = entry.document, other.document
    return bool(one["model"]["spec"] == two["model"]["spec"] and one["options"] != two["options"])


def _check_base(root: Path, base: Path) -> Iterator[Finding]:
    """What a submitted change touches beyond the one entry that it adds or changes."""
    if not base.is_dir():
        raise SubmissionError(f"{base}: expected the submissions folder of the base branch, got none; check --base")
    before, after = _files(base), _files(root)
    changed = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
    entries = list(dict.fromkeys(path.split("/")[0] for path in changed if "/" in path))
    for path in changed:
        top, _, inner = path.partition("/")
        how = "adds" if path not in before else "modifies" if path in after else "removes"
        if path == VERIFIED_NAME:
            yield Finding(path, "error", "expected the base's list; only maintainers change it, on its own")
        elif inner == VERIFICATION_NAME:
            yield Finding(harmless(top), "error", f"the change {how} its {inner}, which only maintainers do; undo that")
        elif not inner or not any(other.startswith(f"{top}/") for other in after):
            yield Finding(
                harmless(top),
                "error",
                f"the change {how} it; a submission adds or changes one entry's folder and touches nothing else",
            )
    for name in entries[1:]:
        message = f"expected a change of one entry, got one of {harmless(entries[0])} too; submit them apart"
        yield Finding(harmless(name), "error", message)


def _files(folder: Path) -> dict[str, str]:
    """What lies below a folder by its path: the hash of a plain file, the target of a link; a submitter wrote both."""
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
