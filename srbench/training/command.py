"""Carry out `srbench train`: from the values of its options to trainings and their outcome in words."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from functools import partial

from srbench.errors import TrainingError, counted
from srbench.records.training_documents import TrainingDocument
from srbench.training.initial import describe
from srbench.training.job import Job
from srbench.training.loss_spikes import loss_spike_warning
from srbench.training.optimization import PerfOptions
from srbench.training.options import TrainValues, recipe_settings
from srbench.training.own_networks import is_own
from srbench.training.processes import leads
from srbench.training.recipe import load_recipe
from srbench.training.recipe_help import recipe_help
from srbench.training.records import WEIGHTS
from srbench.training.result_packs import Packer, parse_size, unpack
from srbench.training.time_limit import run_within, seconds_of
from srbench.training.trainer import train
from srbench.training.training_sweep import Outcome, read_sweep, require_all, run_jobs, sweep_report
from srbench.upscalers.factory_args import describe_factory_args, parse_factory_args
from srbench.zoo.networks import find_variant
from srbench.zoo.weights_catalogue import times


def job_of(values: TrainValues) -> Job:
    """Return the job that the options describe. Raises the errors of `load_recipe` and `Recipe.changed`."""
    scales = _scales(values["scales"])
    return _job_with(values)(
        network=values["model"],
        factory_args=parse_factory_args(values["factory_arg"] or ()),
        scale=values["scale"] or scales[0],
        scales=scales,
        train_set=values["train_set"],
        output=values["output"],
        recipe=load_recipe(values["recipe"]).changed(recipe_settings(values)),
        seed=values["seed"],
        start=values["start"],
        init=values["init"],
        init_scale=values["init_scale"],
        init_strict=values["init_strict"],
    )


def _scales(text: str | None) -> tuple[int, ...]:
    """Return the scales in `--scales`. Raises TrainingError for other text."""
    try:
        return tuple(int(part) for part in text.split(",")) if text else ()
    except ValueError as error:
        raise TrainingError(f"--scales: expected whole numbers such as 2,3,4, got {text!r}") from error


def _job_with(values: TrainValues) -> partial[Job]:
    """Return `Job` with the options that single trainings and sweeps share."""
    speed = PerfOptions(
        accumulate=values["accumulate"],
        channels_last=values["layout"] == "channels-last",
        compiled=values["compile"],
        graphs=values["graphs"],
    )
    return partial(
        Job,
        form=values["form"],
        data_root=values["data_root"],
        device=values["device"],
        speed=speed,
        checkpoint_every=values["checkpoint_every"],
        print_every=values["log_every"],
        track=values["track"],
        snapshots=tuple(values["snapshot"] or ()),
    )


def run_command(values: TrainValues) -> str:
    """Train as the options say; return the outcome in a few lines, or for a sweep as a table.

    Of several processes only the first has something to say; the others return an empty text.
    """
    if values["recipe_help"]:
        return recipe_help()
    if values["unpack"]:
        folders = unpack(values["unpack"], values["output"])
        return f"{counted(len(folders), 'training')} unpacked to {values['output']}"
    if values["sweep"]:
        jobs = read_sweep(values["sweep"], values["output"], _job_with(values))
        outcomes = _carried_out(jobs, values)
        if leads():
            return sweep_report(outcomes)
        require_all(outcomes)
        return ""
    job = job_of(values)
    record = _trained(job, values)
    if not leads():
        return ""
    images = counted(len(record["held_out"]), "held-out image")
    held_out = f"{record['psnr']:.3f} dB on {images}" if record["held_out"] else "-"
    scales = times(record.get("scales") or [record["scale"]])
    begun = record["history"][0] if record["history"] else {}
    before = f"before the first step: {begun['psnr']:.3f} dB\n" if begun.get("step") == 0 else ""
    return (
        f"{record['network']} {scales}, recipe {record['recipe']['name']} (sha256 "
        f"{record['recipe_sha256'][:12]}…), seed {record['seed']}: {record['steps']} steps on "
        f"{counted(record['train_set']['images'], 'image')} in {record['seconds'] / 60:.1f} min\n"
        f"PSNR under {record['protocol']}: {held_out}\n{before}"
        + (f"{describe(record['init'])}\n" if "init" in record else "")
        + f"score it: {evaluation_command(job)}"
        + (f"\nwarning: {loss_spike_warning(record['loss_spike'])}" if "loss_spike" in record else "")
    )


def evaluation_command(job: Job) -> str:
    """Return the command that scores the weights of a finished training."""
    spec = f"{job.network if is_own(job.network) else f'zoo:{find_variant(job.network).name}'}@{job.output / WEIGHTS}"
    arguments = describe_factory_args(dict(job.factory_args))
    words = ["srbench", "evaluate", "--model", spec, *(word for text in arguments for word in ("--factory-arg", text))]
    return f"{shlex.join(words)} --scale {job.scale}"


def _carried_out(jobs: Sequence[Job], values: TrainValues) -> list[Outcome]:
    """Run a sweep, within the time limit if there is one; pack each training as soon as it is finished."""
    packer = _packer(values)
    if packer:
        packer.require_space(jobs)

    def packed(outcome: Outcome) -> None:
        if packer and outcome.record is not None:
            packer.add(outcome.job.output, outcome.job.output.name)

    if values["time_limit"] is None:
        return run_jobs(jobs, workers=values["jobs"], on_outcome=packed)
    limit = seconds_of(values["time_limit"])
    return run_within(jobs, limit, home=values["output"], workers=values["jobs"], on_outcome=packed)


def _trained(job: Job, values: TrainValues) -> TrainingDocument:
    """Run a single training, within the time limit if there is one; pack it if requested; return its record."""
    packer = _packer(values)
    if packer:
        packer.require_space([job])
    if values["time_limit"] is None:
        record = train(job)
    else:
        (outcome,) = run_within([job], seconds_of(values["time_limit"]), home=job.output)
        if outcome.record is None:
            raise TrainingError(outcome.problem)
        record = outcome.record
    if packer and leads():
        packer.add(job.output, ".")
    return record


def _packer(values: TrainValues) -> Packer | None:
    if values["pack"] is None:
        return None
    total = values["pack_total"]
    size = parse_size(values["pack_size"], "--pack-size")
    return Packer(values["pack"], size, parse_size(total, "--pack-total") if total else None)
