"""Metrics in addition to PSNR and SSIM: known ones by srbench's entry, others by the submission's own facts."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from leaderboard import comparison, data_files, main_tables, models
from leaderboard.collection import Collection, collect
from leaderboard.entries import Entry
from leaderboard.further_metrics import further_metrics
from tests.submissions.generated import generate, rewrite

GROUP = (4, "matlab-y", "Set5")


@pytest.fixture(scope="module")
def entries(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    """One entry with NIQE, an unknown metric, and LPIPS of a version that srbench does not have; one without any."""
    root = tmp_path_factory.mktemp("submissions")
    folder, _ = generate(root, 2)

    def add(rows: list[dict[str, Any]], document: dict[str, Any]) -> None:
        for number, row in enumerate(rows):
            missing = row["protocol"] == "bam2021" and number % 2 == 0
            row.update(niqe=float(number), sharpness=None if missing else 0.5, lpips_alex=0.25)
        document["runs"][0]["metrics"] = {
            "niqe": {"version": 1, "direction": "lower"},
            "sharpness": {"version": 3, "direction": "higher"},
            "lpips_alex": {"version": 9, "direction": "lower"},
        }

    rewrite(folder, add, metrics=("niqe", "sharpness", "lpips_alex"))
    collection = collect(root)
    assert not collection.problems
    return collection


@pytest.fixture
def entry(entries: Collection) -> Entry:
    return next(iter(entries))


def test_a_known_metric_has_its_entrys_title(entry: Entry) -> None:
    niqe, *_ = further_metrics(entry)
    assert (niqe.title, niqe.known, niqe.arrow, niqe.digits) == ("NIQE", True, "↓", 3)
    values = [float(str(row["niqe"])) for row in entry.rows()[GROUP]]
    assert niqe.means[GROUP] == pytest.approx(sum(values) / 5)


def test_an_unknown_metric_or_version_has_the_submissions_facts(entry: Entry) -> None:
    _, sharpness, lpips = further_metrics(entry)
    assert (sharpness.title, sharpness.version, sharpness.arrow, sharpness.known) == ("sharpness", 3, "↑", False)
    assert (lpips.title, lpips.version, lpips.arrow, lpips.known) == ("lpips_alex", 9, "↓", False)


def test_a_missing_value_of_one_image_makes_the_mean_null(entry: Entry) -> None:
    _, sharpness, _ = further_metrics(entry)
    assert sharpness.means[GROUP] == 0.5
    assert sharpness.means[4, "bam2021", "Set5"] is None
    assert sharpness.shown((4, "bam2021", "Set5")) == "–"


def test_the_model_page_marks_further_metrics_as_claimed(entries: Collection) -> None:
    pages = {page.path: page for page in models.pages(entries)}
    with_metrics, without = (str(pages[f"models/{entry.id}.html"].content()) for entry in entries)
    section = with_metrics[with_metrics.index('<h2 id="metrics">') :]
    assert 'class="level claimed"' in section[:200]
    assert "NIQE ↓" in section and "sharpness ↑" in section
    assert "not a metric of this version of srbench" in section
    assert 'id="metrics"' not in without


def test_the_main_table_lists_further_metrics_unranked(entries: Collection, entry: Entry) -> None:
    pages = {page.path: page for page in main_tables.pages(entries)}
    section = str(pages["x4/matlab-y.html"].content()).partition('<h2 id="metrics">')[2].partition("</section>")[0]
    assert 'class="level claimed"' in section and "NIQE</abbr> ↓" in section
    assert section.count('<th scope="row">') == 1 and f">{entry.title}</a>" in section


def test_comparison_data_have_means_of_further_metrics(entries: Collection, entry: Entry) -> None:
    pages = {page.path: page for page in comparison.pages(entries)}
    script = str(pages[f"data/compare/{entry.id}.js"].content())
    document = json.loads(script.removeprefix("srbenchCompare.entry(").removesuffix(");\n"))
    names = [one["name"] for one in document["metrics"]]
    assert names == ["NIQE (version 1) ↓", "sharpness (version 3) ↑", "lpips_alex (version 9) ↓"]
    assert document["metrics"][1]["means"] == {"4 matlab-y Set5": "0.5000", "4 bam2021 Set5": "–"}


def test_the_data_files_have_each_mean_of_further_metrics(entries: Collection, entry: Entry) -> None:
    pages = {page.path: page for page in data_files.pages(entries)}
    lines = list(csv.DictReader(io.StringIO(str(pages["data/metrics.csv"].content()))))
    assert {(line["id"], line["metric"], line["known"]) for line in lines} == {
        (entry.id, "niqe", "True"),
        (entry.id, "sharpness", "False"),
        (entry.id, "lpips_alex", "False"),
    }
    assert {line["verification"] for line in lines} == {"claimed"}
    document = json.loads(str(pages[f"data/entries/{entry.id}.json"].content()))
    assert {one["metric"] for one in document["metrics"]} == {"niqe", "sharpness", "lpips_alex"}
    assert all("niqe" in row for row in document["scores"])
