"""`srbench speed`: time networks side by side."""

from __future__ import annotations

import json
from pathlib import Path

import click

from srbench.cli.common_options import device_option
from srbench.cli.inference_options import adapter_options
from srbench.files import write_atomic
from srbench.ntire import NTIRE_RULES, NTIRE_RUNS, NtireReport, NtireRule, measure_ntire
from srbench.speed import Ratio, Settings, SpeedReport, Timing, measure, parse_size, speed_chart
from srbench.tables import text_table
from srbench.upscalers.base import Options


@click.command()
@click.option("--model", "models", multiple=True, metavar="SPEC...", help="The models to time; several take turns.")
@click.option(
    "--scale", "scales", type=int, metavar="N", multiple=True, help="May be repeated. Required without --ntire."
)
@click.option(
    "--size", "sizes", multiple=True, metavar="S...", help="LR size in pixels: 96, or 180x320.  [default: 120]"
)
@click.argument("more", nargs=-1, metavar="[SPEC|S]...")
@device_option
@click.option("--precision", type=click.Choice(["fp32", "bf16", "fp16"]), default="fp32", show_default=True)
@click.option("--optimise", is_flag=True, help="Fold constants into the convolutions and use channels_last.")
@adapter_options
@click.option(
    "--repetitions",
    type=click.IntRange(3),
    metavar="N",
    default=20,
    show_default=True,
    help="Timed runs per spec and size.",
)
@click.option(
    "--warmup", type=click.IntRange(1), metavar="N", default=3, show_default=True, help="Runs before the timed ones."
)
@click.option(
    "--seconds",
    type=click.FloatRange(0, min_open=True),
    metavar="SECONDS",
    default=60.0,
    show_default=True,
    help="Time limit per size; at least 3 runs are made.",
)
@click.option(
    "--ntire",
    is_flag=True,
    help="Measure as the NTIRE challenges on efficient SR: ×4, 256×256, mean of five runs, deployed form. With the "
    "baseline EFDN (2025) or SPAN (2026) among the models, also print an NTIRE-style score.",
)
@click.option("--svg", type=click.Path(path_type=Path, dir_okay=False), help="Write FPS over input size as SVG.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
def command(
    models: tuple[str, ...],
    scales: tuple[int, ...],
    sizes: tuple[str, ...],
    more: tuple[str, ...],
    device: str,
    precision: str,
    optimise: bool,
    options: Options,
    repetitions: int,
    warmup: int,
    seconds: float,
    ntire: bool,
    svg: Path | None,
    form: str,
) -> None:
    """Measure FPS, latency, peak memory, parameters, MACs and FLOPs.

    zoo:NAME without a tag is timed untrained. Several specs and sizes may follow one --model or --size. Input adapters
    such as --range apply to python:, onnx: and spandrel: models.
    """
    specs = (*models, *(text for text in more if not text[:1].isdigit()))
    named = (*sizes, *(text for text in more if text[:1].isdigit())) or (() if ntire else ("120",))
    if not specs:
        raise click.UsageError("expected at least one --model SPEC")
    if not scales and not ntire:
        raise click.UsageError("expected at least one --scale N")
    settings = Settings(
        scales=scales,
        sizes=tuple(parse_size(text) for text in named),
        device=device,
        precision=precision,
        repetitions=repetitions,
        warmup=warmup,
        seconds=seconds,
        optimise=optimise,
        adapters=options.adapters,
    )
    if ntire:
        challenge = measure_ntire(tuple(dict.fromkeys(specs)), settings)
        click.echo(json.dumps(challenge.to_json(), indent=2) if form == "json" else _ntire_table(challenge))
        return
    report = measure(tuple(dict.fromkeys(specs)), settings)
    if svg is not None:
        write_atomic(svg, speed_chart(report))
    click.echo(json.dumps(report.to_json(), indent=2) if form == "json" else _table(report))


def _table(report: SpeedReport) -> str:
    head = ("model", "scale", "LR", "FPS", "median ms", "quartiles ms", "peak MB", "parameters K", "MACs G", "FLOPs G")
    lines = [text_table(head, [_row(timing) for timing in report.timings])]
    if report.ratios:
        ratio_head = ("time of", "over time of", "scale", "LR", "median", "quartiles")
        lines.append(text_table(ratio_head, [_ratio_row(ratio) for ratio in report.ratios]))
    return "\n\n".join(lines)


def _ntire_table(report: NtireReport) -> str:
    head = ("model", "mean ms", "parameters M", "MACs G", "activations M", "convolutions")
    rows = [
        (
            timing.spec,
            f"{timing.latency_mean_ms:.2f}",
            _scaled(timing.parameters, 1e6, 3),
            _scaled(timing.macs, 1e9, 2),
            _scaled(timing.activations, 1e6, 2),
            _scaled(timing.convolutions, 1, 0),
        )
        for timing in report.speed.timings
    ]
    lines = [f"×4, 256×256, mean of {NTIRE_RUNS} runs on {report.device}", text_table(head, rows)]
    lines += [part for rule in NTIRE_RULES for part in _score_table(report, rule)]
    if not report.scores:
        names = " or ".join(f"zoo:{rule.networks[0]} ({rule.year})" for rule in NTIRE_RULES)
        lines.append(f"no NTIRE-style score: its baseline has to run in the same call; add --model {names}")
    return "\n\n".join(lines)


def _score_table(report: NtireReport, rule: NtireRule) -> list[str]:
    scores = [score for score in report.scores if score.year == rule.year]
    if not scores:
        return []
    rows = [
        (score.spec, *(f"{value:.3f}" for value in (score.total, score.runtime, score.macs, score.parameters)))
        for score in scores
    ]
    return [
        f"NTIRE-style score by the rule of {rule.year}, baseline {rule.baseline}, on {report.device}; lower is better",
        text_table(("model", "score", "runtime", "MACs", "parameters"), rows),
    ]


def _row(timing: Timing) -> tuple[str, ...]:
    return (
        timing.spec,
        f"×{timing.scale}",
        f"{timing.height}×{timing.width}",
        f"{timing.fps:.2f}",
        f"{timing.latency_median_ms:.2f}",
        f"{timing.latency_q1_ms:.2f}…{timing.latency_q3_ms:.2f}",
        _scaled(timing.peak_memory_bytes, 1e6),
        _scaled(timing.parameters, 1e3),
        _scaled(timing.macs, 1e9),
        _scaled(timing.flops, 1e9),
    )


def _ratio_row(ratio: Ratio) -> tuple[str, ...]:
    size = f"{ratio.height}×{ratio.width}"
    return (ratio.spec, ratio.base, f"×{ratio.scale}", size, f"{ratio.median:.3f}", f"{ratio.q1:.3f}…{ratio.q3:.3f}")


def _scaled(count: int | None, unit: float, digits: int = 1) -> str:
    return "-" if count is None else f"{count / unit:.{digits}f}"
