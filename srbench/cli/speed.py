"""`srbench speed`: time networks side by side."""

from __future__ import annotations

import json
from pathlib import Path

import click

from srbench.cli.inference_options import adapter_options
from srbench.files import write_atomic
from srbench.speed import Ratio, Settings, SpeedReport, Timing, measure, parse_size, speed_chart
from srbench.tables import text_table
from srbench.upscalers.base import Options


@click.command()
@click.option("--model", "models", multiple=True, metavar="SPEC...", help="What to time; several take turns.")
@click.option("--scale", "scales", type=int, multiple=True, required=True, help="Scale; may be repeated.")
@click.option(
    "--size", "sizes", multiple=True, metavar="S...", help="LR size in pixels: 96, or 180x320.  [default: 120]"
)
@click.argument("more", nargs=-1, metavar="[SPEC|S]...")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1.")
@click.option("--precision", type=click.Choice(["fp32", "bf16", "fp16"]), default="fp32", show_default=True)
@click.option("--optimise", is_flag=True, help="Fold constants into the convolutions and use channels_last.")
@adapter_options
@click.option(
    "--repetitions", type=click.IntRange(3), default=20, show_default=True, help="Timed runs per spec and size."
)
@click.option("--warmup", type=click.IntRange(1), default=3, show_default=True, help="Runs before the timed ones.")
@click.option(
    "--seconds",
    type=click.FloatRange(0, min_open=True),
    default=60.0,
    show_default=True,
    help="Per size; at least 3 runs are made.",
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
    svg: Path | None,
    form: str,
) -> None:
    """Measure FPS, latency, peak memory, parameters, MACs and FLOPs.

    zoo:NAME without a tag is timed untrained. Several specs and sizes may follow one --model or --size. Input adapters
    such as --range apply to python:, onnx: and spandrel: models.
    """
    specs = (*models, *(text for text in more if not text[:1].isdigit()))
    named = (*sizes, *(text for text in more if text[:1].isdigit())) or ("120",)
    if not specs:
        raise click.UsageError("expected at least one --model SPEC")
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


def _scaled(count: int | None, unit: float) -> str:
    return "-" if count is None else f"{count / unit:.1f}"
