"""The page of studies says what the results say, for and against, and nothing where there are none."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from leaderboard.site import build
from leaderboard.study_pages import read_studies
from srbench.cli import main
from srbench.statistics import seed_difference

BASE = np.array([28.50, 28.53, 28.49, 28.52])


def results(gain: float, name: str = "made-up") -> dict[str, Any]:
    noise = np.array([0.001, -0.001, 0.002, -0.002])
    found = {
        share: asdict(seed_difference(BASE + gain * int(share) / 100 + noise, BASE, margin=0.02))
        for share in ("50", "100")
    }
    contrast = {
        "a": "imdn-bam",
        "b": "imdn",
        "endpoint": "Set14 psnr_y",
        "role": "target",
        "is_the_question": True,
        "by_percentage": found,
    }
    means = {arm: {"Set14 psnr_y": {"100": list(BASE + shift)}} for arm, shift in (("imdn-bam", gain), ("imdn", 0.0))}
    return {
        "schema_version": 1,
        "sha256": "a" * 64,
        "hours": 1.5,
        "devices": ["cpu"],
        "study": {
            "name": name,
            "question": "Does <b>it</b> help?",
            "scale": 4,
            "protocol": "matlab-y",
            "margin_db": 0.02,
            "recipe": "short",
            "train_set": "Photos",
            "learning_rates": [0.001, 0.002],
            "search_seed": 9,
            "percentages": [50, 100],
            "endpoints": [{"dataset": "Set14", "metric": "psnr_y", "role": "target"}],
            "groups": [
                {
                    "name": "primary",
                    "arms": ["imdn-bam", "imdn"],
                    "seeds": [1, 2, 3, 4],
                    "contrasts": [["imdn-bam", "imdn"]],
                }
            ],
        },
        "recipe": {"name": "short", "sha256": "b" * 64, "steps": 2600, "patches": 20800, "summary": ""},
        "train_set": {"name": "Photos", "fingerprint": "c" * 64, "images": 380},
        "learning_rates": {"imdn": {"chosen": 0.001, "tried": {"0.001": 27.5, "0.002": 27.4}}},
        "groups": [
            {
                "name": "primary",
                "arms": ["imdn-bam", "imdn"],
                "seeds": [1, 2, 3, 4],
                "means": means,
                "endpoints": [{"name": "Set14 psnr_y", "role": "target"}],
                "differences": [contrast],
            }
        ],
    }


def page(root: Path) -> str:
    build(root / "submissions", root / "site")
    found = sorted((root / "site" / "studies").glob("*.html"))
    return "".join(path.read_text(encoding="utf-8") for path in found)


def page_of(document: dict[str, Any], root: Path) -> str:
    (root / "submissions").mkdir(exist_ok=True)
    (root / "submissions" / "made-up.study.json").write_text(json.dumps(document))
    return page(root)


@pytest.mark.parametrize(
    ("gain", "verdict"),
    [
        (0.1, "imdn-bam is better than imdn"),
        (-0.1, "imdn-bam is worse than imdn"),
        (0.001, "imdn-bam and imdn are equivalent within ±0.02 dB"),
    ],
)
def test_the_page_gives_the_outcome_whichever_way(gain: float, verdict: str, tmp_path: Path) -> None:
    html = page_of(results(gain), tmp_path)
    last = results(gain)["groups"][0]["differences"][0]["by_percentage"]["100"]
    assert f"<strong>{verdict}:</strong>" in html and "after 2,600 steps" in html
    shown = f"{last['mean']:+.3f} ({last['interval'][0]:+.3f} to {last['interval'][1]:+.3f})".replace("-", "−")
    assert shown in html
    assert "Does &lt;b&gt;it&lt;/b&gt; help?" in html and "2,600 steps" in html


def test_an_arm_of_which_some_trainings_broke_down_is_named(tmp_path: Path) -> None:
    document = results(0.1)
    document["groups"][0]["means"]["imdn"]["Set14 psnr_y"]["100"][2] = 25.51
    assert "The seeds of imdn are far apart" in page_of(document, tmp_path)
    assert "far apart" not in page_of(results(0.1), tmp_path)


def test_seeds_whose_loss_spiked_are_named(tmp_path: Path) -> None:
    document = results(0.1)
    document["groups"][0]["spiked"] = {"imdn": [3, 4]}
    assert "fell again: imdn with seeds 3, 4." in page_of(document, tmp_path)
    assert "fell again" not in page_of(results(0.1), tmp_path)


def test_page_says_how_many_of_the_planned_seeds_are_trained(tmp_path: Path) -> None:
    document = results(0.1)
    document["study"]["groups"][0]["seeds"] = [1, 2, 3, 4, 5]
    assert "Primary: 4 of 5 seeds for each arm" in page_of(document, tmp_path)


def test_endpoint_measured_only_after_all_steps_is_in_the_last_column(tmp_path: Path) -> None:
    document = results(0.1)
    group = document["groups"][0]
    late = json.loads(json.dumps(group["differences"][0])) | {
        "endpoint": "Urban100 psnr_y",
        "is_the_question": False,
        "p_holm": 0.0123,
    }
    del late["by_percentage"]["50"]
    group["differences"].append(late)
    group["endpoints"].append({"name": "Urban100 psnr_y", "role": "target"})
    for of_arm in group["means"].values():
        of_arm["Urban100 psnr_y"] = of_arm["Set14 psnr_y"]
    html = page_of(document, tmp_path)
    row = html[html.index("Urban100 PSNR</td>\n") :].partition("</tr>")[0]
    cells = [cell.partition("</td>")[0] for cell in row.split('<td class="num">')[1:]]
    last = late["by_percentage"]["100"]
    assert cells[0] == "–" and cells[1].startswith(f"{last['mean']:+.3f}") and cells[2:] == ["0.012", cells[-1]]


def test_results_at_one_rate_are_shown_once_if_each_arm_has_that_rate(tmp_path: Path) -> None:
    document = results(0.1)
    document["learning_rates"]["imdn-bam"] = document["learning_rates"]["imdn"]
    again = json.loads(json.dumps(document["groups"][0])) | {"name": "primary at one rate", "rate": 0.001}
    again["differences"][0]["is_the_question"] = False
    document["groups"].append(again)
    document["gains"] = [{"arm": "imdn-bam", "site": "blocks.0.attention.channel", "start": 0.5, "end": 0.4567}]
    html = page_of(document, tmp_path)
    assert html.count("<figure") == 1 and "results at one rate are those above" in " ".join(html.split())
    assert "blocks.0.attention.channel" in html and ">0.457</td>" in html
    document["learning_rates"]["imdn-bam"] = {"chosen": 0.002, "tried": {"0.002": 27.5}}
    html = page_of(document, tmp_path)
    assert html.count("<figure") == 2 and "those above" not in html


def test_without_studies_the_page_claims_nothing(tmp_path: Path) -> None:
    (tmp_path / "submissions").mkdir()
    assert "No study has been carried out yet" in page(tmp_path)


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in results(0.1).items() if key != name}


@pytest.mark.parametrize(
    "data",
    [
        b"{",
        b"[]",
        b"{}",
        b"\xff\xfe{",
        b"[" * 100_000,
        *(
            json.dumps(document).encode()
            for document in (
                {**results(0.1), "schema_version": 2},
                {**results(0.1), "groups": []},
                *map(without, ("learning_rates", "recipe", "train_set", "devices", "hours")),
            )
        ),
    ],
)
def test_damaged_results_are_left_out_and_the_others_shown(data: bytes, tmp_path: Path) -> None:
    folder = tmp_path / "submissions"
    folder.mkdir()
    (folder / "good.study.json").write_text(json.dumps(results(0.1)))
    (folder / "bad.study.json").write_bytes(data)
    (folder / "linked.study.json").symlink_to("/etc/passwd")
    (folder / "folder.study.json").mkdir()
    studies, problems = read_studies(folder)
    assert [study.results.study.name for study in studies] == ["made-up"]
    assert [problem.id.partition(".")[0] for problem in problems] == ["bad", "folder", "linked"]
    assert problems[0].message.startswith("bad.study.json: expected a study's results.json")


def test_a_build_says_which_study_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "submissions").mkdir()
    (tmp_path / "submissions" / "bad.study.json").write_text("{")
    report = build(tmp_path / "submissions", tmp_path / "site")
    assert [problem.id for problem in report.problems] == ["bad.study.json"]
    assert "No study has been carried out yet" in (tmp_path / "site" / "studies" / "index.html").read_text(
        encoding="utf-8"
    )
    checked = CliRunner().invoke(main, ["leaderboard", "check", "--submissions", str(tmp_path / "submissions")])
    assert checked.exit_code == 1
    assert "bad.study.json: expected a study's results.json" in checked.output
