"""Carry out many trainings (networks × scales × seeds), in turn or several at once, without repeating finished ones."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import torch
from tqdm import tqdm

from srbench.errors import DivergedError, SrbenchError, TrainingError, UnknownNameError
from srbench.records.training_documents import TrainingDocument
from srbench.tables import text_table
from srbench.training.job import Job
from srbench.training.loss_spikes import loss_spike_warning
from srbench.training.own_networks import folder_name, is_own, recorded_name
from srbench.training.processes import started_together
from srbench.training.recipe import load_recipe
from srbench.training.trainer import train
from srbench.training.training_data import open_training_data
from srbench.upscalers.factory_args import parse_factory_args
from srbench.workers import end_with_parent
from srbench.zoo.networks import find_variant

_KEYS = {"networks": str, "scales": int, "seeds": int, "recipe": str, "train_set": str, "set": str, "factory_arg": str}
_MAY_BE_EMPTY = ("set", "factory_arg")
_DEFAULTS: Mapping[str, Any] = {"seeds": [0], "set": [], "factory_arg": []}


@dataclass(frozen=True)
class Outcome:
    """The outcome of one training of a sweep: its record, or the problem; `diverged` if its loss became infinite."""

    job: Job
    record: TrainingDocument | None
    problem: str = ""
    diverged: bool = False


def read_sweep(path: Path, output: Path, template: Callable[..., Job] = Job) -> list[Job]:
    """Return the trainings that a TOML file asks for, each with its own folder in `output`.

    Keys: `networks`, `scales`, `seeds` (lists; one seed, 0, by default), `recipe`, `train_set`, `set` (a list of
    KEY=VALUE changes to the recipe), and `factory_arg` (a list of KEY=VALUE for networks of own code). Networks vary
    fastest and seeds slowest, so that arms that are compared are finished together. Raises TrainingError or
    UnknownNameError for an unknown key, network or recipe, or a wrong value.
    """
    try:
        content = {**_DEFAULTS, **tomllib.loads(path.read_text(encoding="utf-8"))}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise TrainingError(f"{path}: expected a sweep in TOML, got none ({error}); check the path") from error
    if strange := [key for key in content if key not in _KEYS]:
        raise UnknownNameError("sweep key", strange[0], _KEYS)
    values = {key: _checked(key, content.get(key), path) for key in _KEYS if key in content or key not in _DEFAULTS}
    for network in values["networks"]:
        if is_own(network):
            continue
        scales = find_variant(network).network.scales
        if wrong := [scale for scale in values["scales"] if scale not in scales]:
            raise TrainingError(f"{path}: expected scales of {network}, which has {scales}, got {wrong}")
    recipe, images = load_recipe(values["recipe"]).changed(values["set"]), values["train_set"]
    networks = [network if is_own(network) else find_variant(network).name for network in values["networks"]]
    arguments = parse_factory_args(values["factory_arg"])
    return [
        template(
            network=network,
            scale=scale,
            recipe=recipe,
            train_set=images,
            seed=seed,
            output=output / f"{folder_name(network)}-x{scale}-seed{seed}",
            factory_args=arguments if is_own(network) else (),
        )
        for seed in values["seeds"]
        for scale in values["scales"]
        for network in networks
    ]


def run_jobs(
    jobs: Sequence[Job], *, workers: int = 1, on_outcome: Callable[[Outcome], None] | None = None
) -> list[Outcome]:
    """Carry out trainings in order, `workers` at a time; several workers use separate processes.

    A training that fails, or whose process dies, does not stop the others. Finished trainings in their folders are not
    repeated, unfinished ones are continued. On the CPU the workers share its cores. `on_outcome` is called with each
    outcome as soon as it is known.

    Raises:
        TrainingError: two trainings of one folder, fewer than one worker, or several where torchrun has started
            several processes.
        DatasetError: training images that cannot be read; nothing is trained then.
    """
    if workers < 1:
        raise TrainingError(f"--jobs: expected at least 1, got {workers}")
    if workers > 1 and (together := started_together()) > 1:
        raise TrainingError(
            f"--jobs: expected 1 under torchrun, whose {together} processes share each training, got "
            f"{workers}; leave out one of the two"
        )
    if not jobs:
        return []
    if len({job.output for job in jobs}) != len(jobs):
        raise TrainingError("expected a folder of its own for each training, got one twice; name each network once")
    _pack(jobs)
    found: dict[int, Outcome] = {}
    one_by_one = ((number, _attempt(job)) for number, job in enumerate(jobs))
    for number, outcome in one_by_one if workers == 1 else _in_processes(jobs, min(workers, len(jobs))):
        found[number] = outcome
        if on_outcome:
            on_outcome(outcome)
    return [found[number] for number in range(len(jobs))]


def require_all(outcomes: Iterable[Outcome]) -> list[TrainingDocument]:
    """Return the records of finished trainings. Raises TrainingError that names the failed ones."""
    outcomes = list(outcomes)
    if failed := [outcome for outcome in outcomes if outcome.record is None]:
        problems = "; ".join(f"{outcome.job.output.name}: {outcome.problem}" for outcome in failed[:3])
        raise TrainingError(
            f"{len(failed)} of {len(outcomes)} trainings failed ({problems}); what is finished is kept: "
            "see to the cause and repeat the command"
        )
    return [outcome.record for outcome in outcomes if outcome.record is not None]


def sweep_report(outcomes: Iterable[Outcome]) -> str:
    """Return the table of a sweep, one line per training, and a warning for each loss that spiked.

    Raises TrainingError with the table in its message if a training failed.
    """
    outcomes = list(outcomes)
    warnings = (
        f"warning: {outcome.job.output.name}: {loss_spike_warning(outcome.record['loss_spike'])}"
        for outcome in outcomes
        if outcome.record and "loss_spike" in outcome.record
    )
    table = "\n".join([text_table(_HEAD, map(_row, outcomes)), *warnings])
    if failed := [outcome for outcome in outcomes if outcome.record is None]:
        problems = "\n".join(f"{outcome.job.output.name}: {outcome.problem}" for outcome in failed)
        raise TrainingError(
            f"{len(failed)} of {len(outcomes)} trainings failed\n{table}\n{problems}\nsee to the cause and "
            "repeat the command: what is finished is kept"
        )
    return table


_HEAD = ["network", "scale", "seed", "steps", "held-out PSNR", "minutes", "folder"]


def _row(outcome: Outcome) -> list[str]:
    job, record = outcome.job, outcome.record
    cells = [recorded_name(job.network), f"×{job.scale}", str(job.seed)]
    if record is None:
        return [*cells, "-", "failed", "-", job.output.name]
    psnr = "-" if record["psnr"] is None else f"{record['psnr']:.3f} dB"
    return [*cells, str(record["steps"]), psnr, f"{record['seconds'] / 60:.1f}", job.output.name]


def _checked(key: str, value: Any, path: Path) -> Any:
    listed = key in ("networks", "scales", "seeds", *_MAY_BE_EMPTY)
    items = value if listed else [value]
    whole = isinstance(items, list) and (items or key in _MAY_BE_EMPTY)
    if not whole or any(type(item) is not _KEYS[key] for item in items):
        wanted = f"a list of {_KEYS[key].__name__}" if listed else "a name"
        raise TrainingError(f"{path}: expected {wanted} for {key}, got {value!r}")
    return value


def _pack(jobs: Sequence[Job]) -> None:
    """Pack the training images once, before several processes start."""
    kinds = {(job.train_set, job.recipe.sha256, job.scale): job for job in jobs}
    for job in kinds.values():
        open_training_data(job.train_set, job.recipe, scale=job.scale, root=job.data_root)


def _attempt(job: Job) -> Outcome:
    try:
        return Outcome(job, train(job))
    except SrbenchError as error:
        return Outcome(job, None, str(error), diverged=isinstance(error, DivergedError))


def _in_processes(jobs: Sequence[Job], workers: int) -> Iterator[tuple[int, Outcome]]:
    # Each worker is a separate pool, so that a process that dies breaks only its pool, and its training is known.
    idle: SimpleQueue[ProcessPoolExecutor] = SimpleQueue()
    for _ in range(workers):
        idle.put(_worker(workers))
    with ThreadPoolExecutor(workers) as threads, tqdm(total=len(jobs), unit="training", disable=None) as bar:
        futures = {threads.submit(_elsewhere, job, idle, workers): number for number, job in enumerate(jobs)}
        try:
            for future in as_completed(futures):
                bar.update()
                yield futures[future], future.result()
        finally:
            threads.shutdown(cancel_futures=True)
            while not idle.empty():
                idle.get().shutdown()


def _elsewhere(job: Job, idle: SimpleQueue[ProcessPoolExecutor], workers: int) -> Outcome:
    """Run a training in the worker process, and return its outcome."""
    pool, quiet = idle.get(), replace(job, progress=False)
    try:
        try:
            made = pool.submit(_attempt, quiet)
        except BrokenProcessPool:  # the process died between two trainings, so no training caused it
            pool = _worker(workers)
            made = pool.submit(_attempt, quiet)
        return replace(made.result(), job=job)
    except BrokenProcessPool:
        pool = _worker(workers)
        return Outcome(job, None, "its process died (killed, or out of memory)")
    finally:
        idle.put(pool)


def _worker(workers: int) -> ProcessPoolExecutor:
    """A process that runs one training at a time on its share of the cores; it starts with the first training."""
    # A fork would inherit a CUDA context that no longer works.
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_begin, initargs=(workers,))


def _begin(workers: int) -> None:
    end_with_parent()
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // workers))
