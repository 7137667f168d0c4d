"""The models take exactly what was written, and their messages show nothing harmful."""

from __future__ import annotations

import json
import math
import tomllib
from pathlib import Path
from typing import Any

import pytest

from srbench.errors import ResultsError
from srbench.records import training
from srbench.records import training_documents as documents
from srbench.records.recipe_model import RecipeRecord
from srbench.records.record_model import RecordModel, validate
from srbench.records.run import RunRecord
from srbench.records.study import FORM_NAMES, StudyPlan, StudyResults
from srbench.records.submission import ClaimedMean, RuntimeFacts, SubmissionRecord
from srbench.records.training import TrainingRecord, WeightsRecord
from srbench.records.verification import DeviationFacts, VerificationRecord, VerifiedList
from srbench.zoo.networks import FORMS
from srbench.zoo.trained import FOLDER
from tests.records.complete import run_record

ROOT = Path(__file__).parents[2]
FIXTURES = Path(__file__).parent / "fixtures"
STORED: list[tuple[type[RecordModel], Path]] = [
    *((RunRecord, path) for path in sorted(FIXTURES.glob("runs/*/run.json"))),
    *((TrainingRecord, path) for path in sorted(FIXTURES.glob("trainings/*/training.json"))),
    *((StudyResults, path) for path in sorted(FIXTURES.glob("studies/*/results.json"))),
    *((SubmissionRecord, path) for path in sorted(FIXTURES.glob("entries/*/submission.json"))),
    *((VerificationRecord, path) for path in sorted(FIXTURES.glob("entries/*/verification.json"))),
    *((WeightsRecord, path) for path in sorted(FIXTURES.glob("weights/*.json"))),
    (VerifiedList, FIXTURES / "entries" / "verified.json"),
    *((WeightsRecord, path) for path in sorted(FOLDER.glob("*.json"))),
    *((SubmissionRecord, path) for path in sorted((ROOT / "submissions").glob("*/submission.json"))),
    *((VerificationRecord, path) for path in sorted((ROOT / "submissions").glob("*/verification.json"))),
    *((StudyResults, path) for path in sorted((ROOT / "submissions").glob("*.study.json"))),
]


@pytest.mark.parametrize(("model", "path"), STORED, ids=lambda value: value.stem if isinstance(value, Path) else "")
def test_stored_records_survive_their_models(model: type[RecordModel], path: Path) -> None:
    document = json.loads(path.read_text(encoding="utf-8"))
    assert validate(model, document, path.name, error=ResultsError).plain() == document


@pytest.mark.parametrize(
    "model", dict(STORED) | {StudyPlan: None, RecipeRecord: None}, ids=lambda model: model.__name__
)
def test_every_model_has_a_json_schema(model: type[RecordModel]) -> None:
    schema = model.model_json_schema()
    parts = [schema, *schema.get("$defs", {}).values()]
    assert json.dumps(schema)
    models = [part for part in parts if "properties" in part and part["title"] != "RunModel"]
    assert all(part["additionalProperties"] is False for part in models)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scale": "2"}, "run.json.scale: expected one of 2, 3, 4, 8, got '2'"),
        ({"scale": 2.0}, "run.json.scale: expected one of 2, 3, 4, 8, got 2.0"),
        ({"scale": True}, "run.json.scale: expected one of 2, 3, 4, 8, got True"),
        ({"seconds": math.nan}, "run.json.seconds: expected a finite number, got nan"),
        ({"seconds": "1"}, "run.json.seconds: expected a number, got '1'"),
        ({"self_ensemble": 1}, "run.json.self_ensemble: expected true or false, got 1"),
        ({"tile": 0}, "run.json.tile: expected a number of at least 1, got 0"),
        ({"datasets": []}, "run.json.datasets: expected an object, got list"),
        ({"optimize": "none"}, "run.json.optimize: unknown field 'optimize' (did you mean optimise?)"),
        ({"<b>\x1b\n": 1}, "run.json.?b???: unknown field '?b???'"),
        ({"started": ["x"]}, "run.json.started: expected text, got list"),
        ({"adapters": {"bgr": "no"}}, "run.json.adapters.bgr: expected true or false, got 'no'"),
    ],
)
def test_messages_name_the_field_and_show_nothing_harmful(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ResultsError) as caught:
        validate(RunRecord, run_record(key={}, scores_sha256="0" * 64, **changes), "run.json", error=ResultsError)
    assert str(caught.value) == message


def test_a_message_stays_short_whatever_is_wrong() -> None:
    unknown = {f"field {number} {'x' * 500}": "<script>" for number in range(10_000)}
    with pytest.raises(ResultsError) as caught:
        validate(RunRecord, unknown, "run.json", error=ResultsError)
    assert len(str(caught.value)) < 500
    assert "pydantic" not in str(caught.value)
    assert str(caught.value).endswith(" more")


def test_a_refused_entry_of_a_list_is_not_also_reported_as_missing() -> None:
    values: dict[str, Any] = {"device": "GPU", "size": [0, 100], "fps": {"4": 1.0}, "seconds_per_image": None}
    with pytest.raises(ResultsError) as refused:
        validate(RuntimeFacts, values, "runtime", error=ResultsError)
    assert str(refused.value) == "runtime.size[0]: expected an integer from 1 to 100000, got 0"
    values |= {"size": [100], "fps": {"4": -1.0}}
    with pytest.raises(ResultsError, match=r"size: expected at least 2 entries, got 1; .*fps\.4: expected"):
        validate(RuntimeFacts, values, "runtime", error=ResultsError)


def test_records_do_not_change_after_reading() -> None:
    record = validate(RunRecord, run_record(key={}, scores_sha256="0"), "run.json", error=ResultsError)
    with pytest.raises(ValueError, match="frozen"):
        record.scale = 3


def test_numbers_of_a_plan_keep_their_spelling() -> None:
    plan = tomllib.loads((FIXTURES / "studies" / "plan.toml").read_text())
    study = validate(StudyPlan, {**plan, "learning_rates": [1, 1e-05], "margin_db": 1}, "plan", error=ResultsError)
    assert json.dumps([study.document()["learning_rates"], study.document()["margin_db"]]) == "[[1, 1e-05], 1]"


def test_the_hash_of_a_plan_covers_the_defaults_of_its_search() -> None:
    plan = tomllib.loads((FIXTURES / "studies" / "plan.toml").read_text())
    del plan["search_seed"]
    study = validate(StudyPlan, {**plan, "search": {"seeds": [1000, 1001]}}, "plan", error=ResultsError)
    assert study.document()["search"] == {"seeds": [1000, 1001], "broken_db": 1.0, "factor": 2, "shared": True}


def test_forms_of_plans_are_those_of_networks() -> None:
    assert set(FORM_NAMES) == set(FORMS)


@pytest.mark.parametrize(("psnr", "fits"), [(0.0, True), (1e6, True), (1e6 + 1, False), (-1e-9, False)])
def test_deviations_are_between_zero_and_a_million(psnr: float, fits: bool) -> None:
    values = {"psnr": psnr, "ssim": 0.0}
    if fits:
        assert validate(DeviationFacts, values, "largest", error=ResultsError).psnr == psnr
    else:
        with pytest.raises(ResultsError, match=r"largest\.psnr"):
            validate(DeviationFacts, values, "largest", error=ResultsError)


@pytest.mark.parametrize(("psnr", "fits"), [(100.0, True), (100.01, False), (0.0, True), (-0.01, False)])
def test_claimed_means_are_between_zero_and_a_hundred_decibels(psnr: float, fits: bool) -> None:
    values = {"scale": 4, "dataset": "Set5", "psnr": psnr, "ssim": None, "source": "table 1"}
    if fits:
        assert validate(ClaimedMean, values, "claim", error=ResultsError).psnr == psnr
    else:
        with pytest.raises(ResultsError, match=r"claim\.psnr"):
            validate(ClaimedMean, values, "claim", error=ResultsError)


@pytest.mark.parametrize(
    ("model", "document", "further"),
    [
        (training.TrainSetFacts, documents.TrainSetDocument, set()),
        (training.InitFacts, documents.InitDocument, set()),
        (training.StageRecord, documents.StageDocument, set()),
        (training.TrainingRecord, documents.TrainingDocument, {"loss", "paused"}),
        (training.PublishedTraining, documents.PublishedTrainingDocument, set()),
        (training.ScaleScores, documents.ScoresDocument, set()),
        (training.WeightsRecord, documents.WeightsDocument, set()),
    ],
)
def test_plain_documents_have_the_fields_of_their_models(
    model: type[RecordModel], document: Any, further: set[str]
) -> None:
    """`further` are the fields of a stage and of a paused training, which no finished training has."""
    assert document.__required_keys__ | document.__optional_keys__ == {*model.model_fields, *further}
