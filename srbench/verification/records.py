"""Writing down what was verified: `verification.json` in the entry, and the maintainers' list beside the entries."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from srbench.environment import describe_environment
from srbench.errors import SubmissionError
from srbench.files import write_atomic
from srbench.scores import json_number
from srbench.submissions import LEVELS, Submission, read_submission
from srbench.submissions.entry import VERIFICATION_NAME, VERIFIED_NAME, read_verified
from srbench.submissions.schema import ENVIRONMENT, SCHEMA_VERSION, VERIFICATION, VERIFICATION_VERSION
from srbench.upscalers.tensors import pick_device
from srbench.verification.comparison import Outcome


def record_outcome(entry: Submission, outcome: Outcome, level: str, *, device: str = "cpu") -> Submission:
    """Write a verification that succeeded, and return the entry with its new level; a higher level stays.

    The folder's `verified.json` gets the hash of the entry's `verification.json`: only what it lists is believed, and
    it lies outside the folder that a submitter may change.

    Raises:
        SubmissionError: scores or crops beyond tolerance, or files that cannot be written.
    """
    if outcome.failures:
        raise SubmissionError(
            f"{entry.id}: expected the stated scores within {outcome.tolerance}; " + "; ".join(outcome.failures)
        )
    if LEVELS.index(entry.level) > LEVELS.index(level):
        return entry
    text = json.dumps(_document(entry, outcome, level, device), indent=1, allow_nan=False) + "\n"
    root = entry.folder.parent
    listed = read_verified(root) | {entry.id: {"level": level, "sha256": hashlib.sha256(text.encode()).hexdigest()}}
    write_atomic(entry.folder / VERIFICATION_NAME, text, error=SubmissionError)
    document = {"schema_version": SCHEMA_VERSION, "entries": dict(sorted(listed.items()))}
    write_atomic(root / VERIFIED_NAME, json.dumps(document, indent=1) + "\n", error=SubmissionError)
    return read_submission(entry.folder)


def _document(entry: Submission, outcome: Outcome, level: str, device: str) -> dict[str, Any]:
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
        "environment": {name: environment.get(name) for name in ENVIRONMENT.fields},
    }
    VERIFICATION.check(document, VERIFICATION_NAME)
    return document
