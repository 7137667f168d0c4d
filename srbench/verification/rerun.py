"""Run an entry's weights again, in a separate process that reads weights without running code from them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd
from pydantic import JsonValue

from srbench.bounded_process import physical_memory, session_memory
from srbench.errors import SubmissionError, counted, listed
from srbench.files import sha256_of
from srbench.records.record_model import validate
from srbench.records.shared import AdapterFacts
from srbench.records.submission import SubmittedOptions, SubmittedRun
from srbench.records.verification import MemorisationFacts
from srbench.scores import Run, read_run
from srbench.submissions import LEVELS, Submission
from srbench.submissions.catalogue_checks import BASELINES
from srbench.submissions.crops import sample_scales
from srbench.verification.crop_checks import LARGEST_CHANGE, compare_crops
from srbench.verification.rescoring import open_same_datasets
from srbench.verification.tolerances import Reproduction, compare_scores, rerun_bounds
from srbench.zoo.weights_catalogue import TAGS

if sys.platform != "win32":
    import resource

TIMEOUT = 3600.0
"""The time in seconds that one run may take by default."""

MEMORY_SHARE = 0.75
"""The share of the machine's memory that a run and its processes may take together."""

SIZE_TOLERANCE = 0.05
"""By how much the stated number of parameters may differ from the file's: an export folds or unfolds some layers."""

_SRBENCH = (sys.executable, "-P", "-m", "srbench")
_PROBE = (sys.executable, "-P", "-m", "srbench.verification.memorisation")
_PACKAGES = Path(__file__).parents[2]
_MAX_WRITTEN = 4 << 30
_WATCH_SECONDS = 1.0
_IMPORTS = 16 << 30  # address space that torch, its CUDA libraries and ONNX Runtime reserve without using memory
_FILE_KINDS = ("onnx", "spandrel")


def rerun(
    entry: Submission,
    *,
    weights: Path | None = None,
    data_root: Path | None = None,
    device: str = "auto",
    timeout: float = TIMEOUT,
) -> Reproduction:
    """Evaluate the entry's model again at each scale and compare every score; then reproduce its crops and probe it.

    Args:
        weights: the file or a folder of files of weights that the catalogue does not have; they are found by hash.
        timeout: the time in seconds after which a run is stopped.

    Raises:
        SubmissionError: a model that cannot be run without its author's code, weights or HR images that differ from
            the entry's, or a run that fails or takes too long.
    """
    frames: list[pd.DataFrame] = []
    record = entry.record
    specs: dict[int, str] = {}
    for facts in record.runs:
        open_same_datasets(facts.datasets, data_root)
        spec = specs[facts.scale] = _runnable(record.model.spec, facts.weights_sha256, weights)
        with tempfile.TemporaryDirectory(prefix="srbench-rerun-") as folder:
            command = _command(spec, facts, record.options, device, data_root)
            _call([*command, "--output", f"{folder}/run"], Path(folder), timeout)
            run = _require_weights(read_run(Path(folder) / "run"), facts)
            _require_parameters(run, (record.model.parameters or {}).get(str(facts.scale)))
            frames.append(run.scores)
    precision = record.options.precision
    psnr, ssim = rerun_bounds(precision)
    outcome = compare_scores(
        entry.scores,
        pd.concat(frames),
        lambda protocol, found: (psnr, ssim),
        tolerance=_tolerance(psnr, ssim, precision),
    )
    if not outcome.failures:
        outcome = _with_probe(outcome, entry, specs, device, data_root, timeout)
    if outcome.failures or not entry.samples:
        return outcome
    return _with_crops(outcome, entry, specs, device, timeout)


def rerun_crops(
    entry: Submission, *, weights: Path | None = None, device: str = "auto", timeout: float = TIMEOUT
) -> Reproduction:
    """Reproduce only the sample crops of an entry whose scores were reproduced before. Arguments as for `rerun`.

    Raises:
        SubmissionError: an entry without crops or whose weights were not run again, or a run that fails.
    """
    verified = entry.verification
    if entry.level != LEVELS[-1] or verified is None or not entry.samples:
        raise SubmissionError(
            f"{entry.id}: expected a re-run entry with sample crops, got level {entry.level} and "
            f"{counted(len(entry.samples), 'crop')}; verify it with --rerun"
        )
    specs = {run.scale: _runnable(entry.record.model.spec, run.weights_sha256, weights) for run in entry.record.runs}
    psnr, ssim = rerun_bounds(entry.record.options.precision)
    before = Reproduction(
        verified.rows,
        verified.largest_deviation.psnr or 0.0,
        verified.largest_deviation.ssim or 0.0,
        _tolerance(psnr, ssim, entry.record.options.precision),
        (),
    )
    return _with_crops(before, entry, specs, device, timeout)


def _tolerance(psnr: float, ssim: float, precision: str) -> str:
    return f"{psnr:g} dB and {ssim:g} SSIM, for {precision} on any device"


def _with_probe(
    outcome: Reproduction,
    entry: Submission,
    specs: Mapping[int, str],
    device: str,
    data_root: Path | None,
    timeout: float,
) -> Reproduction:
    """Return the outcome together with that of the memorisation probe at every scale.

    Raises:
        SubmissionError: the model scores lower on changed copies of the images.
    """
    found: list[MemorisationFacts] = []
    for facts in entry.record.runs:
        with tempfile.TemporaryDirectory(prefix="srbench-rerun-") as folder:
            request, report = Path(folder) / "request.json", Path(folder) / "report.json"
            asked = _probe_request(entry.record.options, facts, specs[facts.scale], device, data_root)
            request.write_text(json.dumps(asked), encoding="utf-8")
            _call([*_PROBE, str(request), str(report)], Path(folder), timeout)
            result = json.loads(report.read_text(encoding="utf-8"))
        exceeded = result.pop("exceeded")
        if exceeded:
            raise SubmissionError(
                f"{entry.id} ×{facts.scale}: scores depend on the exact benchmark pixels: {listed(exceeded, 3)}; "
                "docs/memorisation.md describes the probe"
            )
        document = {"scale": facts.scale, **result}
        found.append(validate(MemorisationFacts, document, "memorisation probe", error=SubmissionError))
    return replace(outcome, memorisation=tuple(found))


def _probe_request(
    options: SubmittedOptions, facts: SubmittedRun, spec: str, device: str, data_root: Path | None
) -> dict[str, JsonValue]:
    """Return the input of `srbench.verification.memorisation`: the model, its options and the datasets."""
    adapters: dict[str, JsonValue] = options.adapters.plain() if options.adapters else {}
    if "factory_args" in adapters:
        adapters["factory_arg"] = adapters.pop("factory_args")
    return {
        "model": spec,
        "scale": facts.scale,
        "datasets": list(facts.datasets),
        "data_root": str(data_root.resolve()) if data_root else None,
        "options": {
            "device": device,
            "precision": options.precision,
            "tile": options.tile,
            "self_ensemble": options.self_ensemble,
            "optimise": options.optimise,
            **adapters,
        },
    }


def _with_crops(
    outcome: Reproduction, entry: Submission, specs: Mapping[int, str], device: str, timeout: float
) -> Reproduction:
    """Return the outcome together with that of reproducing the entry's sample crops, scale by scale."""
    with tempfile.TemporaryDirectory(prefix="srbench-rerun-") as folder:
        for scale in sample_scales(entry.samples):
            command = [*_SRBENCH, "samples", "--model", specs[scale], "--scale", str(scale), "--device", device]
            command += ["--self-ensemble"] if entry.record.options.self_ensemble else []
            _call([*command, "--output", f"{folder}/crops"], Path(folder), timeout)
        wrong = compare_crops(entry, Path(folder) / "crops")
    return replace(
        outcome,
        failures=tuple(wrong),
        crops=len(entry.samples),
        tolerance=f"{outcome.tolerance}, and crops within {LARGEST_CHANGE} of 255 levels",
    )


def _runnable(spec: str, sha256: str | None, weights: Path | None) -> str:
    """Return the spec to evaluate: baselines and catalogue entries unchanged, files found by their hash."""
    kind, _, rest = spec.partition(":")
    name, _, tag = rest.partition("@")
    if spec in BASELINES or (kind == "zoo" and (not tag or tag in TAGS)):
        return spec
    if kind != "zoo" and kind not in _FILE_KINDS:
        raise SubmissionError(
            f"{spec}: expected a model that runs without its author's code (zoo:, onnx:, spandrel:); "
            "score its SR images with --rescore instead"
        )
    file = _find_weights(spec, sha256, weights)
    return f"zoo:{name}@{file}" if kind == "zoo" else f"{kind}:{file}"


def _find_weights(spec: str, sha256: str | None, weights: Path | None) -> Path:
    if weights is None:
        raise SubmissionError(f"{spec}: expected the weights' file, got none; name it, or its folder, with --weights")
    files = [weights] if weights.is_file() else sorted(path for path in weights.rglob("*") if path.is_file())
    for path in files:
        if sha256 is not None and sha256_of(path) == sha256:
            return path.resolve()
    raise SubmissionError(f"{weights}: expected a file with the sha256 {sha256} that the entry states, got none")


def _command(
    spec: str, facts: SubmittedRun, options: SubmittedOptions, device: str, data_root: Path | None
) -> list[str]:
    command = [
        *_SRBENCH,
        "evaluate",
        "--model",
        spec,
        "--scale",
        str(facts.scale),
        "--lr",
        options.lr_source,
        "--precision",
        options.precision,
        "--optimise",
        options.optimise,
        "--device",
        device,
    ]
    command += [part for name in facts.datasets for part in ("--dataset", name)]
    command += [part for name in facts.protocols for part in ("--protocol", name)]
    command += ["--tile", str(options.tile)] if options.tile else []
    command += ["--self-ensemble"] if options.self_ensemble else []
    command += _adapter_options(options.adapters) if options.adapters else []
    return command + (["--data-root", str(data_root.resolve())] if data_root else [])


def _adapter_options(adapters: AdapterFacts) -> list[str]:
    """Return the command-line options of input adapters that differ from their defaults."""
    switches = {"--bgr": adapters.bgr, "--luma": adapters.luma, "--pre-upsample": adapters.pre_upsample}
    return [
        *(["--pad", str(adapters.pad)] if adapters.pad != 1 else []),
        *(["--range", str(adapters.range)] if adapters.range != 1 else []),
        *(name for name, chosen in switches.items() if chosen),
        *(["--output-name", adapters.output_name] if adapters.output_name else []),
        *(part for name, value in adapters.factory_args.items() for part in ("--factory-arg", f"{name}={value}")),
    ]


def _call(command: list[str], folder: Path, timeout: float) -> None:
    """Run a command in `folder` as the leader of its own process group, and stop the group with it."""
    paths = [str(_PACKAGES), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    messages = folder / "messages.txt"
    with (
        messages.open("wb") as errors,
        subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
            preexec_fn=_limits(command) if sys.platform != "win32" else None,
        ) as process,
    ):
        try:
            code = _wait(process, timeout)
        except subprocess.TimeoutExpired as error:
            raise SubmissionError(
                f"expected the run to end within {timeout:g} s, got no end; allow more with --timeout, "
                "or use a faster --device"
            ) from error
        finally:
            _end(process)
    if code != 0:
        said = messages.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        reason = said[-1] if said else "no message"
        raise SubmissionError(f"expected the run to succeed, got exit code {code}: {reason}")


def _wait(process: subprocess.Popen[bytes], timeout: float) -> int:
    """Wait for a process and limit the memory of its session; return its exit code.

    Raises:
        SubmissionError: it takes most of the memory of this machine.
        TimeoutExpired: it takes longer than `timeout` seconds.
    """
    end, memory = time.monotonic() + timeout, physical_memory()
    while True:
        try:
            return process.wait(max(0.0, min(_WATCH_SECONDS, end - time.monotonic())))
        except subprocess.TimeoutExpired:
            if time.monotonic() >= end:
                raise
        if memory is not None and session_memory(process.pid) > MEMORY_SHARE * memory:
            raise SubmissionError(
                f"expected a run that takes at most {MEMORY_SHARE:.0%} of this machine's memory, got one that takes "
                "more; use a machine with more memory"
            )


def _limits(command: list[str]) -> Callable[[], None]:
    """Return a function that limits a new process: no core dumps, limited file size and address space.

    The last is for runs without CUDA on Linux: drivers of CUDA reserve more addresses than the machine has memory.
    """
    memory = physical_memory()
    cuda = Path("/dev/nvidiactl").exists() and "cpu" not in command

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (_MAX_WRITTEN, _MAX_WRITTEN))
        if sys.platform == "linux" and memory is not None and not cuda:
            resource.setrlimit(resource.RLIMIT_AS, (memory + _IMPORTS, memory + _IMPORTS))

    return limit


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)


def _require_parameters(run: Run, stated: int | None) -> None:
    """Refuse a file whose size differs from the stated size."""
    counted = run.facts.model.parameters
    if stated is None or counted is None:
        return
    if abs(stated - counted) > SIZE_TOLERANCE * counted:
        raise SubmissionError(
            f"×{run.facts.scale}: expected the {counted:,} parameters that the weights' file holds, got {stated:,} in "
            "the entry; correct submission.json"
        )


def _require_weights(run: Run, facts: SubmittedRun) -> Run:
    found, stated = run.facts.model.weights_sha256, facts.weights_sha256
    if found != stated:
        raise SubmissionError(f"×{facts.scale}: expected weights with the sha256 {stated}, got {found}")
    return run
