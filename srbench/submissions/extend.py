"""Add finished runs to an existing submission; the run folders that it was made of are not needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from pydantic import JsonValue

from srbench.errors import SubmissionError
from srbench.records.record_model import PlainRecord, validate
from srbench.records.submission import AUTHOR_FIELDS, SubmissionRecord
from srbench.scores import Run, table_of
from srbench.submissions.create import Draft, different_fact, draft_submission, joined_spec
from srbench.submissions.metadata import complete_metadata
from srbench.submissions.read import DOCUMENT_NAME, Submission
from srbench.submissions.score_rows import check_rows, expected_rows

_OF_ALL_SCALES = ("network", "attention", "tag", "source", "weights_licence")
"""Facts of a model that one text states for all its scales."""


def extend_submission(
    entry: Submission,
    runs: Sequence[Run],
    *,
    about: Mapping[str, object] | None = None,
    model: Mapping[str, JsonValue] | None = None,
) -> Draft:
    """Return an existing submission with the scores of more runs of its model.

    Its scores and facts stay as they are; its date becomes today's unless `about` has one.

    Args:
        entry: the submission as `read_submission` returns it.
        runs: at least one, of the entry's model with its options, over datasets, protocols or scales that it lacks.
        about: fields that the author writes, as for `draft_submission`; they replace those of the entry.
        model: fields of `model` that the runs do not have, as for `draft_submission`.

    Raises:
        SubmissionError: another model, other weights or options, scores that the entry has already, or a new scale
            with other facts about the weights or their training than the entry states for all its scales.
    """
    stated = complete_metadata(about or {}, "about")
    old = entry.record.plain()
    kept = {name: old[name] for name in AUTHOR_FIELDS if name not in ("date", "training")}
    added = draft_submission(runs, id=entry.id, about={**kept, **stated}, model=model)
    _require_same(entry, added.record)
    new_scales = _scales(added.record) - _scales(entry.record)
    if new_scales:
        _require_same_facts(entry, added.record, with_training="training" not in stated)
    before, now = entry.record.model, added.record.model
    spec = joined_spec([before.spec, now.spec]) if new_scales else before.spec
    facts: PlainRecord = {
        "spec": spec,
        "parameters": _merged(before.parameters, now.parameters),
        "macs": _merged(before.macs, now.macs),
    }
    document: PlainRecord = {
        **added.document,
        "model": {**before.plain(), **facts},
        "training": added.document["training"] if "training" in stated else old["training"],
        "runs": [run.plain() for run in sorted((*entry.record.runs, *added.record.runs), key=lambda run: run.scale)],
    }
    record = validate(SubmissionRecord, document, DOCUMENT_NAME, error=SubmissionError)
    scores = pd.concat([entry.scores, added.table.to_pandas()], ignore_index=True).assign(model=spec)
    table = table_of(scores.sort_values("scale", kind="stable", ignore_index=True))
    check_rows(table, record)
    return Draft(document, record, table)


def _require_same(entry: Submission, added: SubmissionRecord) -> None:
    """Raise SubmissionError unless the runs are of the entry's model with its options, and give scores it lacks."""
    if difference := different_fact(entry.record, added):
        name, value, other = difference
        raise SubmissionError(
            f"{entry.id}, {name}: expected the entry's, {value}, got {other}; submit the runs under an id of their own"
        )
    known = expected_rows(entry.record)
    for scale, protocol, dataset in expected_rows(added):
        if (scale, protocol, dataset) in known:
            raise SubmissionError(
                f"{entry.id}: expected scores that the entry lacks, got {dataset} ×{scale} under {protocol}, which it "
                "has; leave that run out, or make the entry again from all its runs with --replace"
            )


def _require_same_facts(entry: Submission, added: SubmissionRecord, *, with_training: bool) -> None:
    """Raise SubmissionError if the weights of a new scale differ in what the entry states for all its scales."""
    before, now = entry.record.model.plain(), added.model.plain()
    differing = [name for name in _OF_ALL_SCALES if before[name] != now[name]]
    if with_training and entry.record.training != added.training:
        differing.append("training")
    if differing:
        scales = ", ".join(f"×{scale}" for scale in sorted(_scales(added) - _scales(entry.record)))
        raise SubmissionError(
            f"{entry.id}: expected weights at {scales} with the entry's {differing[0]}, got another; make the entry "
            "again from the runs of all scales with --replace"
        )


def _scales(record: SubmissionRecord) -> set[int]:
    return {run.scale for run in record.runs}


def _merged(before: Mapping[str, int] | None, now: Mapping[str, int] | None) -> JsonValue:
    return dict(sorted({**(now or {}), **(before or {})}.items())) or None
