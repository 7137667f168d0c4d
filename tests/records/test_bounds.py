"""The limits of the fields of records: the last value that is taken, and the first one that is refused."""

from __future__ import annotations

import math
from typing import Any

import pytest
from pydantic_core import PydanticCustomError

from srbench.errors import ResultsError
from srbench.records import fields, recipe_model, run, shared, study, submission, training, verification
from srbench.records.fields import AtLeast, HttpsAddress, IsoTime, NamesOrCount, Number, OneOf, Real, Rule, Text, Whole
from srbench.records.record_model import RecordModel, validate_field

LARGEST_SEED = 2**63 - 1
PAIRS: list[tuple[object, list[Any], list[Any]]] = [
    (fields.Name, ["a", "a" * 100, "a b", "a.b"], ["", "a" * 101, ".a", "a..b", "a/b", "a "]),
    (fields.EntryId, ["a", "a" * 64, "0.-"], ["", "a" * 65, "-a", ".a", "A"]),
    (fields.Sha256, ["0" * 64, "f" * 64], ["0" * 63, "0" * 65, "F" * 64]),
    (fields.Day, ["2000-01-01", "2024-02-29"], ["1999-12-31", "2023-02-29", "2000-1-01"]),
    (fields.ScaleFactor, [2, 3, 4, 8], [1, 5, 9, "4"]),
    (fields.ScaleName, ["2", "8"], ["5", "22", 4]),
    (fields.Count, [0, 10**12], [-1, 10**12 + 1, 1.0, True]),
    (fields.ImageCount, [1, 10_000], [0, 10_001]),
    (fields.Seconds, [0, 1e9], [-1e-9, 1.1e9, math.nan]),
    (fields.Psnr, [-100, 200, "inf"], [-100.1, 200.1, math.nan, "-inf"]),
    (fields.Ssim, [-1, 1], [-1.01, 1.01]),
    (recipe_model.Positive, [1], [0, 1.0, True]),
    (recipe_model.PositiveNumber, [1e-300, 10**308], [0, -1, math.inf, 10**309]),
    (recipe_model.NotNegative, [0, 0.5], [-1e-300, math.nan]),
    (recipe_model.Share, [0, 0.999], [1, -0.001]),
    (run.Natural, [0], [-1]),
    (run.Positive, [1], [0]),
    (shared.ShortText, ["a", "a" * 300], ["", "a" * 301, " a", "a\n"]),
    (study.Seed, [0, LARGEST_SEED], [-1, LARGEST_SEED + 1]),
    (study.Rate, [1e-9], [0]),
    (submission.ByScale, [{"4": 0}, {"4": 10**12}], [{}, {"4": -1}, {"5": 1}]),
    (submission.MacsByScale, [{"4": 0}, {"4": 10**16}], [{}, {"4": -1}, {"4": 10**16 + 1}]),
    (submission.SpeedByScale, [{"4": 0.0}, {"4": 1e9}], [{}, {"4": -0.1}, {"4": 1.1e9}]),
    (submission.TimeByScale, [{"4": 0.0}, {"4": 1e7}], [{}, {"4": -0.1}, {"4": 1.1e7}]),
    (submission.SpecText, ["a", "a" * 200], ["", "a" * 201, "/a", "a/b"]),
    (submission.TrainingText, ["a", "a" * 300], ["", "a" * 301]),
    (submission.Side, [1, 100_000], [0, 100_001]),
    (training.Natural, [0], [-1]),
    (training.TrainingSeed, [0, LARGEST_SEED], [-1, LARGEST_SEED + 1]),
    (training.Duration, [0, 0.5], [-0.5]),
    (verification.Level, ["images-rescored", "model-rerun"], ["claimed"]),
]
"""A type of a field, values that it takes, and values that it refuses."""

FIELDS: list[tuple[type[RecordModel], str, list[Any], list[Any]]] = [
    (run.RunRecord, "schema_version", [1, run.RUN_VERSION], [0, run.RUN_VERSION + 1]),
    (run.RunRecord, "seconds", [0.0], [-0.1]),
    (shared.EnvironmentFacts, "cores", [0, 100_000, None], [-1, 100_001]),
    (shared.EnvironmentFacts, "threads", [0, 100_000, None], [-1, 100_001]),
    (shared.ProtocolFacts, "version", [1, 1000], [0, 1001]),
    (shared.MetricFacts, "version", [1, 1000], [0, 1001]),
    (shared.DatasetFacts, "variant", ["a" * 100], ["a" * 101]),
    (shared.AdapterFacts, "pad", [2, 1024], [1, 1025]),
    (shared.AdapterFacts, "range", [255, -1], [1, 0]),
    (study.ArmGroup, "arms", [["a"]], [[], ["a", "a"]]),
    (study.ArmGroup, "seeds", [[0, 1]], [[0], [0, 0]]),
    (study.RateSearch, "seeds", [[0, 1]], [[0]]),
    (study.RateSearch, "percent", [1, 100, None], [0, 101]),
    (study.StudyPlan, "scale", [1, 8], [0, 9]),
    (study.StudyPlan, "percentages", [[1, 100]], [[0, 100], [100, 101], [50]]),
    (study.StudyPlan, "steps", [1, None], [0]),
    (study.MeasuredDifference, "n", [2], [1]),
    (submission.PaperFacts, "year", [1990, 2100, None], [1989, 2101]),
    (submission.SubmittedModel, "name", ["a" * 100], ["a" * 101]),
    (submission.SubmittedModel, "source", ["a" * 400, None], ["a" * 401]),
    (submission.SubmittedModel, "weights_licence", ["a" * 100, None], ["a" * 101]),
    (submission.SubmittedTraining, "steps", [0, 10**10, None], [-1, 10**10 + 1]),
    (submission.SubmittedTraining, "seed", [0, 2**63, None], [-1, 2**63 + 1]),
    (submission.RuntimeFacts, "device", ["a" * 200], ["a" * 201]),
    (submission.RuntimeFacts, "size", [[1, 1]], [[1], [1, 1, 1]]),
    (submission.SubmittedOptions, "optimise", ["a", "a" * 20], ["", "a" * 21, "A"]),
    (submission.SubmissionRecord, "title", ["a" * 120], ["a" * 121]),
    (submission.SubmissionRecord, "authors", [[], ["a" * 100] * 200], [["a"] * 201, ["a" * 101]]),
    (submission.SubmissionRecord, "footnotes", [[], ["a" * 1000] * 20], [["a"] * 21, ["a" * 1001]]),
    (submission.SubmissionRecord, "license", ["a" * 100, None], ["a" * 101]),
    (verification.DeviationFacts, "ssim", [0.0, 2.0, None], [-0.1, 2.1]),
    (verification.DropFacts, "mean", [-1e3, 1e3], [-1001.0, 1001.0]),
    (verification.DropFacts, "image", [-1e3, 1e3], [-1001.0, 1001.0]),
    (verification.UnpublishedFacts, "gain", [-1e3, 1e3], [-1001.0, 1001.0]),
    (verification.UnpublishedFacts, "benchmark_gain", [-1e3, 1e3], [-1001.0, 1001.0]),
    (verification.AcceptedReview, "finding", ["a" * 400], ["a" * 401]),
    (verification.AcceptedReview, "by", ["a" * 100], ["a" * 101]),
    (verification.VerificationRecord, "rows", [1, 10**6], [0, 10**6 + 1]),
    (verification.VerificationRecord, "tolerance", ["a" * 400], ["a" * 401]),
]
"""A field of a record, values that it takes, and values that it refuses."""


@pytest.mark.parametrize(("annotation", "taken", "refused"), PAIRS)
def test_types_of_fields_take_values_up_to_their_limits(
    annotation: object, taken: list[Any], refused: list[Any]
) -> None:
    for value in taken:
        validate_field(annotation, value, "field", error=ResultsError)
    for value in refused:
        with pytest.raises(ResultsError, match=r"^field"):
            validate_field(annotation, value, "field", error=ResultsError)


@pytest.mark.parametrize(("model", "name", "taken", "refused"), FIELDS)
def test_fields_take_values_up_to_their_limits(
    model: type[RecordModel], name: str, taken: list[Any], refused: list[Any]
) -> None:
    annotation = model.model_fields[name].rebuild_annotation()
    test_types_of_fields_take_values_up_to_their_limits(annotation, taken, refused)


@pytest.mark.parametrize(
    "rule", [Whole(-2, 7), Number(-2, 7), NamesOrCount(), AtLeast(3), Real(3), Real(3, below=9, above=True)]
)
def test_json_schema_has_the_limits_of_a_number(rule: Rule) -> None:
    schema = rule.schema()
    schema = next((part for part in schema.get("anyOf", ()) if "minimum" in part), schema)
    limits = {"minimum": -1, "maximum": 1, "exclusiveMinimum": 0, "exclusiveMaximum": 0}
    for key, beyond in limits.items():
        if key in schema:
            assert not takes(rule, schema[key] + beyond)
            inside = schema[key] + {"exclusiveMinimum": 1, "exclusiveMaximum": -1}.get(key, 0)
            assert takes(rule, inside)
    assert set(schema) & set(limits)


def test_json_schema_has_the_limits_of_a_text() -> None:
    assert (Text(5).schema()["minLength"], Text(5).schema()["maxLength"]) == (1, 5)
    assert [takes(Text(5), "a" * length) for length in (0, 1, 5, 6)] == [False, True, True, False]
    longest = f"https://a.example/{'a' * 482}"
    assert HttpsAddress().schema()["maxLength"] == len(longest) == 500
    assert takes(HttpsAddress(), longest)
    assert not takes(HttpsAddress(), f"{longest}a")


def test_json_schema_of_choices_and_infinity_is_complete() -> None:
    assert OneOf(("a", 2)).schema() == {"enum": ["a", 2]}
    assert {"const": "inf"} in Number(0, 1, infinity=True).schema()["anyOf"]
    assert Number(0, 1, infinity=True).check("inf") == math.inf
    assert not takes(Number(0, 1), "inf")
    assert not takes(IsoTime(), "2024-01-01T24:00:00Z")
    assert takes(IsoTime(), "2024-01-01T23:59:59Z")


def takes(rule: Rule, value: object) -> bool:
    try:
        rule.check(value)
    except PydanticCustomError:
        return False
    return True
