from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from srbench.errors import ComparisonError
from srbench.statistics import (
    holm,
    paired_difference,
    seed_difference,
    signed_rank_p,
    signed_rank_ps,
    significantly_below,
    smallest_detectable,
    student_interval,
    student_intervals,
    top_tier,
)

# Student (1908), as R's `sleep`: extra hours with two drugs; the ten people are the pairs.
FIRST_DRUG = np.array([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0])
SECOND_DRUG = np.array([1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4])


def test_signed_rank_gives_the_p_of_hollander_and_wolfe() -> None:
    # Hollander & Wolfe (1973), 29 f.: depression scale at two visits; R's ?wilcox.test prints p = 0.01953 one-sided.
    first = np.array([1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30])
    second = np.array([0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29])
    assert signed_rank_p(first - second) == pytest.approx(2 * 0.01953125)


def test_holm_gives_what_r_prints() -> None:
    # R: p.adjust(c(0.01, 0.02, 0.03, 0.04, 0.05), "holm") is 0.05 0.08 0.09 0.09 0.09; the order of the input is kept.
    assert holm([0.03, 0.01, 0.05, 0.02, 0.04]) == pytest.approx([0.09, 0.05, 0.09, 0.08, 0.09])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


def test_image_interval_is_students_as_r_prints_it() -> None:
    # R: with(sleep, t.test(extra[group == 1], extra[group == 2], paired = TRUE)) prints -2.4598858 -0.7001142.
    found = paired_difference(FIRST_DRUG, SECOND_DRUG)
    assert found.interval == pytest.approx((-2.4598858, -0.7001142), abs=5e-8)
    assert found.interval == seed_difference(FIRST_DRUG, SECOND_DRUG, margin=0.5).interval


def test_intervals_of_many_rows_equal_single_ones() -> None:
    rows = np.random.default_rng(4).normal(size=(3, 25))
    assert [tuple(row) for row in student_intervals(rows)] == [student_interval(row) for row in rows]


def test_below_ten_images_only_differences() -> None:
    result = paired_difference(np.arange(9.0) + 1, np.arange(9.0))
    assert (result.mean, result.won, result.lost) == (1.0, 1.0, 0.0)
    assert (result.interval, result.p_value) == (None, None)
    assert paired_difference(np.arange(10.0) + 1, np.arange(10.0)).interval == (1.0, 1.0)


def test_identical_runs_differ_by_nothing() -> None:
    scores = np.linspace(20, 40, 12)
    result = paired_difference(scores, scores.copy())
    assert (result.mean, result.interval, result.p_value, result.won, result.lost) == (0.0, (0.0, 0.0), 1.0, 0.0, 0.0)


def test_infinite_scores() -> None:
    base = np.linspace(20, 40, 12)
    a, b = base + np.linspace(0.1, 0.2, 12), base.copy()
    a[0] = b[0] = math.inf
    a[1] = math.inf
    result = paired_difference(a, b)
    assert result.mean == pytest.approx(np.r_[0.0, (a - base)[2:]].mean()), "one infinite is out, two count as 0"
    assert result.interval is not None
    assert math.isfinite(result.interval[1])
    assert (result.n, result.won, result.lost) == (12, 11 / 12, 0.0)
    all_infinite = paired_difference(np.full(12, math.inf), base)
    assert (all_infinite.mean, all_infinite.interval, all_infinite.p_value, all_infinite.won) == (None, None, None, 1.0)


def test_a_missing_score_makes_the_mean_null() -> None:
    scores = np.linspace(20, 40, 12)
    result = paired_difference(np.where(np.arange(12) == 3, np.nan, scores), scores)
    assert (result.n, result.mean, result.interval, result.p_value, result.won) == (12, None, None, None, None)


def test_seeds_give_students_t_as_r_prints_it() -> None:
    # R: with(sleep, t.test(extra[group == 1], extra[group == 2], paired = TRUE)).
    found = seed_difference(FIRST_DRUG, SECOND_DRUG, margin=0.5)
    assert (found.n, found.mean) == (10, pytest.approx(-1.58))
    assert found.interval == pytest.approx((-2.4598858, -0.7001142), abs=5e-8)
    assert found.p_value == pytest.approx(0.002833, abs=5e-7)
    assert found.outcome == "worse"
    assert seed_difference(SECOND_DRUG, FIRST_DRUG, margin=0.5).outcome == "better"


@pytest.mark.parametrize("margin", [0.5, 1.5, 2.0, 2.5])
def test_equivalence_is_two_one_sided_tests_and_their_90_percent_interval(margin: float) -> None:
    difference = FIRST_DRUG - SECOND_DRUG
    above = ttest_1samp(difference, -margin, alternative="greater").pvalue
    below = ttest_1samp(difference, margin, alternative="less").pvalue
    found = seed_difference(FIRST_DRUG, SECOND_DRUG, margin=margin)
    assert found.p_equivalent == pytest.approx(max(above, below), rel=1e-9)
    # Schuirmann (1987): the tests at 5 % reject together where the 90 % interval lies within the margins.
    inside = np.abs(ttest_1samp(difference, 0).confidence_interval(0.9)).max() < margin
    assert (found.outcome == "equivalent") == inside == (margin > 2.29)


def test_the_smallest_detectable_difference_is_g_powers() -> None:
    # G*Power 3.1's manual, matched pairs after Cohen: 50 pairs, dz = 0.421637, two-sided 5 %: power 0.832114.
    assert smallest_detectable(1.0, 50, power=0.832114) == pytest.approx(0.421637, abs=1e-6)
    assert smallest_detectable(0.05, 50, power=0.832114) == pytest.approx(0.05 * 0.421637, abs=1e-7)


def test_eight_seeds_detect_what_they_promise() -> None:
    rng = np.random.default_rng(2)
    promised = smallest_detectable(0.02, 8)
    found = [seed_difference(rng.normal(promised, 0.02, 8), np.zeros(8), margin=1e-9).outcome for _ in range(2000)]
    assert found.count("better") / 2000 == pytest.approx(0.8, abs=0.025)


def test_seeds_that_cannot_be_compared() -> None:
    assert seed_difference(np.array([30.0]), np.array([29.0]), margin=0.02).outcome == "undecided"
    same = seed_difference(np.full(3, 30.0), np.full(3, 30.0), margin=0.02)
    assert (same.outcome, same.p_value, same.interval) == ("equivalent", 1.0, (0.0, 0.0))
    with pytest.raises(ComparisonError, match="one finite value per seed and arm"):
        seed_difference(np.zeros(3), np.zeros(2), margin=0.02)
    with pytest.raises(ComparisonError, match="margin above 0"):
        seed_difference(np.zeros(3), np.zeros(3), margin=0.0)


@pytest.mark.parametrize("images", [10, 50, 51, 100])
def test_p_values_of_rows_equal_those_of_single_rows(images: int) -> None:
    rows = np.random.default_rng(images).normal(0.05, 0.3, (9, images))
    rows[0, :5], rows[1], rows[2, :2], rows[3], rows[4] = 0, 0.1, np.inf, 0, np.round(rows[4], 1)
    rows[5, 0] = 0
    assert signed_rank_ps(rows) == [signed_rank_p(row) for row in rows]


@pytest.mark.parametrize(("images", "tier"), [(20, [True, True, False, True]), (9, [True, False, False, True])])
def test_models_share_a_tier_unless_significantly_below(images: int, tier: list[bool]) -> None:
    noise = np.random.default_rng(3).normal(0, 1, images)
    best = np.full(images, 30.0)
    rows = np.stack([best, best - 0.02 + noise - noise.mean(), best - 0.5, best - 0.01])
    assert signed_rank_p(best - rows[1]) > 0.05
    assert top_tier(list(rows.mean(1)), lambda chosen: rows[chosen], n=images, tie=0.01) == tier


def test_no_model_is_below_a_tier_and_above_its_mean() -> None:
    best, noise = np.full(100, 30.0), np.random.default_rng(3).normal(0, 1, 100)
    steady, noisy, low = best - 0.02, best - 0.03 + noise - noise.mean(), best - 0.5
    rows = np.stack([best, steady, noisy, low])
    assert significantly_below(best, rows[1:]) == [True, False, True]
    assert top_tier(list(rows.mean(1)), lambda chosen: rows[chosen], n=100, tie=0.01) == [True, True, True, False]


def test_scores_are_not_read_if_all_models_tie() -> None:
    def unread(chosen: object) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        raise AssertionError(chosen)

    assert top_tier([30.0, 29.995], unread, n=100, tie=0.01) == [True, True]


def test_equivalence_does_not_depend_on_the_order_of_arms() -> None:
    a, b = np.random.default_rng(5).normal(30, 0.01, (2, 6))
    one, other = seed_difference(a, b, margin=0.02), seed_difference(b, a, margin=0.02)
    assert one.p_equivalent == pytest.approx(other.p_equivalent, rel=1e-12)
    assert one.mean == -other.mean != 0


def test_equal_differences_beyond_the_margin_are_certain() -> None:
    found = seed_difference(np.full(3, 30.25), np.full(3, 30.0), margin=0.125)
    assert (found.outcome, found.p_equivalent, found.p_value) == ("better", 1.0, 0.0)
