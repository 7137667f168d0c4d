"""The comparison in the browser: the same numbers as srbench.statistics, and pictures under a slider."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from srbench.statistics import MIN_IMAGES, holm, paired_difference, signed_rank_p, student_interval
from tests.leaderboard.browser.conftest import ROOT, Visit, wait_until

TOLERANCE = 1e-9
"""Relative: the script and the package compute the same closed forms."""

Made = Callable[[np.random.Generator], NDArray[np.float64]]

SAMPLES: dict[str, Made] = {
    "10": lambda draw: draw.normal(0.1, 0.2, 10),
    "14-skewed": lambda draw: draw.exponential(0.1, 14) - 0.05,
    "12-ties": lambda draw: np.round(draw.normal(0.1, 0.2, 12), 1),
    "20-ties-and-zeros": lambda draw: np.round(draw.normal(0.05, 0.2, 20), 1),
    "50": lambda draw: draw.normal(0.02, 0.1, 50),
    "51": lambda draw: draw.normal(0.02, 0.1, 51),
    "100-far": lambda draw: draw.normal(0.5, 0.3, 100),
    "328": lambda draw: draw.standard_t(3, 328) * 0.1 + 0.01,
}


def test_interval_and_test_are_those_of_the_package(site: Path, visit: Visit) -> None:
    page = visit(site, "compare.html")
    for name, made in SAMPLES.items():
        values = made(np.random.default_rng(3))
        p, ends = page.evaluate(
            "(values) => [srbenchStatistics.signedRankP(values), srbenchStatistics.studentInterval(values)]",
            values.tolist(),
        )
        assert p == pytest.approx(signed_rank_p(values), rel=TOLERANCE), name
        assert ends == pytest.approx(student_interval(values), rel=TOLERANCE), name


def test_infinite_equal_and_missing_scores(site: Path, visit: Visit) -> None:
    page = visit(site, "compare.html")
    a = [*np.linspace(30, 31, 12), np.inf, np.inf]
    b = [*np.linspace(30.2, 30.9, 12), np.inf, 33.0]
    expected = paired_difference(np.array(a), np.array(b))
    found = page.evaluate("([a, b]) => srbenchStatistics.pairedDifference(a, b, 10)", [a, b])
    assert found["n"] == expected.n
    assert found["mean"] == pytest.approx(expected.mean)
    assert found["interval"] == pytest.approx(expected.interval, rel=TOLERANCE)
    assert found["p"] == pytest.approx(expected.p_value, rel=TOLERANCE)
    assert (found["won"], found["lost"]) == pytest.approx((expected.won, expected.lost))
    assert page.evaluate("srbenchStatistics.pairedDifference([1, null], [1, 2], 10).mean") is None
    assert page.evaluate("srbenchStatistics.holm([0.01, 0.04, 0.03])") == pytest.approx(holm([0.01, 0.04, 0.03]))


def test_two_real_entries_are_compared_on_every_dataset(site: Path, visit: Visit) -> None:
    page = visit(site, "compare.html#a=imdn-authors&b=pan-authors&view=4 matlab-y&metric=psnr")
    page.wait_for_selector("#plots svg")
    shown = {
        row.locator("th").inner_text(): row.locator("td").all_text_contents()
        for row in page.locator("#differences tbody tr").all()
    }
    scores = {name: psnr_by_image(name) for name in ("imdn-authors", "pan-authors")}
    assert set(shown) == {dataset for dataset, _ in scores["imdn-authors"].index}
    for dataset, cells in shown.items():
        a, b = (scores[name].loc[dataset].to_numpy() for name in scores)
        expected = paired_difference(a, b)
        assert int(cells[0]) == expected.n
        assert cells[3] == f"{expected.mean:+.3f}".replace("-", "−")
        if expected.n >= MIN_IMAGES:
            assert float(cells[5]) == pytest.approx(expected.p_value, rel=0.05)
        else:
            assert cells[4] == cells[5] == "–"
    assert page.locator("#plots figure").first.locator(".bar").count() == int(next(iter(shown.values()))[0])


def test_an_entry_is_compared_with_itself(site: Path, visit: Visit) -> None:
    page = visit(site, "compare.html#a=pan-authors&b=pan-authors&view=4 matlab-y&metric=psnr")
    page.wait_for_selector("#plots svg")
    assert page.locator("#state").inner_text() == "A is PAN, B is PAN."
    differences = page.locator("#differences tbody td:nth-of-type(4)").all_text_contents()
    assert set(differences) == {"+0.000"}


def test_choosing_and_swapping_changes_the_address(site: Path, visit: Visit) -> None:
    page = visit(site, "compare.html#a=imdn-authors&b=bicubic")
    page.wait_for_selector("#plots svg")
    before = page.locator("#differences tbody td:nth-of-type(4)").first.inner_text()
    page.click("#swap")
    wait_until(page, "location.hash.includes('a=bicubic')")
    after = page.locator("#differences tbody td:nth-of-type(4)").first.inner_text()
    assert (before[0], after[0]) == ("+", "−")
    assert before[1:] == after[1:]
    page.select_option('#pick [name="metric"]', "ssim")
    wait_until(page, "location.hash.includes('metric=ssim')")


def test_the_slider_moves_by_key_and_by_mouse(site: Path, visit: Visit) -> None:
    page = visit(site, "compare.html#a=imdn-authors&b=bicubic")
    slider = page.locator("img-comparison-slider")
    slider.wait_for()
    slider.scroll_into_view_if_needed()
    sizes = slider.locator("img").evaluate_all("(images) => images.map((one) => [one.naturalWidth, one.naturalHeight])")
    assert sizes == [[104, 104], [104, 104]]
    box = slider.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + 20)
    page.mouse.up()
    assert float(slider.get_attribute("aria-valuenow")) == pytest.approx(80, abs=2)
    slider.focus()
    page.keyboard.down("ArrowLeft")
    wait_until(page, "Number(document.querySelector('img-comparison-slider').ariaValueNow) < 70")
    page.keyboard.up("ArrowLeft")
    page.select_option('#slide [name="right"]', label="ground truth")
    wait_until(page, "document.querySelectorAll('img-comparison-slider img')[1].naturalWidth === 104")


def psnr_by_image(entry: str) -> pd.Series[float]:
    rows = pd.read_parquet(ROOT / "submissions" / entry / "scores.parquet")
    chosen = rows.query("scale == 4 and protocol == 'matlab-y'")
    return chosen.set_index(["dataset", "image"])["psnr_y"].sort_index()


def test_the_page_opens_with_a_matched_pair_at_four(site: Path, visit: Visit) -> None:
    page = visit(site, "compare.html")
    page.wait_for_selector("#plots svg")
    assert page.locator("#outcome-head").inner_text().endswith(": ×4, matlab-y")
    a, b = (page.evaluate(f"document.forms.pick.{name}.value") for name in "ab")
    assert a != b and a.replace("-bam", "") == b.replace("-bam", "")


def test_an_unknown_entry_in_the_address_is_named(site: Path, visit: Visit) -> None:
    page = visit(site, "compare.html#a=nobody&b=pan-authors")
    page.wait_for_selector("#plots svg")
    assert "There is no entry nobody" in page.locator("#problem").inner_text()
    assert "b=pan-authors" in page.evaluate("location.hash")


def test_a_model_is_found_by_a_part_of_its_name(site: Path, visit: Visit) -> None:
    page = visit(site, "compare.html#a=imdn-authors&b=bicubic")
    page.wait_for_selector("#plots svg")
    page.fill("#find-b", "carn-m-b")
    page.press("#find-b", "Enter")
    wait_until(page, "location.hash.includes('b=carn-m-bam-srbench')")
    page.fill("#find-b", "no such model")
    page.press("#find-b", "Tab")
    wait_until(page, "!document.getElementById('problem').hidden")


def test_picture_left_and_right_are_in_the_address(site: Path, visit: Visit) -> None:
    page = visit(site, "compare.html#a=imdn-authors&b=bicubic&picture=grass&left=1&right=2")
    page.locator("img-comparison-slider").wait_for()
    chosen = page.evaluate("['image', 'left', 'right'].map((name) => document.forms.slide[name].value)")
    assert chosen == ["grass", "1", "2"]
    assert "picture=grass" in page.evaluate("location.hash")
