"""Run an entry's weights again, in a separate process that reads weights without running code from them."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
from pydantic import JsonValue

from srbench.errors import SubmissionError, counted, listed
from srbench.files import sha256_of
from srbench.records.record_model import validate
from srbench.records.shared import AdapterFacts
from srbench.records.submission import SubmittedOptions, SubmittedRun
from srbench.records.verification import MemorisationFacts, UnpublishedFacts
from srbench.scores import Run, read_run
from srbench.submissions import LEVELS, Submission
from srbench.submissions.catalogue_checks import BASELINES
from srbench.submissions.crops import sample_scales
from srbench.verification.crop_checks import LARGEST_CHANGE, compare_crops
from srbench.verification.earlier import EarlierRuns, earlier_runs, rows_except
from srbench.verification.limited_run import run_limited
from srbench.verification.memorisation import PASSED, SMALL_SETS, largest_drop
from srbench.verification.rescoring import open_same_datasets
from srbench.verification.tolerances import Reproduction, compare_scores, rerun_bounds
from srbench.zoo.weights_catalogue import TAGS

TIMEOUT = 3600.0
"""The time in seconds that one run may take by default."""

SIZE_TOLERANCE = 0.05
"""By how much the stated number of parameters may differ from the file's: an export folds or unfolds some layers."""

PROTOCOL = "matlab-y"
"""The protocol for unpublished images."""

_PLAIN = SubmittedOptions(precision="fp32", tile=None, self_ensemble=False, optimise="none", lr_source="made")
_SRBENCH = (sys.executable, "-P", "-m", "srbench")
_PROBE = (sys.executable, "-P", "-m", "srbench.verification.memorisation")
_FILE_KINDS = ("onnx", "spandrel")


@dataclass(frozen=True)
class RerunSettings:
    """How weights are run again.

    Attributes:
        weights: the file or a folder of files of weights that the catalogue does not have; they are found by hash.
        data_root: where datasets are stored, if not at `$SRBENCH_DATA` or the user's data folder.
        device: of the network, as in `srbench.upscalers.base.Options`.
        timeout: the time in seconds after which a run is stopped.
        thorough: a folder of HR images that nobody has published; the model is scored on them, too.
        earlier: a submissions folder with an earlier, re-run version of the entry. Only runs that it lacks are made
            again, and only sets probed that it lacks at a scale; crops are made again if they changed.
    """

    weights: Path | None = None
    data_root: Path | None = None
    device: str = "auto"
    timeout: float = TIMEOUT
    thorough: Path | None = None
    earlier: Path | None = None


def rerun(entry: Submission, settings: RerunSettings = RerunSettings()) -> Reproduction:
    """Evaluate the entry's model again at each scale and compare every score; then reproduce its crops and probe it.

    Raises:
        SubmissionError: a model that cannot be run without its author's code, weights or HR images that differ from
            the entry's, a run that fails or takes too long, or no usable earlier version.
    """
    record = entry.record
    kept = earlier_runs(entry, settings.earlier) if settings.earlier else None
    runs = [facts for facts in record.runs if kept is None or facts not in kept.unchanged]
    specs = _specs(entry, settings.weights)
    fresh = [_run_again(entry, facts, specs[facts.scale], settings) for facts in runs]
    psnr, ssim = rerun_bounds(record.options.precision)
    tolerance = _tolerance(psnr, ssim, record.options.precision)
    outcome = Reproduction(0, 0.0, 0.0, tolerance, ())
    if fresh:
        stated = rows_except(entry.scores, kept.unchanged) if kept else entry.scores
        outcome = compare_scores(stated, pd.concat(fresh), lambda protocol, found: (psnr, ssim), tolerance=tolerance)
    if not outcome.failures:
        outcome = _with_probe(outcome, entry, kept, specs, settings)
    if not outcome.failures and settings.thorough is not None:
        found = [
            _unpublished(facts, specs[facts.scale], record.options, settings.thorough, settings)
            for facts in _by_scale(record.runs)
        ]
        outcome = replace(outcome, unpublished=tuple(found))
    if kept:
        outcome = _with_earlier(outcome, kept)
    if outcome.failures or not entry.samples:
        return outcome
    if kept and kept.samples_verified:
        return _with_crop_count(outcome, entry)
    return _with_crops(outcome, entry, specs, settings)


def _run_again(entry: Submission, facts: SubmittedRun, spec: str, settings: RerunSettings) -> pd.DataFrame:
    """Return the scores of one run of the entry, made again."""
    open_same_datasets(facts.datasets, settings.data_root)
    with tempfile.TemporaryDirectory(prefix="srbench-rerun-") as folder:
        command = _command(spec, facts, entry.record.options, settings)
        run_limited([*command, "--output", f"{folder}/run"], Path(folder), settings.timeout)
        run = _require_weights(read_run(Path(folder) / "run"), facts)
        _require_parameters(run, (entry.record.model.parameters or {}).get(str(facts.scale)))
        return run.scores


def _with_earlier(outcome: Reproduction, kept: EarlierRuns) -> Reproduction:
    """Add what an earlier verification found for the unchanged runs."""
    before = kept.verification
    probes = dict(kept.probes)
    for facts in outcome.memorisation:
        probes[facts.scale] = _combined(probes[facts.scale], facts) if facts.scale in probes else facts
    return replace(
        outcome,
        rows=outcome.rows + kept.facts.rows,
        psnr=max(outcome.psnr, before.largest_deviation.psnr or 0.0),
        ssim=max(outcome.ssim, before.largest_deviation.ssim or 0.0),
        memorisation=tuple(facts for _, facts in sorted(probes.items())),
        unpublished=outcome.unpublished or tuple(one for one in before.unpublished if one.scale in kept.scales),
        earlier=kept.facts,
    )


def _combined(earlier: MemorisationFacts, new: MemorisationFacts) -> MemorisationFacts:
    """Return the outcome of a probe over the sets of two probes of the same weights."""
    if new.status != PASSED:
        return new
    drops = {
        kind: largest_drop(found.drops[kind] for found in (earlier, new) if kind in found.drops)
        for kind in {**earlier.drops, **new.drops}
    }
    return new.model_copy(update={"images": earlier.images + new.images, "drops": drops})


def rerun_crops(entry: Submission, settings: RerunSettings = RerunSettings()) -> Reproduction:
    """Reproduce only the sample crops of an entry whose scores were reproduced before.

    Raises:
        SubmissionError: an entry without crops or whose weights were not run again, or a run that fails.
    """
    verified = entry.verification
    if entry.level != LEVELS[-1] or verified is None or not entry.samples:
        raise SubmissionError(
            f"{entry.id}: expected a re-run entry with sample crops, got level {entry.level} and "
            f"{counted(len(entry.samples), 'crop')}; verify it with --rerun"
        )
    specs = {
        run.scale: _runnable(entry.record.model.spec, run.weights_sha256, settings.weights) for run in entry.record.runs
    }
    psnr, ssim = rerun_bounds(entry.record.options.precision)
    before = Reproduction(
        verified.rows,
        verified.largest_deviation.psnr or 0.0,
        verified.largest_deviation.ssim or 0.0,
        _tolerance(psnr, ssim, entry.record.options.precision),
        (),
    )
    return _with_crops(before, entry, specs, settings)


def _tolerance(psnr: float, ssim: float, precision: str) -> str:
    return f"{psnr:g} dB and {ssim:g} SSIM, for {precision} on any device"


def _by_scale(runs: Iterable[SubmittedRun]) -> list[SubmittedRun]:
    """Return one run per scale, with the datasets of all runs of that scale.

    Their weights are the same, so what is measured of the model itself need not be measured again for each run.
    """
    found: dict[int, SubmittedRun] = {}
    for run in runs:
        first = found.setdefault(run.scale, run)
        found[run.scale] = first.model_copy(update={"datasets": {**first.datasets, **run.datasets}})
    return list(found.values())


def _with_probe(
    outcome: Reproduction,
    entry: Submission,
    kept: EarlierRuns | None,
    specs: Mapping[int, str],
    settings: RerunSettings,
) -> Reproduction:
    """Add the results of the memorisation probe to the outcome; sets that were probed earlier are left out.

    Raises:
        SubmissionError: the model scores lower on changed copies of the images.
    """
    found: list[MemorisationFacts] = []
    for facts in _by_scale(entry.record.runs):
        probed = kept.probed_sets(facts.scale) if kept else set[str]()
        if facts.datasets.keys() <= probed:
            continue
        with tempfile.TemporaryDirectory(prefix="srbench-rerun-") as folder:
            request, report = Path(folder) / "request.json", Path(folder) / "report.json"
            asked = _probe_request(entry.record.options, facts, probed, specs[facts.scale], settings)
            request.write_text(json.dumps(asked), encoding="utf-8")
            run_limited([*_PROBE, str(request), str(report)], Path(folder), settings.timeout)
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


def _unpublished(
    facts: SubmittedRun, spec: str, options: SubmittedOptions, images: Path, settings: RerunSettings
) -> UnpublishedFacts:
    """Return how much better than bicubic the model is on unpublished images, and on the smallest set of its entry.

    Both are scored under the protocol `matlab-y`, whatever protocols the entry has.
    """
    benchmark = min(facts.datasets, key=lambda name: (name not in SMALL_SETS, facts.datasets[name].n, name))
    asked = facts.model_copy(
        update={
            "datasets": {f"folder:{images.resolve()}": facts.datasets[benchmark], benchmark: facts.datasets[benchmark]},
            "protocols": {PROTOCOL: next(iter(facts.protocols.values()))},
        }
    )
    means: list[pd.DataFrame] = []
    for model, how in ((spec, options.model_copy(update={"lr_source": "made"})), ("bicubic", _PLAIN)):
        with tempfile.TemporaryDirectory(prefix="srbench-rerun-") as folder:
            command = _command(model, asked, how, settings)
            run_limited([*command, "--output", f"{folder}/run"], Path(folder), settings.timeout)
            scores = read_run(Path(folder) / "run").scores
            means.append(scores.groupby(scores["dataset"] == benchmark)["psnr_y"].agg(["mean", "size"]))
    gain = means[0]["mean"] - means[1]["mean"]
    return UnpublishedFacts(
        scale=facts.scale,
        images=int(means[0]["size"][False]),
        gain=float(gain[False]),
        benchmark=benchmark,
        benchmark_gain=float(gain[True]),
    )


def _probe_request(
    options: SubmittedOptions, facts: SubmittedRun, probed: Container[str], spec: str, settings: RerunSettings
) -> dict[str, JsonValue]:
    """Return the input of `srbench.verification.memorisation`: the model, its options and the datasets."""
    adapters: dict[str, JsonValue] = options.adapters.plain() if options.adapters else {}
    if "factory_args" in adapters:
        adapters["factory_arg"] = adapters.pop("factory_args")
    return {
        "model": spec,
        "scale": facts.scale,
        "datasets": [name for name in facts.datasets if name not in probed],
        "probed_before": [name for name in facts.datasets if name in probed],
        "data_root": str(settings.data_root.resolve()) if settings.data_root else None,
        "options": {
            "device": settings.device,
            "precision": options.precision,
            "tile": options.tile,
            "self_ensemble": options.self_ensemble,
            "optimise": options.optimise,
            **adapters,
        },
    }


def _with_crops(
    outcome: Reproduction, entry: Submission, specs: Mapping[int, str], settings: RerunSettings
) -> Reproduction:
    """Reproduce the entry's sample crops scale by scale, and add the results to the outcome."""
    with tempfile.TemporaryDirectory(prefix="srbench-rerun-") as folder:
        for scale in sample_scales(entry.samples):
            command = [
                *_SRBENCH,
                "samples",
                "--model",
                specs[scale],
                "--scale",
                str(scale),
                "--device",
                settings.device,
            ]
            command += ["--self-ensemble"] if entry.record.options.self_ensemble else []
            run_limited([*command, "--output", f"{folder}/crops"], Path(folder), settings.timeout)
        wrong = compare_crops(entry, Path(folder) / "crops")
    return _with_crop_count(replace(outcome, failures=tuple(wrong)), entry)


def _with_crop_count(outcome: Reproduction, entry: Submission) -> Reproduction:
    tolerance = f"{outcome.tolerance}, and crops within {LARGEST_CHANGE} of 255 levels"
    return replace(outcome, crops=len(entry.samples), tolerance=tolerance)


def _specs(entry: Submission, weights: Path | None) -> dict[int, str]:
    """Return the spec to evaluate at each scale of an entry."""
    model = entry.record.model.spec
    return {facts.scale: _runnable(model, facts.weights_sha256, weights) for facts in _by_scale(entry.record.runs)}


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


def _command(spec: str, facts: SubmittedRun, options: SubmittedOptions, settings: RerunSettings) -> list[str]:
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
        settings.device,
    ]
    command += [part for name in facts.datasets for part in ("--dataset", name)]
    command += [part for name in facts.protocols for part in ("--protocol", name)]
    command += ["--tile", str(options.tile)] if options.tile else []
    command += ["--self-ensemble"] if options.self_ensemble else []
    command += _adapter_options(options.adapters) if options.adapters else []
    return command + (["--data-root", str(settings.data_root.resolve())] if settings.data_root else [])


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
