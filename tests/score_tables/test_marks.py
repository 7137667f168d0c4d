from __future__ import annotations

import numpy as np

from srbench.score_tables.marks import Scores, best_marks

NOISE = np.random.default_rng(1).normal(0, 1, 50)


def column(*images: np.ndarray) -> dict[str, Scores]:
    return {name: Scores(float(values.mean()), values) for name, values in zip("abc", images, strict=False)}


def test_lower_is_better_marks_the_smallest() -> None:
    scores = column(np.full(3, 0.21), np.full(3, 0.19), np.full(3, 0.20))
    assert best_marks(scores, "max", higher=False, digits=2) == {"b": "first", "c": "second"}


def test_means_that_print_equal_share_a_mark() -> None:
    scores = column(np.full(3, 30.001), np.full(3, 30.004), np.full(3, 29.0))
    assert best_marks(scores, "max", higher=True, digits=2) == {"a": "first", "b": "first", "c": "second"}
    assert best_marks(scores, "max", higher=True, digits=3) == {"b": "first", "a": "second"}


def test_noise_ties_and_a_steady_gap_does_not() -> None:
    base = 30 + NOISE
    steady = best_marks(column(base, base - 0.011), "tied", higher=True, digits=2)
    assert steady == {"a": "first", "b": "second"}
    close = best_marks(column(base, base - 0.009), "tied", higher=True, digits=2)
    assert close == {"a": "first", "b": "first"}
    noisy = best_marks(column(base, 30 + np.roll(NOISE, 7)), "tied", higher=True, digits=2)
    assert set(noisy.values()) == {"first"}


def test_no_rule_gives_no_marks() -> None:
    assert best_marks(column(np.full(3, 1.0)), "none", higher=True, digits=2) == {}
