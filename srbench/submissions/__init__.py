"""Submissions: the schema of an entry, reading entries of strangers, and making one from runs. No torch."""

from __future__ import annotations

from srbench.submissions.entry import Collection, Problem, Submission, read_submission, read_submissions
from srbench.submissions.packing import Draft, draft_submission, write_submission
from srbench.submissions.schema import LEVELS, json_schema

__all__ = [
    "LEVELS",
    "Collection",
    "Draft",
    "Problem",
    "Submission",
    "draft_submission",
    "json_schema",
    "read_submission",
    "read_submissions",
    "write_submission",
]
