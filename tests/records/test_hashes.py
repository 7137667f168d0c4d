"""Hashes that were published or stored never change: `golden.json` was written before records became types."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from srbench.datasets.imageset import open_dataset
from srbench.evaluation import Plan
from srbench.journal import checksum
from srbench.protocols import get_protocol
from srbench.scores import RECORD_NAME
from srbench.study.study_plan import load_study, study_from
from srbench.submissions import read_submissions
from srbench.training.recipe import load_recipe
from srbench.training.records import as_one, checked_record
from srbench.upscalers.base import Options
from srbench.upscalers.loading import open_upscaler

ROOT = Path(__file__).parents[2]
FIXTURES = Path(__file__).parent / "fixtures"
GOLDEN: dict[str, Any] = json.loads((Path(__file__).parent / "golden.json").read_text())
REPEATABLE = ("v3-bicubic", "v3-images", "v3-python", "v3-zoo", "v4-bicubic", "v4-zoo")


@pytest.mark.parametrize("name", GOLDEN["recipes"])
def test_hashes_of_recipes_never_change(name: str) -> None:
    assert load_recipe(name).sha256 == GOLDEN["recipes"][name]


@pytest.mark.parametrize("settings", GOLDEN["changed_recipes"])
def test_hashes_of_changed_recipes_never_change(settings: str) -> None:
    assert load_recipe("budget-cpu").changed(settings.split(" ")).sha256 == GOLDEN["changed_recipes"][settings]


@pytest.mark.parametrize("name", GOLDEN["studies"])
def test_hashes_of_studies_never_change(name: str) -> None:
    path = ROOT / "studies" / name if name.endswith(".toml") else FIXTURES / "studies" / "plan.toml"
    study = load_study(path)
    assert study.sha256 == study_from(study.document()).sha256 == GOLDEN["studies"][name]


@pytest.mark.parametrize("name", GOLDEN["changed_studies"])
def test_hashes_of_changed_studies_never_change(name: str) -> None:
    plan = tomllib.loads((FIXTURES / "studies" / "plan.toml").read_text())
    golden = GOLDEN["changed_studies"][name]
    assert study_from({**plan, **golden["changes"]}).sha256 == golden["sha256"]


@pytest.mark.parametrize("name", GOLDEN["trainings"])
def test_hashes_of_staged_trainings_never_change(name: str) -> None:
    assert as_one(checked_record(FIXTURES / "trainings" / name))["recipe_sha256"] == GOLDEN["trainings"][name]


def test_hashes_of_entries_never_change() -> None:
    entries = {entry.id: entry for entry in read_submissions(FIXTURES / "entries").entries}
    for name, golden in GOLDEN["entries"].items():
        entry = entries[name]
        found = {key: getattr(entry, key) for key in ("checked_sha256", "digest", "samples_sha256")}
        assert {"scores_sha256": entry.document["scores_sha256"], **found} == golden


@pytest.mark.parametrize("name", REPEATABLE)
def test_run_keys_never_change(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FIXTURES)
    monkeypatch.syspath_prepend(str(FIXTURES))
    key = json.loads((FIXTURES / "runs" / name / RECORD_NAME).read_text())["key"]
    options = {name: key[name] for name in ("precision", "tile", "self_ensemble", "optimise")}
    upscaler = open_upscaler(key["model"], scale=key["scale"], options=Options(device="cpu", **options))
    sets = [open_dataset("Set5", data_root=FIXTURES / "data")]
    now = Plan(upscaler, sets, [get_protocol(protocol) for protocol in key["protocols"]], key["lr"]).key()
    assert json.dumps(now, sort_keys=True) == json.dumps(key, sort_keys=True)


@pytest.mark.parametrize("name", ["v3-bicubic", "v4-zoo"])
def test_checksums_of_run_records_never_change(name: str) -> None:
    record = json.loads((FIXTURES / "runs" / name / RECORD_NAME).read_text())
    assert record.pop("crc32") == checksum(record)
