from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from srbench.errors import ComparisonError
from srbench.run_comparison import Comparison, compare_runs
from srbench.scores import Run
from srbench.statistics import (
    holm,
)


def make_run(
    scores: NDArray[np.float64], *, model: dict[str, Any] | None = None, precision: str = "fp32", **columns: Any
) -> Run:
    count = len(scores)
    record = {"key": {"precision": precision}, "model": model or {"spec": "zoo:net@authors"}}
    table = {
        "model": record["model"]["spec"],
        "dataset": "Set",
        "scale": 4,
        "protocol": "matlab-y",
        "protocol_version": 1,
        "image": [f"i{index:03}" for index in range(count)],
        "psnr_y": scores,
        "ssim_y": np.linspace(0.8, 0.9, count),
        "seconds": 0.1,
        "hr_sha256": [f"hr{index}" for index in range(count)],
        "lr_sha256": [f"lr{index}" for index in range(count)],
        "lr_source": "made",
    }
    return Run(pd.DataFrame(table | columns), record, Path("run"))


def only(comparisons: list[Comparison]) -> Comparison:
    (comparison,) = comparisons
    return comparison


def test_rows_pair_by_image_and_holm_spans_the_datasets() -> None:
    rng = np.random.default_rng(0)
    gain = rng.normal(0.05, 0.1, 36)
    sets = np.repeat(["Set5", "Set14", "Urban"], [4, 12, 20])
    a = make_run(30 + gain, dataset=sets)
    b = make_run(np.full(36, 30.0), dataset=sets)
    b = replace(b, scores=b.scores.sample(frac=1, random_state=1))
    result = only(compare_runs(a, b))
    assert list(result.datasets) == ["Set5", "Set14", "Urban"]
    assert result.datasets["Set5"]["psnr_y"].p_holm is None
    tested = [result.datasets[name]["psnr_y"] for name in ("Set14", "Urban")]
    assert [item.p_holm for item in tested] == holm([item.p_value or 0.0 for item in tested])
    assert tested[1].mean == pytest.approx(gain[16:].mean())
    assert result.datasets["Urban"]["ssim_y"].mean == 0.0
    assert "psnr_rgb" not in result.datasets["Urban"]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"protocol": "bam2021"}, r"protocols differ: A has matlab-y, B has bam2021"),
        ({"scale": 2}, r"scales differ: A has 4, B has 2"),
        ({"image": ["i000", "other"]}, r"images differ: .*Set/i001 .*Set/other"),
        ({"hr_sha256": ["hr0", "?"]}, r"the HR differs for Set/i001 \(×4, matlab-y\);"),
        ({"lr_source": "any"}, r"only one run used LR files of any origin .*Set/i000"),
        ({"lr_sha256": ["?", "?"]}, r"the LR differs for Set/i000 .*, Set/i001"),
        ({"protocol_version": 2}, r"the protocol version differs"),
        ({"image": ["i000", "i000"]}, r"run B scores Set/i000 .* twice"),
    ],
)
def test_unlike_inputs_are_refused_and_named(columns: dict[str, Any], message: str) -> None:
    scores = np.array([30.0, 31.0])
    for unmatched in (False, True):
        with pytest.raises(ComparisonError, match=message):
            compare_runs(make_run(scores), make_run(scores, **columns), unmatched=unmatched)


def test_another_precision_is_compared_only_as_unmatched() -> None:
    scores = np.array([30.0, 31.0])
    a, b = make_run(scores), make_run(scores, precision="bf16")
    with pytest.raises(ComparisonError, match=r"precision is fp32 in A and bf16 in B; --unmatched"):
        compare_runs(a, b)
    assert only(compare_runs(a, b, unmatched=True)).unmatched == ("precision is fp32 in A and bf16 in B",)


def test_a_base_and_its_variant_need_one_known_training() -> None:
    scores = np.array([30.0, 31.0])
    recipe = {"recipe": "short", "training_data": "DIV2K", "steps": 1000}
    base = make_run(scores, model={"spec": "zoo:net@srbench", **recipe})
    variant = {"spec": "zoo:net-bam@srbench", **recipe}
    assert only(compare_runs(base, make_run(scores, model=variant))).unmatched == ()
    with pytest.raises(ComparisonError, match="the steps of A is 1000, of B 2000;"):
        compare_runs(base, make_run(scores, model=variant | {"steps": 2000}))
    with pytest.raises(ComparisonError, match="the recipe of A is unknown, of B unknown"):
        compare_runs(make_run(scores), make_run(scores, model={"spec": "zoo:net-bam@authors"}))
    hashed = recipe | {"network": "net", "recipe_sha256": "a" * 64}
    plain = make_run(scores, model={"spec": "zoo:net-none@srbench", "attention": "none", **hashed})
    bam = {"spec": "zoo:net-bam@srbench", "attention": "bam", **hashed}
    assert only(compare_runs(plain, make_run(scores, model=bam))).unmatched == ()
    with pytest.raises(ComparisonError, match=r"the recipe sha256 of A is aaaa.*, of B bbbb"):
        compare_runs(plain, make_run(scores, model=bam | {"recipe_sha256": "b" * 64}))
    with pytest.raises(ComparisonError, match="the steps of A is 1000, of B 2000"):
        compare_runs(plain, make_run(scores, model=bam | {"steps": 2000}))
    with pytest.raises(ComparisonError, match="the form of A is authors, of B unit; --unmatched compares them"):
        compare_runs(plain, make_run(scores, model=bam | {"form": "unit"}))
    start = {"source": "zoo:net@authors ×4", "origin": "d" * 64}
    with pytest.raises(ComparisonError, match="A was trained from scratch, B from zoo:net@authors ×4, which are no"):
        compare_runs(plain, make_run(scores, model=bam | {"init": start}))
    both = [make_run(scores, model=run | {"init": start}) for run in (plain.record["model"], bam)]
    assert only(compare_runs(*both)).unmatched == ()
    other = {"spec": "zoo:other@authors"}
    assert only(compare_runs(base, make_run(scores, model=other))).unmatched == ()
