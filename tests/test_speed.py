"""Speed: the specs take turns, what is counted is exact, and the reports agree with each other."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from srbench.charts import Axis, Series, line_chart, scatter_chart
from srbench.cli import main
from srbench.errors import SrbenchError
from srbench.images import save_png
from srbench.speed import Settings, SpeedReport, measure, parse_size, speed_chart
from srbench.zoo import build
from srbench.zoo.blocks import SRNetwork
from srbench.zoo.costs import COSTS
from srbench.zoo.counting import count_macs

_SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def report() -> SpeedReport:
    settings = Settings(scales=(4,), sizes=((12, 16), (24, 20)), device="cpu", repetitions=4, warmup=1)
    return measure(("zoo:imdn", "zoo:imdn-bam", "bicubic"), settings)


def test_counts_are_those_of_the_networks(report: SpeedReport) -> None:
    imdn, bam, bicubic = report.timings[:3]
    assert (imdn.parameters, bam.parameters) == (COSTS["imdn", 4].parameters, COSTS["imdn-bam", 4].parameters)
    # IMDN's cost grows with the pixels, but for its attention on pooled features: 40.9 G at 180×320.
    assert imdn.macs == pytest.approx(COSTS["imdn", 4].macs * (12 * 16) / (180 * 320), rel=1e-3)
    assert imdn.flops == 2 * (imdn.macs or 0)
    assert (bicubic.parameters, bicubic.macs, bicubic.timed) == (None, None, "upscaler")


def test_latency_frames_and_quartiles_agree(report: SpeedReport) -> None:
    assert [(timing.spec, timing.height, timing.width) for timing in report.timings] == [
        (spec, *size) for size in ((12, 16), (24, 20)) for spec in ("zoo:imdn", "zoo:imdn-bam", "bicubic")
    ]
    for timing in report.timings:
        assert timing.fps == pytest.approx(1000 / timing.latency_median_ms)
        assert 0 < timing.latency_q1_ms <= timing.latency_median_ms <= timing.latency_q3_ms
        assert timing.repetitions == 4
    assert [(ratio.base, ratio.spec) for ratio in report.ratios[:3]] == [
        ("zoo:imdn", "zoo:imdn-bam"),
        ("zoo:imdn", "bicubic"),
        ("zoo:imdn-bam", "bicubic"),
    ]


def test_specs_take_turns_and_warm_up_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[int] = []
    forward = SRNetwork.forward

    def noted(self: SRNetwork, lr: torch.Tensor) -> torch.Tensor:
        # Counting MACs runs on meta tensors, after the timing.
        if not lr.is_meta:
            order.append(sum(parameter.numel() for parameter in self.parameters()))
        return forward(self, lr)

    monkeypatch.setattr(SRNetwork, "forward", noted)
    measure(("zoo:imdn", "zoo:imdn-bam"), Settings(scales=(2,), sizes=((8, 8),), device="cpu", repetitions=3, warmup=2))
    plain, bam = COSTS["imdn", 2].parameters, COSTS["imdn-bam", 2].parameters
    warm_up, peak_memory = [plain, plain, bam, bam], [plain, bam]
    assert order == [*warm_up, *peak_memory, plain, bam, bam, plain, plain, bam]


def test_time_limit_keeps_three_repetitions() -> None:
    settings = Settings(scales=(2,), sizes=((8, 8),), device="cpu", repetitions=50, warmup=1, seconds=0.0)
    assert measure(("zoo:imdn",), settings).timings[0].repetitions == 3


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_low_precision_is_timed_and_counts_the_same(precision: str) -> None:
    settings = Settings(scales=(4,), sizes=((6, 8),), precision=precision, device="cpu", repetitions=3, warmup=1)
    timing = measure(("zoo:imdn",), settings).timings[0]
    exact = build("imdn", scale=4, device="meta")
    low = build("imdn", scale=4, device="meta")
    low.deep_dtype = torch.bfloat16
    assert timing.macs == count_macs(exact, height=6, width=8) == count_macs(low, height=6, width=8)
    assert low.deep_dtype == torch.bfloat16


def test_chart_is_a_readable_svg(report: SpeedReport) -> None:
    root = ElementTree.fromstring(speed_chart(report))
    texts = [text.text for text in root.iter(f"{_SVG}text")]
    assert {"imdn ×4", "imdn-bam ×4", "frames per second"} <= set(texts)
    assert len(list(root.iter(f"{_SVG}title"))) == len(report.timings)
    assert not list(root.iter(f"{_SVG}script"))


def test_charts_escape_names_and_refuse_what_they_cannot_show() -> None:
    hostile = Series("<script>&", ((1.0, 2.0), (3.0, 4.0)))
    assert "&lt;script&gt;&amp;" in scatter_chart([hostile], title='a "b" <c>', x=Axis("x"), y=Axis("y"))
    with pytest.raises(ValueError, match="positive"):
        line_chart([Series("zero", ((1.0, 0.0),))], title="t", x=Axis("x"), y=Axis("y", logarithmic=True))
    with pytest.raises(ValueError, match="finite"):
        line_chart([], title="t", x=Axis("x"), y=Axis("y"))


def test_a_line_of_equal_values_still_has_an_axis() -> None:
    for logarithmic in (False, True):
        axis = Axis("y", logarithmic=logarithmic)
        ElementTree.fromstring(line_chart([Series("flat", ((1.0, 10.0),))], title="t", x=Axis("x"), y=axis))


def test_command_takes_several_models_and_sizes_after_one_option() -> None:
    arguments = "speed --model zoo:imdn zoo:imdn-bam --scale 2 --size 8 8x10 --repetitions 3 --warmup 1 --format json"
    result = CliRunner().invoke(main, arguments.split())
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert [(row["spec"], row["height"], row["width"]) for row in document["timings"]] == [
        ("zoo:imdn", 8, 8),
        ("zoo:imdn-bam", 8, 8),
        ("zoo:imdn", 8, 10),
        ("zoo:imdn-bam", 8, 10),
    ]
    assert len(document["ratios"]) == 2


@pytest.mark.parametrize(("text", "size"), [("96", (96, 96)), ("180x320", (180, 320))])
def test_sizes_are_read(text: str, size: tuple[int, int]) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "0", "12x", "a", "-4"])
def test_strange_sizes_are_refused(text: str) -> None:
    with pytest.raises(SrbenchError, match="expected a size"):
        parse_size(text)


@pytest.mark.parametrize(
    ("spec", "message"),
    [("zoo:imnd", "did you mean imdn"), ("zoo:imdn@author", "authors"), ("imdn-bam", "did you mean zoo:imdn-bam")],
)
def test_unknown_specs_are_named(spec: str, message: str) -> None:
    with pytest.raises(SrbenchError, match=message):
        measure((spec,), Settings(scales=(4,), sizes=((8, 8),), device="cpu"))


def test_options_that_falsify_timings_are_refused(tmp_path: Path) -> None:
    settings = Settings(scales=(4,), sizes=((8, 8),), device="cpu", repetitions=3)
    with pytest.raises(SrbenchError, match="expected a zoo network with --optimise"):
        measure(("bicubic",), replace(settings, optimise=True))
    with pytest.raises(SrbenchError, match=r"expected an output of 1×3×32×32 at ×4 .*; use --scale 2"):
        measure(("python:tests.test_speed:twice",), settings)
    save_png(tmp_path / "Set5/baby.png", np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(SrbenchError, match="got a folder of SR images"):
        measure((f"images:{tmp_path}",), settings)


def twice(scale: int) -> torch.nn.Module:
    return torch.nn.Upsample(scale_factor=2)
