"""Decide from studies with several seeds whether BAM helps. All pages show this verdict."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from leaderboard.study_pages import Difference, Study
from srbench.errors import counted, enumerated

MIN_SEEDS = 5
"""Studies with fewer seeds take no part in the verdict."""

SUFFIX = "-bam"
"""How the names of arms with BAM end."""

DEPENDS = "depends on the rate"
"""The outcome of a study whose groups of arms disagree."""

_WORDS = {
    "better": "found BAM better than its base",
    "worse": "found BAM worse than its base",
    "equivalent": "found them equivalent",
    "undecided": "did not decide",
    DEPENDS: "found that it depends on the learning rate",
}
_ANSWERS = {
    "better": "Yes, as far as it was studied",
    "worse": "No, it hurts, as far as it was studied",
    "equivalent": "It makes no difference, as far as it was studied",
}


@dataclass(frozen=True)
class StudyOutcome:
    """The result of one study that compares BAM with its base; `difference` answers the study's question."""

    study: Study
    difference: Difference
    seeds: int
    outcome: str


@dataclass(frozen=True)
class Verdict:
    """The answer: `short` in a few words, `sentence` with its evidence, and the outcomes that it counts."""

    short: str
    sentence: str
    outcomes: tuple[StudyOutcome, ...]


def bam_verdict(studies: Iterable[Study]) -> Verdict:
    """Return the common verdict of all studies with at least `MIN_SEEDS` seeds."""
    outcomes = tuple(one for one in map(_outcome, studies) if one is not None and one.seeds >= MIN_SEEDS)
    if not outcomes:
        return Verdict("Not known yet", f"No study of at least {MIN_SEEDS} seeds has asked it yet.", ())
    found = [one.outcome for one in outcomes]
    short = _ANSWERS.get(found[0], "Not settled") if len(set(found)) == 1 else "Not settled"
    return Verdict(short, f"{_counts(found)}.{_longest(outcomes)}", outcomes)


def _counts(found: Sequence[str]) -> str:
    parts = [f"{found.count(outcome)} {words}" for outcome, words in _WORDS.items() if outcome in found]
    return f"Of {counted(len(found), 'study', 'studies')} with at least {MIN_SEEDS} seeds, {enumerated(parts)}"


def _longest(outcomes: Sequence[StudyOutcome]) -> str:
    """Return what the study with more steps than all others found, as a sentence; empty if no study has more."""
    first, *others = sorted(outcomes, key=lambda one: -one.study.steps)
    if not others or others[0].study.steps == first.study.steps:
        return ""
    return f" The one with the longest trainings ({first.study.training}) {_WORDS[first.outcome]}."


def _outcome(study: Study) -> StudyOutcome | None:
    """The outcome of a study whose question is BAM against its base; None for other questions."""
    question = study.question
    if not question.a.endswith(SUFFIX) or question.b.endswith(SUFFIX) or not question.way:
        return None
    same = [
        one
        for _, differences in study.groups
        for one in differences
        if (one.a, one.b, one.endpoint) == (question.a, question.b, question.endpoint)
    ]
    outcomes = {one.outcome for one in same}
    outcome = question.outcome if len(outcomes) == 1 else DEPENDS
    seeds = min(len(group.seeds) for group, differences in study.groups if any(one in same for one in differences))
    return StudyOutcome(study, question, seeds, outcome)
