"""Submissions to the leaderboard: read untrusted entries, check them, create new ones. No torch."""

from __future__ import annotations

from srbench.records.submission import json_schema
from srbench.records.verification import LEVELS
from srbench.submissions.create import Draft, draft_submission, write_submission
from srbench.submissions.extend import extend_submission
from srbench.submissions.read import FoundSubmissions, Problem, Submission, read_submission, read_submissions

__all__ = [
    "LEVELS",
    "Draft",
    "FoundSubmissions",
    "Problem",
    "Submission",
    "draft_submission",
    "extend_submission",
    "json_schema",
    "read_submission",
    "read_submissions",
    "write_submission",
]
