"""Store verifications: `verification.json` in the entry, and the maintainers' list next to the entries."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime

from srbench.environment import describe_environment
from srbench.errors import SubmissionError
from srbench.files import write_atomic
from srbench.records.record_model import PlainRecord, validate
from srbench.records.shared import EnvironmentFacts
from srbench.records.verification import (
    VERIFICATION_VERSION,
    VERIFIED_VERSION,
    AcceptedReview,
    ListedVerification,
    VerificationRecord,
    VerifiedList,
)
from srbench.scores import json_number
from srbench.submissions import LEVELS, Submission, read_submission
from srbench.submissions.read import VERIFICATION_NAME, VERIFIED_NAME, read_verified
from srbench.upscalers.tensors import pick_device
from srbench.verification.tolerances import Reproduction


def record_verification(
    entry: Submission,
    outcome: Reproduction,
    level: str,
    *,
    device: str = "cpu",
    accepted: Sequence[AcceptedReview] = (),
) -> Submission:
    """Write a successful verification and return the entry with its new level; a higher level is kept.

    `verified.json` gets the hash of the entry's `verification.json`. Only listed verifications count, since the list is
    outside the folder that a submitter may change. `accepted` are reviews that a maintainer looked at and accepted.

    Raises:
        SubmissionError: scores or crops that exceed the tolerance, or files that cannot be written.
    """
    _require_reproduced(entry, outcome)
    if LEVELS.index(entry.level) > LEVELS.index(level):
        return entry
    return _store(entry, _verification(entry, outcome, level, device, accepted))


def record_crops(entry: Submission, outcome: Reproduction) -> Submission:
    """Record that the sample crops of a re-run entry were reproduced. Return the entry with only this fact changed.

    Date and environment stay those of the run that reproduced the scores. Raises as `record_verification`.
    """
    _require_reproduced(entry, outcome)
    if entry.verification is None:
        raise SubmissionError(f"{entry.id}: expected a verified entry, got none; verify it with --rerun")
    changed = {
        "schema_version": VERIFICATION_VERSION,
        "samples_sha256": entry.samples_sha256,
        "tolerance": outcome.tolerance,
    }
    document = {**entry.verification.plain(), **changed}
    return _store(entry, validate(VerificationRecord, document, VERIFICATION_NAME, error=SubmissionError).plain())


def _require_reproduced(entry: Submission, outcome: Reproduction) -> None:
    if outcome.failures:
        raise SubmissionError(
            f"{entry.id}: expected the stated scores within {outcome.tolerance}; " + "; ".join(outcome.failures)
        )


def _store(entry: Submission, verification: PlainRecord) -> Submission:
    text = json.dumps(verification, indent=1, allow_nan=False) + "\n"
    root = entry.folder.parent
    listed = ListedVerification(level=str(verification["level"]), sha256=hashlib.sha256(text.encode()).hexdigest())
    entries = dict(sorted({**read_verified(root).entries, entry.id: listed}.items()))
    verified = VerifiedList(schema_version=VERIFIED_VERSION, entries=entries)
    write_atomic(entry.folder / VERIFICATION_NAME, text, error=SubmissionError)
    write_atomic(root / VERIFIED_NAME, json.dumps(verified.plain(), indent=1) + "\n", error=SubmissionError)
    return read_submission(entry.folder)


def _verification(
    entry: Submission, outcome: Reproduction, level: str, device: str, accepted: Sequence[AcceptedReview]
) -> PlainRecord:
    environment = describe_environment(pick_device(device))
    document = {
        "schema_version": VERIFICATION_VERSION,
        "id": entry.id,
        "level": level,
        "date": datetime.now(UTC).date().isoformat(),
        "rows": outcome.rows,
        "largest_deviation": {"psnr": json_number(outcome.psnr), "ssim": json_number(outcome.ssim)},
        "tolerance": outcome.tolerance,
        "checked_sha256": entry.checked_sha256,
        "samples_sha256": entry.samples_sha256 if outcome.crops else None,
        "environment": {name: value for name, value in environment.items() if name in EnvironmentFacts.model_fields},
    }
    if outcome.memorisation:
        document["memorisation"] = [facts.plain() for facts in outcome.memorisation]
    if outcome.unpublished:
        document["unpublished"] = [facts.plain() for facts in outcome.unpublished]
    if outcome.earlier:
        document["earlier"] = outcome.earlier.plain()
    if accepted:
        document["accepted"] = [review.plain() for review in accepted]
    return validate(VerificationRecord, document, VERIFICATION_NAME, error=SubmissionError).plain()
