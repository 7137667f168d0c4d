"""Ranks against the statistics of the package, and like with like alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from leaderboard.collection import Collection
from leaderboard.entries import Entry, Mean
from leaderboard.ranking import (
    TIE,
    apart,
    forms,
    of_other_inputs,
    places,
    rank,
    reference_inputs,
    tiers,
)
from srbench.records.submission import SubmissionRecord
from srbench.statistics import significantly_below
from srbench.submissions import Submission

GROUP = 4, "matlab-y", "Sample"
OPTIONS = {"precision": "fp32", "tile": None, "self_ensemble": False, "optimise": "none", "lr_source": "made"}


def entry(
    name: str,
    psnr: Sequence[float],
    *,
    inputs: str = "a",
    level: str = "model-rerun",
    spec: str = "onnx:a.onnx",
    **options: Any,
) -> Entry:
    document: dict[str, Any] = {"date": "2026-01-01", "model": {"spec": spec}, "options": {**OPTIONS, **options}}
    record = SubmissionRecord.model_construct(id=name, title=name, date="2026-01-01")
    submission = Submission(record, document, Path(name), level, None, "", name)
    mean = Mean(len(psnr), len(psnr), float(np.mean(psnr)), 0.9, None, inputs, True)
    return Entry(submission, {GROUP: mean})


def ranked(scores: Mapping[str, Sequence[float]], **entries: Entry) -> dict[str, str]:
    made = [entries.get(name) or entry(name, psnr) for name, psnr in scores.items()]
    values = {name: np.array([psnr, [0.9] * len(psnr)]) for name, psnr in scores.items()}
    scored = {name: {GROUP: both} for name, both in values.items()}
    collection = Collection(Path(), tuple(made), (), scored)
    return dict(rank(collection, made, GROUP, 0))


def test_few_images_share_a_place_within_a_hundredth() -> None:
    scores = {"a": [32.01] * 5, "b": [32.0] * 5, "c": [31.995] * 5, "d": [31.99] * 5, "e": [31.0] * 5}
    assert ranked(scores) == {"a": "first", "b": "first", "c": "second", "d": "second"}
    assert TIE == (0.01, 0.0001)
    pair = [entry(name, [32.0] * 5) for name in "ab"]
    pair[1] = dataclasses.replace(pair[1], means={GROUP: dataclasses.replace(pair[1].means[GROUP], ssim=0.9002)})
    assert dict(rank(Collection(Path(), tuple(pair), (), {}), pair, GROUP, 1)) == {
        "b": "first",
        "a": "second",
    }


def many_images() -> dict[str, list[float]]:
    draw = np.random.default_rng(0)
    images = draw.normal(30, 3, 100)
    noise = draw.normal(0, 0.1, 100)
    noise -= noise.mean()
    scores = {"best": images, "level": images - 0.015 + noise, "behind": images - 0.1 + noise, "last": images - 1}
    return {name: list(psnr) for name, psnr in scores.items()}


def test_many_images_share_a_place_by_the_paired_test() -> None:
    assert ranked(many_images()) == {"best": "first", "level": "first", "behind": "second"}


def test_rank_is_one_plus_entries_in_higher_tiers() -> None:
    scores = many_images()
    made = [entry(name, psnr) for name, psnr in scores.items()]
    values = {name: {GROUP: np.array([psnr, [0.9] * len(psnr)])} for name, psnr in scores.items()}
    found = tiers(Collection(Path(), tuple(made), (), values), made, GROUP, 0)
    assert found == [["best", "level"], ["behind"], ["last"]]
    assert places(found) == {"best": 1, "level": 1, "behind": 3, "last": 4}


def test_rows_made_otherwise_are_not_ranked() -> None:
    plain = [30.0] * 5
    others: dict[str, Any] = {"tile": 64, "self_ensemble": True, "precision": "bf16", "lr_source": "given"}
    for option, value in others.items():
        marks = ranked({"x": [40.0] * 5, "plain": plain}, x=entry("x", [40.0] * 5, **{option: value}))
        assert marks == {"plain": "first"}, option
    # Of SR images alone nobody knows whether they come from one pass.
    assert ranked({"x": [40.0] * 5, "plain": plain}, x=entry("x", [40.0] * 5, spec="images:SR")) == {"plain": "first"}


def test_claimed_entries_do_not_change_marks_of_verified_ones() -> None:
    claims = {name: entry(name, [40.0] * 5, inputs="invented", level="claimed") for name in "xyz"}
    scores = {**dict.fromkeys(claims, [40.0] * 5), "p": [30.0] * 5, "q": [29.0] * 5}
    assert ranked(scores, **claims) == {"p": "first", "q": "second"}
    assert reference_inputs([*claims.values(), entry("p", [30.0] * 5)], GROUP) == "a"
    words = apart([*claims.values(), entry("p", [30.0] * 5)], "matlab-y")
    assert words == {**dict.fromkeys(claims, ("not verified",)), "p": ()}
    assert set(ranked({name: [40.0] * 5 for name in claims}, **claims).values()) == {"first"}  # nothing is verified


def test_other_pixels_are_not_ranked_with_the_majority() -> None:
    scores = {"x": [40.0] * 5, "p": [30.0] * 5, "q": [29.0] * 5}
    assert ranked(scores, x=entry("x", [40.0] * 5, inputs="b")) == {"p": "first", "q": "second"}


def test_pixels_that_the_catalogue_does_not_know_give_no_reference() -> None:
    one = entry("x", [40.0] * 5)
    foreign = dataclasses.replace(one, means={GROUP: dataclasses.replace(one.means[GROUP], canonical=False)})
    assert reference_inputs([foreign], GROUP) is None
    assert of_other_inputs(foreign.means[GROUP], None)


def test_where_nothing_is_ranked_known_pixels_are_no_others() -> None:
    alone = entry("x", [40.0] * 5, self_ensemble=True)
    reference = reference_inputs([alone], GROUP)
    assert reference is None and not of_other_inputs(alone.means[GROUP], reference)
    assert [of_other_inputs(alone.means[GROUP], other) for other in "ab"] == [False, True]


def test_given_lr_is_the_rule_where_the_protocol_ships_it() -> None:
    one = entry("x", [40.0], lr_source="given")
    assert forms(one, "matlab-y") == ("other LR files",)
    assert forms(one, "div2k-rgb") == ()


def test_two_infinite_scores_count_as_equal() -> None:
    highest = np.array([np.inf] + [30.0] * 11)
    noise = np.random.default_rng(2).normal(0, 1, 11)
    others = np.array([highest, [25.0] + [29.0] * 11, [np.inf, *(30 + noise - noise.mean())]])
    assert significantly_below(highest, others) == [False, True, False]
