"""Measure latency, frames per second, peak memory, parameters, MACs and FLOPs of networks side by side."""

from __future__ import annotations

import itertools
import re
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
import torch
from torch import nn

from srbench.charts import Axis, Series, line_chart
from srbench.device_memory import peak_memory
from srbench.environment import Environment, describe_environment
from srbench.errors import UpscalerError
from srbench.upscalers.base import AdapterKeywords, Options
from srbench.upscalers.float32 import full_float32
from srbench.upscalers.image_folder import ImageFolderUpscaler
from srbench.upscalers.loading import FOREIGN_KINDS, open_upscaler
from srbench.upscalers.tensors import DEEP_DTYPES, PRECISIONS, pick_device
from srbench.zoo import build
from srbench.zoo.blocks import SRNetwork
from srbench.zoo.counting import challenge_cost
from srbench.zoo.optimize import optimized
from srbench.zoo.reparam import merge

LEAST_REPETITIONS = 3
"""Repetitions that are made even if the time for a size is used up, because quartiles need them."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of a measurement of speed.

    Attributes:
        sizes: LR height and width in pixels.
        repetitions: timed runs of each spec at each size; fewer, at least three, where `seconds` per size are used up.
        warmup: runs before anything is measured; one more gives the peak memory.
        optimise: fold constants and use channels_last, for zoo networks.
        deployed: time and count zoo networks in their deployed form, where the branches of training are merged.
        adapters: fields of `Options` that adapt images to what foreign models take; zoo networks are timed without.
    """

    scales: tuple[int, ...]
    sizes: tuple[tuple[int, int], ...]
    device: str = "auto"
    precision: str = "fp32"
    repetitions: int = 20
    warmup: int = 3
    seconds: float = 60.0
    optimise: bool = False
    deployed: bool = False
    adapters: AdapterKeywords = field(default_factory=AdapterKeywords)


@dataclass(frozen=True, kw_only=True)
class Timing:
    """The measured speed of one spec at one scale and LR size, with one image per batch.

    Latencies in milliseconds; memory in bytes, weights included, null where the system does not report it; one
    multiply-accumulate (MAC) is two FLOPs; `activations` are the values in the outputs of all convolutions. `timed`
    says whether the network alone was timed, or with the conversion of its uint8 images.
    """

    spec: str
    scale: int
    height: int
    width: int
    fps: float
    latency_median_ms: float
    latency_q1_ms: float
    latency_q3_ms: float
    latency_mean_ms: float
    repetitions: int
    peak_memory_bytes: int | None
    parameters: int | None
    macs: int | None
    flops: int | None
    activations: int | None
    convolutions: int | None
    timed: str


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """The time of `spec` divided by the time of `base`, from pairs of consecutive runs."""

    base: str
    spec: str
    scale: int
    height: int
    width: int
    median: float
    q1: float
    q3: float


@dataclass(frozen=True)
class SpeedReport:
    """All timings and ratios of one measurement, and the machine that it was made on."""

    timings: tuple[Timing, ...]
    ratios: tuple[Ratio, ...]
    settings: Settings
    environment: Environment

    def to_json(self) -> dict[str, object]:
        """Return the report as one JSON-ready document."""
        return {
            "timings": [asdict(timing) for timing in self.timings],
            "ratios": [asdict(ratio) for ratio in self.ratios],
            "settings": asdict(self.settings),
            "environment": self.environment,
        }


@dataclass
class _Candidate:
    """A spec that is ready to be timed: `prepare` returns for a size the function that is timed."""

    spec: str
    scale: int
    prepare: Callable[[int, int], Callable[[], object]]
    timed: str
    module: nn.Module | None


def parse_size(text: str) -> tuple[int, int]:
    """Parse `96` or `180x320` as LR height and width. Raise UpscalerError for anything else."""
    match = re.fullmatch(r"(\d+)(?:[x×](\d+))?", text)
    height, width = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if height < 1 or width < 1:
        raise UpscalerError(f"expected a size such as 96 or 180x320 (LR height × width), got {text!r}")
    return height, width


def measure(specs: Sequence[str], settings: Settings) -> SpeedReport:
    """Time every spec at every scale and size. The specs take turns, so that changes of the machine affect all.

    `zoo:NAME` without a tag is timed untrained: speed does not depend on the weights' values.

    Raises:
        UpscalerError, UnknownNameError, WeightsError: a spec, device or precision that is not available.
    """
    if settings.repetitions < LEAST_REPETITIONS or not specs or not settings.sizes or not settings.scales:
        raise UpscalerError(
            f"expected specs, scales, sizes and at least {LEAST_REPETITIONS} repetitions, got {settings}"
        )
    device = pick_device(settings.device)
    timings: list[Timing] = []
    ratios: list[Ratio] = []
    for scale in settings.scales:
        candidates = [_candidate(spec, scale, device, settings) for spec in specs]
        for size in settings.sizes:
            with full_float32():
                runs, peaks = _interleaved(candidates, size, device, settings)
            timings += [_timing(*row, size) for row in zip(candidates, runs, peaks, strict=True)]
            ratios += _ratios(candidates, runs, size)
    return SpeedReport(tuple(timings), tuple(ratios), settings, describe_environment(device))


def speed_chart(report: SpeedReport) -> str:
    """Return FPS over input size as SVG, as in the BAM paper's Figure 6: one colour per spec and scale, BAM dashed."""
    keys = dict.fromkeys((timing.spec, timing.scale) for timing in report.timings)
    families = list(dict.fromkeys((_family(spec), scale) for spec, scale in keys))
    series = [
        Series(
            f"{spec.removeprefix('zoo:')} ×{scale}",
            tuple(
                (timing.width, timing.fps) for timing in report.timings if (timing.spec, timing.scale) == (spec, scale)
            ),
            families.index((_family(spec), scale)),
            dashed=_family(spec) != spec,
        )
        for spec, scale in keys
    ]
    title = f"Frames per second over input size, {report.environment['device']}, {report.settings.precision}"
    return line_chart(series, title=title, x=Axis("input width, pixels"), y=Axis("frames per second", logarithmic=True))


def _family(spec: str) -> str:
    return re.sub(r"-bam(?=@|$)", "", spec)


def _candidate(spec: str, scale: int, device: torch.device, settings: Settings) -> _Candidate:
    if settings.precision not in PRECISIONS:
        raise UpscalerError(f"expected a precision out of {', '.join(PRECISIONS)}, got {settings.precision!r}")
    name = spec.removeprefix("zoo:")
    if spec.startswith("zoo:") and "@" not in name:
        return _of_network(spec, build(name, scale=scale).to(device).eval().requires_grad_(False), device, settings)
    adapters = settings.adapters if spec.partition(":")[0] in FOREIGN_KINDS else {}
    options = Options(device=str(device), precision=settings.precision, **adapters)
    upscaler = open_upscaler(spec, scale=scale, options=options)
    module = getattr(upscaler, "module", None)
    if isinstance(module, SRNetwork) and not adapters:
        return _of_network(spec, module, device, settings)
    if settings.optimise:
        raise UpscalerError(f"{spec}: expected a zoo network with --optimise, got another model; leave the option out")
    if isinstance(upscaler, ImageFolderUpscaler):
        raise UpscalerError(f"{spec}: expected a model, got a folder of SR images; time the model that made them")

    def prepare(height: int, width: int) -> Callable[[], object]:
        image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
        upscaler.checked(image, dataset="speed", name="noise")  # refuses a model of another scale
        return lambda: upscaler.upscale(image, dataset="speed", name="noise")

    # Counting uses an RGB image of the LR's size, which adapted networks do not take.
    counted = module if isinstance(module, nn.Module) and not adapters else None
    return _Candidate(spec, scale, prepare, "upscaler", counted)


def _of_network(spec: str, network: SRNetwork, device: torch.device, settings: Settings) -> _Candidate:
    if settings.deployed:
        network = merge(network)
    runner = optimized(network) if settings.optimise else network
    runner.deep_dtype = DEEP_DTYPES[settings.precision]

    def prepare(height: int, width: int) -> Callable[[], object]:
        lr = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0)).to(device)
        return lambda: runner(lr)

    # The optimised network has fewer tensors, so the published network is counted.
    return _Candidate(spec, network.scale, prepare, "network", network)


def _interleaved(
    candidates: Sequence[_Candidate], size: tuple[int, int], device: torch.device, settings: Settings
) -> tuple[list[list[float]], list[int | None]]:
    """Return the seconds of each candidate's runs, made in turns, and its peak memory."""
    calls = [candidate.prepare(*size) for candidate in candidates]
    runs: list[list[float]] = [[] for _ in candidates]
    with torch.inference_mode():
        for call in calls:
            for _ in range(settings.warmup):
                call()
        pairs = zip(calls, candidates, strict=True)
        peaks = [peak_memory(call, candidate.module, device) for call, candidate in pairs]
        deadline = time.perf_counter() + settings.seconds
        for repetition in range(settings.repetitions):
            if repetition >= LEAST_REPETITIONS and time.perf_counter() > deadline:
                break
            # The order rotates, so that a candidate does not always run after the same candidate.
            for step in range(len(calls)):
                index = (repetition + step) % len(calls)
                runs[index].append(_seconds(calls[index], device))
    return runs, peaks


def _seconds(call: Callable[[], object], device: torch.device) -> float:
    _synchronise(device)
    start = time.perf_counter()
    call()
    _synchronise(device)
    return time.perf_counter() - start


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _timing(candidate: _Candidate, runs: list[float], peak: int | None, size: tuple[int, int]) -> Timing:
    first, median, third = _quartiles([1000 * seconds for seconds in runs])
    module = candidate.module
    cost = challenge_cost(module, height=size[0], width=size[1]) if module is not None else None
    return Timing(
        spec=candidate.spec,
        scale=candidate.scale,
        height=size[0],
        width=size[1],
        fps=1000 / median,
        latency_median_ms=median,
        latency_q1_ms=first,
        latency_q3_ms=third,
        latency_mean_ms=1000 * statistics.fmean(runs),
        repetitions=len(runs),
        peak_memory_bytes=peak,
        parameters=None if cost is None else cost.parameters,
        macs=None if cost is None else cost.macs,
        flops=None if cost is None else 2 * cost.macs,
        activations=None if cost is None else cost.activations,
        convolutions=None if cost is None else cost.convolutions,
        timed=candidate.timed,
    )


def _ratios(candidates: Sequence[_Candidate], runs: Sequence[list[float]], size: tuple[int, int]) -> list[Ratio]:
    pairs = itertools.combinations(zip(candidates, runs, strict=True), 2)
    return [_ratio(base, other, size) for base, other in pairs]


def _ratio(base: tuple[_Candidate, list[float]], other: tuple[_Candidate, list[float]], size: tuple[int, int]) -> Ratio:
    first, median, third = _quartiles([late / early for early, late in zip(base[1], other[1], strict=True)])
    names = {"base": base[0].spec, "spec": other[0].spec, "scale": base[0].scale}
    return Ratio(**names, height=size[0], width=size[1], median=median, q1=first, q3=third)  # type: ignore[arg-type]


def _quartiles(values: list[float]) -> tuple[float, float, float]:
    first, median, third = statistics.quantiles(values, n=4, method="inclusive")
    return first, median, third
