"""Running an entry's weights again, in a process of its own that reads weights without running code from them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from srbench.errors import SubmissionError
from srbench.files import sha256_of
from srbench.scores import Run, read_run
from srbench.submissions import Submission
from srbench.submissions.known import BASELINES
from srbench.submissions.samples import SCALE
from srbench.verification.comparison import Outcome, compare_scores, rerun_bounds
from srbench.verification.pictures import LARGEST_CHANGE, compare_crops
from srbench.verification.rescoring import open_same_datasets
from srbench.zoo.catalogue import TAGS

if sys.platform != "win32":
    import resource

TIMEOUT = 3600.0
"""Seconds that one run may take by default."""

_SRBENCH = (sys.executable, "-P", "-m", "srbench")
_PACKAGES = Path(__file__).parents[2]
_MAX_WRITTEN = 4 << 30
_FILE_KINDS = ("onnx", "spandrel")


def rerun(
    entry: Submission,
    *,
    weights: Path | None = None,
    data_root: Path | None = None,
    device: str = "auto",
    timeout: float = TIMEOUT,
) -> Outcome:
    """Evaluate the entry's model again, scale by scale, and compare every score; then its sample crops in the same way.

    Args:
        weights: for models whose weights the catalogue does not have, their file or a folder of files; they are found
            by hash.
        timeout: seconds after which a run is ended.

    Raises:
        SubmissionError: a model that cannot be run without running its author's code, other weights, other HR images,
            or a run that fails or takes too long.
    """
    frames: list[pd.DataFrame] = []
    for facts in entry.document["runs"]:
        open_same_datasets(facts["datasets"], data_root)
        spec = _runnable(entry.document["model"]["spec"], facts["weights_sha256"], weights)
        with tempfile.TemporaryDirectory(prefix="srbench-rerun-") as folder:
            command = _command(spec, facts, entry.document["options"], device, data_root)
            _call([*command, "--output", f"{folder}/run"], Path(folder), timeout)
            frames.append(_require_weights(read_run(Path(folder) / "run"), facts).scores)
    precision = entry.document["options"]["precision"]
    psnr, ssim = rerun_bounds(precision)
    outcome = compare_scores(
        entry.scores,
        pd.concat(frames),
        lambda protocol, found: (psnr, ssim),
        tolerance=f"{psnr:g} dB and {ssim:g} SSIM, for {precision} on any device",
    )
    if outcome.failures or not entry.samples:
        return outcome
    made_by = next(facts["weights_sha256"] for facts in entry.document["runs"] if facts["scale"] == SCALE)
    spec = _runnable(entry.document["model"]["spec"], made_by, weights)
    return _with_crops(outcome, entry, spec, device, timeout)


def _with_crops(outcome: Outcome, entry: Submission, spec: str, device: str, timeout: float) -> Outcome:
    """The outcome, and that of making the entry's sample crops again."""
    with tempfile.TemporaryDirectory(prefix="srbench-rerun-") as folder:
        command = [*_SRBENCH, "samples", "--model", spec, "--scale", str(SCALE), "--device", device]
        command += ["--self-ensemble"] if entry.document["options"]["self_ensemble"] else []
        _call([*command, "--output", f"{folder}/crops"], Path(folder), timeout)
        wrong = compare_crops(entry, Path(folder) / "crops")
    return replace(
        outcome,
        failures=tuple(wrong),
        crops=len(entry.samples),
        tolerance=f"{outcome.tolerance}, and crops within {LARGEST_CHANGE} of 255 levels",
    )


def _runnable(spec: str, sha256: str | None, weights: Path | None) -> str:
    """The spec to evaluate: baselines and catalogue entries as they are, files by their hash."""
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
    spec: str, facts: dict[str, Any], options: dict[str, Any], device: str, data_root: Path | None
) -> list[str]:
    command = [
        *_SRBENCH,
        "evaluate",
        "--model",
        spec,
        "--scale",
        str(facts["scale"]),
        "--lr",
        options["lr_source"],
        "--precision",
        options["precision"],
        "--optimise",
        options["optimise"],
        "--device",
        device,
    ]
    command += [part for name in facts["datasets"] for part in ("--dataset", name)]
    command += [part for name in facts["protocols"] for part in ("--protocol", name)]
    command += ["--tile", str(options["tile"])] if options["tile"] else []
    command += ["--self-ensemble"] if options["self_ensemble"] else []
    return command + (["--data-root", str(data_root.resolve())] if data_root else [])


def _call(command: list[str], folder: Path, timeout: float) -> None:
    """Run a command in `folder` as the leader of its own process group, which ends with it."""
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
            preexec_fn=_limit if sys.platform != "win32" else None,
        ) as process,
    ):
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired as error:
            raise SubmissionError(
                f"expected the run to end within {timeout:g} s, got none; allow more with --timeout, "
                "or use a faster --device"
            ) from error
        finally:
            _end(process)
    if code != 0:
        said = messages.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        reason = said[-1] if said else "no message"
        raise SubmissionError(f"expected the run to succeed, got exit code {code}: {reason}")


def _limit() -> None:
    """What the process may use: no core dumps, no endless files."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_MAX_WRITTEN, _MAX_WRITTEN))


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)


def _require_weights(run: Run, facts: dict[str, Any]) -> Run:
    found, stated = run.record["model"]["weights_sha256"], facts["weights_sha256"]
    if found != stated:
        raise SubmissionError(f"×{facts['scale']}: expected weights with the sha256 {stated}, got {found}")
    return run
