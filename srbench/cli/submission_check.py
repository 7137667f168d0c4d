"""The output of `srbench leaderboard check`, and its verification of an entry."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click

from srbench import bounded_process
from srbench.errors import SubmissionError, counted
from srbench.files import write_atomic
from srbench.records.record_model import PlainRecord
from srbench.records.verification import FINDING, AcceptedReview
from srbench.submissions import Submission
from srbench.submissions.read import require_readable
from srbench.tables import text_table
from srbench.verification.check_all import CheckedFolder, check_submissions
from srbench.verification.rerun import RerunSettings, rerun, rerun_crops
from srbench.verification.rescoring import rescore
from srbench.verification.store import record_crops, record_verification
from srbench.verification.tolerances import Reproduction

READER_MEMORY, READER_SECONDS = 1 << 30, 600.0
"""Bytes and seconds that reading all entries may take."""

RESCORE_MEMORY, RESCORE_SECONDS = 8 << 30, 7200.0
"""Bytes and seconds that re-scoring the SR images of an entry may take."""


def check_in_worker(submissions: Path, ids: Sequence[str], base: Path | None) -> CheckedFolder:
    """Return what a check finds; each entry is first read in a worker process with limits."""
    with bounded_process.BoundedWorker(
        require_readable, error=SubmissionError, memory=READER_MEMORY, seconds=READER_SECONDS
    ) as worker:
        return check_submissions(submissions, ids, base=base, vet=worker.call)


def verify(
    entry: Submission,
    *,
    images: Path | None,
    data_root: Path | None,
    again: RerunSettings | None,
    accepted: Sequence[AcceptedReview] = (),
) -> None:
    """Re-score an entry from its SR images, re-run it with the settings in `again`, or both.

    Report on stderr how much the scores differ.
    """
    if images is not None:
        with bounded_process.BoundedWorker(
            rescore, error=SubmissionError, memory=RESCORE_MEMORY, seconds=RESCORE_SECONDS
        ) as worker:
            outcome = worker.call(entry, images, data_root=data_root)
        _announce(record_verification(entry, outcome, "images-rescored", accepted=accepted), outcome)
    if again is not None:
        outcome = rerun(entry, again)
        _announce(record_verification(entry, outcome, "model-rerun", device=again.device, accepted=accepted), outcome)


def verify_crops(entry: Submission, settings: RerunSettings) -> None:
    """Make the sample crops of a re-run entry again, record that they are reproduced, and report it on stderr."""
    outcome = rerun_crops(entry, settings)
    stored = record_crops(entry, outcome)
    click.echo(f"{stored.id}: {counted(outcome.crops, 'sample crop')} reproduced; level {stored.level}", err=True)


def accepted_reviews(
    checked: CheckedFolder, findings: Sequence[str], by: str | None, *, earlier: Sequence[AcceptedReview] = ()
) -> list[AcceptedReview]:
    """Return the reviews of a check that a maintainer accepts, each named by a part of its message.

    Those that were accepted for an `earlier` version of the entry stay accepted. Reviews that only ask for a
    verification need nobody's consent.

    Raises:
        SubmissionError: a review that is not accepted, or a name that fits none.
    """
    reviews = [finding for finding in checked.findings if finding.severity == "review"]
    unknown = [part for part in findings if not any(part in review.message for review in reviews)]
    if unknown:
        raise SubmissionError(f"--accept: expected a part of a review's message, got {unknown[0]!r}")
    messages = [review.message for review in reviews if not review.needs_verification]
    before = {review.finding: review for review in earlier}
    accepted = {
        message: before.get(message[:FINDING]) or AcceptedReview(finding=message[:FINDING], by=by or "")
        for message in messages
        if message[:FINDING] in before or any(part in message for part in findings)
    }
    if waiting := [message for message in messages if message not in accepted]:
        raise SubmissionError(
            f"expected an entry without open reviews, got {counted(len(waiting), 'review')}: {waiting[0]}; look at it, "
            'then accept it with --accept "PART OF ITS MESSAGE" --by NAME'
        )
    return [*accepted.values()]


def report(checked: CheckedFolder, form: str, output: Path | None) -> str:
    """The outcome of a check as text or JSON; with `output`, the JSON is also written to `output/check.json`."""
    document = json.dumps(_document(checked), indent=1, allow_nan=False)
    if output is not None:
        write_atomic(output / "check.json", document + "\n")
    return document if form == "json" else _table(checked)


def _announce(entry: Submission, outcome: Reproduction) -> None:
    crops = f" and {counted(outcome.crops, 'sample crop')}" if outcome.crops else ""
    for facts in outcome.memorisation:
        click.echo(f"{entry.id} ×{facts.scale}: memorisation probe {facts.status}", err=True)
    for gains in outcome.unpublished:
        click.echo(
            f"{entry.id} ×{gains.scale}: {gains.gain:+.2f} dB compared with bicubic on "
            f"{counted(gains.images, 'unpublished image')}, {gains.benchmark_gain:+.2f} dB on {gains.benchmark}",
            err=True,
        )
    before = f", {outcome.earlier.rows:,} of them on {outcome.earlier.date}" if outcome.earlier else ""
    click.echo(
        f"{entry.id}: {counted(outcome.rows, 'score')}{crops} reproduced{before}, at most {outcome.psnr:.2g} dB and "
        f"{outcome.ssim:.2g} SSIM away ({outcome.tolerance}); level {entry.level}",
        err=True,
    )


def _document(checked: CheckedFolder) -> dict[str, object]:
    entries = [
        {"id": entry.id, "title": entry.title, "level": entry.level, "verification": _verification(entry)}
        for entry in checked.entries
    ]
    findings = [
        {"id": finding.id, "severity": finding.severity, "message": finding.message} for finding in checked.findings
    ]
    return {"passed": checked.passed, "entries": entries, "findings": findings}


def _verification(entry: Submission) -> PlainRecord | None:
    return entry.verification.plain() if entry.verification else None


def _table(checked: CheckedFolder) -> str:
    counts = Counter((finding.id, finding.severity) for finding in checked.findings)
    rows = [
        [entry.id, entry.level, *(str(counts[entry.id, kind]) for kind in ("error", "review", "note"))]
        for entry in checked.entries
    ]
    lines = [f"{finding.severity:6}  {finding.id}: {finding.message}" for finding in checked.findings]
    table = text_table(["entry", "level", "errors", "reviews", "notes"], rows, rule=True)
    return "\n".join([table, "", *lines] if lines else [table])
