"""Every version of every stored file that srbench reads; the fixtures were written by the code of their time."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from srbench.journal import JOURNAL_NAME
from srbench.scores import RECORD_NAME, SCHEMA, SCORES_NAME, RunFolder, read_run
from srbench.study.report import report
from srbench.study.results import read_results
from srbench.study.running import has_diverged, read_frozen, training_facts
from srbench.study.study_plan import load_study, study_from
from srbench.submissions import read_submissions
from srbench.training.recipe import recipe_from
from srbench.training.records import as_one, checked_record
from srbench.zoo.trained import read_record
from srbench.zoo.weights_catalogue import trained_entry

FIXTURES = Path(__file__).parent / "fixtures"
RUNS = sorted(path.name for path in (FIXTURES / "runs").iterdir())
TRAININGS = sorted(path.name for path in (FIXTURES / "trainings").iterdir())


@pytest.mark.parametrize("name", RUNS)
def test_runs_of_all_versions_are_readable(name: str) -> None:
    run = read_run(FIXTURES / "runs" / name)
    stored = json.loads((FIXTURES / "runs" / name / RECORD_NAME).read_text())
    assert stored["schema_version"] == int(name[1])
    assert run.record == stored
    assert list(run.scores) == SCHEMA.names
    assert set(run.scores["image"]) == {"baby", "bird"}
    assert run.scores["psnr_lr"].notna().all()
    # Fields that older versions lack have these values.
    assert (run.facts.images_at_once, run.facts.processes) == (stored.get("images_at_once", 1), 1)


def test_columns_newer_than_a_run_are_null() -> None:
    scores = {name[:2]: read_run(FIXTURES / "runs" / name).scores for name in RUNS if name.endswith("bicubic")}
    assert "psnr_y_aliased" not in pq.read_schema(FIXTURES / "runs" / "v1-bicubic" / SCORES_NAME).names
    assert scores["v1"]["psnr_y_aliased"].isna().all()
    assert all(scores[version]["lr_origin"].isna().all() for version in ("v1", "v2", "v3"))
    assert {tuple(scores[version]["psnr_y"]) for version in scores} == {tuple(scores["v4"]["psnr_y"])}


@pytest.mark.parametrize("version", ["v3", "v4"])
def test_journals_of_older_versions_resume(version: str, tmp_path: Path) -> None:
    shutil.copy(FIXTURES / "journals" / version / JOURNAL_NAME, tmp_path)
    key = json.loads((tmp_path / JOURNAL_NAME).read_text().splitlines()[0])["key"]
    rows = RunFolder(tmp_path, key).rows
    finished = read_run(FIXTURES / "runs" / f"{version}-bicubic").scores
    assert len(rows) == 2, "the third row is cut off, as by a kill"
    for row in rows:
        same = finished[(finished["image"] == row["image"]) & (finished["protocol"] == row["protocol"])]
        assert same["psnr_y"].tolist() == [row["psnr_y"]]


@pytest.mark.parametrize("name", TRAININGS)
def test_training_records_of_all_forms_are_readable(name: str) -> None:
    record = checked_record(FIXTURES / "trainings" / name)
    assert ("pixels" in record) == ("weights_sha256" in record) == name.startswith("alone")
    assert recipe_from(record["recipe"]).sha256 == record["recipe_sha256"]
    whole = as_one(record)
    assert whole["steps"] == (6 if name.endswith("stages") else 4)
    assert whole["recipe"] == ("recipe, then second" if name.endswith("stages") else "recipe")


@pytest.mark.parametrize("name", ["first", "one-stage", "two-stages"])
def test_records_of_trained_weights_are_readable(name: str) -> None:
    entry = trained_entry(read_record(FIXTURES / "weights" / f"{name}.json"))
    assert entry.training is not None
    assert entry.training.patches % entry.training.steps == 0
    assert entry.scores


@pytest.mark.parametrize("name", ["whole", "diverged"])
def test_stored_studies_are_readable(name: str) -> None:
    folder = FIXTURES / "studies" / name
    claimed = json.loads((folder / "study.json").read_text())
    study = study_from(claimed["study"])
    assert study == load_study(FIXTURES / "studies" / "plan.toml")
    assert (study.sha256, recipe_from(claimed["recipe"]).sha256) == (claimed["sha256"], claimed["recipe_sha256"])
    assert set(read_frozen(study, folder)) == {"pan", "pan-bam", "pan-none"}
    text = report(read_results(folder / "results.json"))
    assert ("pan-bam diverged with seed 2" in text) == (name == "diverged")


def test_a_diverged_training_is_readable() -> None:
    folder = FIXTURES / "studies" / "diverged"
    recipe = recipe_from(json.loads((folder / "study.json").read_text())["recipe"]).changed(["learning_rate=0.01"])
    assert has_diverged(folder, training_facts("pan-bam", 2, 2, recipe))


def test_entries_and_verifications_of_all_versions_are_readable() -> None:
    found = read_submissions(FIXTURES / "entries")
    assert not found.problems
    assert {entry.id: (entry.level, len(entry.rows()), len(entry.samples)) for entry in found.entries} == {
        "bicubic": ("model-rerun", 14, 1),
        "pan-bam": ("claimed", 14, 0),
        "pillow": ("claimed", 7, 0),
        "rcan-srbench": ("model-rerun", 10, 0),
    }
    assert {entry.id for entry in found.entries if entry.samples_verified} == {"bicubic"}
