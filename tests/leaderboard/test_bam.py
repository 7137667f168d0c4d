"""Whether BAM helps: one verdict from studies alone, and printed gains as the sum of two measured parts."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from leaderboard.bam_claims import bam_claims, measured
from leaderboard.bam_page import pages, pair_results, single_trainings
from leaderboard.bam_verdict import DEPENDS, bam_verdict
from leaderboard.collection import Collection, collect
from leaderboard.study_pages import Study, parse, study_files
from tests.leaderboard.test_study_pages import results

ROOT = Path(__file__).parents[2] / "submissions"


def study(gain: float, *, seeds: int = 5, second: float | None = None, steps: int = 2600) -> Study:
    document: dict[str, Any] = results(gain)
    document["recipe"]["steps"] = steps
    document["groups"][0]["seeds"] = list(range(seeds))
    if second is not None:
        document["groups"].append(copy.deepcopy(results(second)["groups"][0]) | {"name": "secondary"})
        document["groups"][1]["seeds"] = list(range(seeds))
    return parse(json.dumps(document).encode(), "made-up.study.json")


@pytest.fixture(scope="module")
def entries() -> Collection:
    return collect(ROOT)


@pytest.mark.parametrize(
    ("gains", "short"),
    [
        ((0.1, 0.2), "Yes, as far as it was studied"),
        ((-0.1,), "No, it hurts, as far as it was studied"),
        ((0.001,), "It makes no difference, as far as it was studied"),
        ((0.1, -0.1), "Not settled"),
        ((), "Not known yet"),
    ],
)
def test_the_verdict_is_what_all_studies_agree_on(gains: tuple[float, ...], short: str) -> None:
    assert bam_verdict([study(gain) for gain in gains]).short == short


def test_studies_of_few_seeds_do_not_count_in_the_verdict() -> None:
    assert bam_verdict([study(0.1, seeds=4)]).outcomes == ()
    assert bam_verdict([study(0.1, seeds=4), study(-0.1)]).sentence.startswith("Of 1 study with at least 5 seeds, 1 ")


def test_the_longest_study_is_named_with_its_rates_and_steps() -> None:
    published = [parse(path.read_bytes(), path.name) for path in study_files(ROOT)]
    longest = "The one with the longest trainings (both arms at learning rate 0.002, after 10,000 steps)"
    assert bam_verdict(published).sentence.endswith(f" {longest} found them equivalent.")
    for alike in ([study(0.1)], [study(0.1), study(-0.1)]):
        assert "longest" not in bam_verdict(alike).sentence


def test_groups_that_disagree_make_a_study_depend_on_the_rate() -> None:
    assert [one.outcome for one in bam_verdict([study(0.1, second=-0.1)]).outcomes] == [DEPENDS]
    assert [one.outcome for one in bam_verdict([study(0.1, second=0.2)]).outcomes] == ["better"]


def test_a_printed_gain_is_the_sum_of_its_two_parts(entries: Collection) -> None:
    rows = pd.read_parquet(ROOT / "imdn-authors" / "scores.parquet").query("scale == 2 and dataset == 'BSD100'")
    means = rows.groupby("protocol")["psnr_y"].mean()
    found = {one.dataset: one for one in measured(bam_claims(entries)) if (one.network, one.scale) == ("IMDN", 2)}
    one = found["BSD100"]
    assert one.protocol is not None and one.protocol == pytest.approx(means["bam2021"] - means["matlab-y"])
    assert one.gain == pytest.approx(34.14 - 32.19, abs=0.2)
    assert one.protocol + (one.rest or 0) == pytest.approx(one.gain)


def test_a_base_without_published_weights_is_not_measurable(entries: Collection) -> None:
    blocked = {one.network: one.blocked for one in bam_claims(entries) if one.protocol is None}
    assert blocked["EDSR"] == "no authors' weights of the base in the zoo"
    assert not measured(one for one in bam_claims(entries) if one.network == "EDSR")


def test_pairs_of_single_trainings_are_said_to_show_little(entries: Collection) -> None:
    found = pair_results(entries)
    assert {one.label for one in found} >= {"IMDN ×2", "IMDN ×4", "RCAN ×3"}
    assert "does not show whether BAM helps" in single_trainings(found)
    assert single_trainings([]) == ""


def test_recipe_and_steps_of_a_pair_are_those_of_its_own_scale(entries: Collection) -> None:
    found = {one.label: one.training for one in pair_results(entries)}
    assert found["AWSRN ×2"] == ("cpu[steps=5000, validate_every=1250]", 5000, 0)
    assert found["AWSRN ×4"] == ("budget-cpu", 10400, 0)


def test_the_chart_has_one_heading_for_each_set(entries: Collection) -> None:
    [page] = pages(entries)
    headings = re.findall(r"One training each: (\w+) PSNR, over images</text>", str(page.content()))
    assert len(headings) == len(set(headings)) > 1
