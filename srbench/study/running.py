"""Run a study: find and freeze each arm's learning rate, then train and score every arm with every seed.

The folder of a study: `study.json` (the plan it belongs to), `search/ARM/lr-RATE/` (with `seed-N/` for several search
seeds), `frozen.json`, and `runs/ARM/seed-N/` with a training and its scores in `scores-PERCENT/`; a scored training no
longer needs its weights. `shared/ARM/seed-N/` has the trainings at the rate that all arms share, if it is planned. A
training whose loss did not stay finite has `diverged.json`, which is an outcome, too. Repeating the command resumes an
interrupted study.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from srbench.datasets.imageset import ImageSet, available_datasets, open_dataset
from srbench.errors import StudyError
from srbench.evaluation import Plan
from srbench.files import sha256_of, write_atomic
from srbench.journal import differing
from srbench.protocols import get_protocol
from srbench.records.record_model import PlainRecord, validate
from srbench.records.study import ChosenRate, StudyPlan
from srbench.runs import execute
from srbench.scores import RECORD_NAME, read_run
from srbench.study.rates import Frozen, freeze, shared_rate
from srbench.training.job import Job
from srbench.training.optimization import PerfOptions
from srbench.training.own_networks import folder_name, is_own, recorded_name
from srbench.training.processes import started_together
from srbench.training.recipe import Recipe, load_recipe
from srbench.training.records import RECORD, WEIGHTS, snapshot_name
from srbench.training.training_data import open_training_data
from srbench.training.training_sweep import Outcome, require_all, run_jobs
from srbench.upscalers.base import Options
from srbench.upscalers.factory_args import sorted_args
from srbench.upscalers.loading import module_of, open_upscaler
from srbench.zoo.networks import TRAINED_FORM

CLAIM, FROZEN, DIVERGED = "study.json", "frozen.json", "diverged.json"
"""The plan that a folder belongs to, the learning rates that its search has found, and, in a training's folder, that
its loss did not stay finite."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Where and how a study is computed; the plan does not depend on it.

    `workers` trainings run at once; `data_root` holds training and benchmark sets; `checkpoint_every` as in `Job`.
    Without `scores`, trainings are scored later, and no benchmark sets are needed.
    """

    data_root: Path | None = None
    device: str = "auto"
    workers: int = 1
    speed: PerfOptions = field(default_factory=PerfOptions)
    checkpoint_every: int | None = None
    scores: bool = True


def run_study(study: StudyPlan, output: Path, machine: Machine) -> None:
    """Carry out the missing parts of a study: search and freeze learning rates, train each run, and score it.

    A training whose loss does not stay finite is recorded and not repeated; the other runs are scored.

    Raises:
        StudyError: the folder belongs to another plan or recipe, the recipe is not the plan's, a needed benchmark set
            is missing or incomplete, or torchrun has started several processes; nothing is trained then.
        DatasetError: training images that cannot be read; nothing is trained then.
        TrainingError: trainings that failed; the others are kept.
    """
    if (together := started_together()) > 1:
        raise StudyError(
            f"expected a study in one process, got {together} that torchrun has started; leave torchrun "
            "out: --jobs N carries out N trainings at once"
        )
    recipe = planned_recipe(study)
    sets = _sets(study, machine.data_root) if machine.scores else []
    open_training_data(study.train_set, recipe, scale=study.scale, root=machine.data_root)
    claim(study, recipe, output)
    frozen = _search(study, recipe, output, machine)
    jobs = [
        _job(study, one.arm, one.seed, tuned(recipe, one.rate), one.folder(output), machine)
        for one in planned_trainings(study, frozen)
    ]

    def on_outcome(outcome: Outcome) -> None:
        _note_if_diverged(outcome)
        if machine.scores and outcome.record is not None:
            for percent in study.percentages:
                _score(study, outcome.job, percent, _sets_at(study, percent, sets), machine)

    _trained([job for job in jobs if not _needs_no_weights(study, job, sets)], machine, on_outcome)


def _trained(jobs: list[Job], machine: Machine, on_outcome: Callable[[Outcome], None]) -> dict[Path, float | None]:
    """Return the held-out PSNR of the trainings that stay finite, by folder.

    `on_outcome` is called with each outcome as soon as it is known.
    """
    left = [job for job in jobs if not has_diverged(job.output, _facts(job))]
    outcomes = run_jobs(left, workers=machine.workers, on_outcome=on_outcome)
    finished = [outcome for outcome in outcomes if not outcome.diverged]
    records = require_all(finished)
    return {outcome.job.output: record["psnr"] for outcome, record in zip(finished, records, strict=True)}


def _note_if_diverged(outcome: Outcome) -> None:
    if outcome.diverged:
        note = json.dumps({**_facts(outcome.job), "problem": outcome.problem}, indent=1, ensure_ascii=False)
        write_atomic(outcome.job.output / DIVERGED, note + "\n", error=StudyError)


@dataclass(frozen=True)
class PlannedTraining:
    """One training of a study: `shared` means at the rate that all arms share instead of the arm's own rate."""

    arm: str
    seed: int
    rate: float
    shared: bool = False

    def folder(self, output: Path) -> Path:
        """Return the folder of this training in the folder of the study."""
        return output / ("shared" if self.shared else "runs") / folder_name(self.arm) / f"seed-{self.seed}"


def planned_trainings(study: StudyPlan, frozen: Frozen) -> list[PlannedTraining]:
    """Return every training of the study once: with each seed, the arms at their own rates, then at the shared one.

    Seed follows seed, so that an interrupted study has finished the same seeds of all arms. An arm whose own rate is
    the shared one is trained once.
    """
    rate = shared_rate(study, frozen)
    planned = [
        one
        for group in study.groups
        for seed in group.seeds
        for one in (
            *(PlannedTraining(arm, seed, frozen[arm].chosen) for arm in group.arms),
            *(at_rate(arm, seed, rate, frozen) for arm in group.arms if rate is not None),
        )
    ]
    return list(dict.fromkeys(planned))


def at_rate(arm: str, seed: int, rate: float, frozen: Frozen) -> PlannedTraining:
    """Return the training of an arm at a rate, which is its own or the one that all arms share."""
    return PlannedTraining(arm, seed, rate, shared=frozen[arm].chosen != rate)


def has_diverged(folder: Path, wanted: Mapping[str, object]) -> bool:
    """Return whether a training diverged. Raises StudyError if its folder holds a different training."""
    if not (folder / DIVERGED).exists():
        return False
    require_facts(folder, read_document(folder / DIVERGED), wanted)
    return True


def require_facts(folder: Path, record: Mapping[str, object], wanted: Mapping[str, object]) -> None:
    """Raise StudyError unless a stored training is the one that the plan needs."""
    if wrong := {name: record.get(name) for name, value in wanted.items() if record.get(name) != value}:
        raise StudyError(
            f"{folder}: expected the training that the plan asks for, got one with {wrong}; move it away "
            "and run the study again"
        )


def planned_recipe(study: StudyPlan) -> Recipe:
    """Return the recipe of a plan with the plan's steps. Raises StudyError if the recipe has changed since."""
    recipe = load_recipe(study.recipe)
    if study.recipe_sha256 not in (None, recipe.sha256):
        raise StudyError(
            f"study {study.name}: expected the recipe {study.recipe} of sha256 {study.recipe_sha256}, got "
            f"one of {recipe.sha256}; a plan holds for the recipe it was made for"
        )
    if not recipe.held_out:
        raise StudyError(
            f"recipe {recipe.name}: expected held-out images to choose learning rates on, got none; "
            "name some with held_out in a recipe of your own"
        )
    return recipe if study.steps is None else recipe.changed([f"steps={study.steps}"])


def claim(study: StudyPlan, recipe: Recipe, output: Path) -> None:
    """Write the plan into the folder. Raises StudyError for a folder with the runs of another plan."""
    document = {
        "study": study.document(),
        "sha256": study.sha256,
        "recipe": recipe.document(),
        "recipe_sha256": recipe.sha256,
    }
    path = output / CLAIM
    if not path.exists():
        write_atomic(path, json.dumps(document, indent=1, ensure_ascii=False) + "\n", error=StudyError)
        return
    found = read_document(path)
    for key, now in (("study", study.document()), ("recipe", recipe.document())):
        there = found.get(key)
        if names := differing(there if isinstance(there, dict) else {}, now):
            raise StudyError(
                f"{output} holds the runs of a different {key}: {', '.join(names)} differ; a plan is "
                "fixed before its results: choose another --output for this one"
            )


def read_document(path: Path) -> PlainRecord:
    """Return a JSON object from a study's folder. Raises StudyError where it is missing or damaged."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise StudyError(
            f"{path}: expected a file of a study's folder, got none or a damaged one ({error}); "
            "carry the study out with srbench study run"
        ) from error
    if not isinstance(document, dict):
        raise StudyError(f"{path}: expected a JSON object, got a {type(document).__name__}")
    return document


def tuned(recipe: Recipe, rate: float) -> Recipe:
    """Return the recipe with another learning rate."""
    return recipe.changed([f"learning_rate={rate!r}"])


def score_folder(training: Path, percent: int) -> Path:
    """Return the folder with the scores of a training after a percentage of its steps."""
    return training / f"scores-{percent}"


def _search(study: StudyPlan, recipe: Recipe, output: Path, machine: Machine) -> Frozen:
    path = output / FROZEN
    if path.exists():
        return read_frozen(study, output)
    places = [(arm, rate, seed) for rate in study.learning_rates for arm in study.arms for seed in study.search_seeds]
    searched = _shortened(study, recipe)
    jobs = [
        _job(study, arm, seed, tuned(searched, rate), _search_folder(study, output, arm, rate, seed), machine)
        for arm, rate, seed in places
    ]
    finished = _trained(jobs, machine, _note_if_diverged)
    # A learning rate that is too high for an arm is a result of the search, not an error.
    found: dict[str, dict[float, list[float | None]]] = {arm: {} for arm in study.arms}
    for (arm, rate, _), job in zip(places, jobs, strict=True):
        found[arm].setdefault(rate, []).append(finished.get(job.output))
    frozen = freeze(study, found)
    document = {arm: rate.plain() for arm, rate in frozen.items()}
    write_atomic(path, json.dumps(document, indent=1) + "\n", error=StudyError)
    return frozen


def _shortened(study: StudyPlan, recipe: Recipe) -> Recipe:
    """Return the recipe with the share of its steps that the plan gives to each training of the search."""
    if study.search is None or study.search.percent is None:
        return recipe
    return recipe.changed([f"steps={max(recipe.steps * study.search.percent // 100, 1)}"])


def _search_folder(study: StudyPlan, output: Path, arm: str, rate: float, seed: int) -> Path:
    folder = output / "search" / folder_name(arm) / f"lr-{rate:g}"
    return folder / f"seed-{seed}" if study.search else folder


def read_frozen(study: StudyPlan, output: Path) -> Frozen:
    """Return the learning rates that the search found. Raises StudyError where they are missing or not in the plan."""
    stored, frozen = read_document(output / FROZEN), {}
    for arm in study.arms:
        found = stored.get(arm)
        if not isinstance(found, dict) or found.get("chosen") not in study.learning_rates or "tried" not in found:
            raise StudyError(
                f"{output / FROZEN}: expected a learning rate of the plan for {arm}, got {found!r}; "
                "delete the file, then run the study again: it reads the results of its search again"
            )
        frozen[arm] = validate(ChosenRate, found, f"{output / FROZEN}: {arm}", error=StudyError)
    return frozen


def training_facts(arm: str, scale: int, seed: int, recipe: Recipe) -> dict[str, object]:
    """Return the facts that identify a stored training."""
    return {"network": recorded_name(arm), "scale": scale, "seed": seed, "recipe_sha256": recipe.sha256}


def _facts(job: Job) -> dict[str, object]:
    return training_facts(job.network, job.scale, job.seed, job.recipe)


def _job(study: StudyPlan, arm: str, seed: int, recipe: Recipe, output: Path, machine: Machine) -> Job:
    return Job(
        network=arm,
        factory_args=sorted_args(study.factory_args or {}) if is_own(arm) else (),
        scale=study.scale,
        recipe=recipe,
        train_set=study.train_set,
        output=output,
        form=None if is_own(arm) else study.form or TRAINED_FORM,
        seed=seed,
        data_root=machine.data_root,
        device=machine.device,
        speed=machine.speed,
        checkpoint_every=machine.checkpoint_every,
        snapshots=tuple(percent for percent in study.percentages if percent < 100),
    )


def _needs_no_weights(study: StudyPlan, job: Job, sets: list[ImageSet]) -> bool:
    """Return whether a training has no weights and needs none: it is finished, and scored as planned."""
    if (job.output / WEIGHTS).exists() or not (job.output / RECORD).exists():
        return False
    require_facts(job.output, read_document(job.output / RECORD), _facts(job))
    return all(_is_scored(job.output, percent, study, _sets_at(study, percent, sets)) for percent in study.percentages)


def _sets_at(study: StudyPlan, percent: int, sets: list[ImageSet]) -> list[ImageSet]:
    """Return the sets that the plan measures after a percentage of the steps."""
    measured = {endpoint.dataset for endpoint in study.endpoints if endpoint.is_measured_at(percent)}
    return [images for images in sets if images.name in measured]


def _sets(study: StudyPlan, root: Path | None) -> list[ImageSet]:
    found = available_datasets(root)
    wanted = {endpoint.dataset: endpoint.needed for endpoint in study.endpoints}
    wanted |= {endpoint.dataset: True for endpoint in study.endpoints if endpoint.needed}
    sets = [open_dataset(name, data_root=root) for name, needed in wanted.items() if needed or name in found]
    if partial := [images.name for images in sets if len(images) < images.n_expected]:
        raise StudyError(
            f"expected complete benchmark sets, got {', '.join(partial)} with images missing; complete them"
        )
    return sets


def _score(study: StudyPlan, job: Job, percent: int, sets: list[ImageSet], machine: Machine) -> None:
    if _is_scored(job.output, percent, study, sets):
        return
    network = job.network if is_own(job.network) else f"zoo:{job.network}"
    options = Options(device=machine.device, factory_arg=job.factory_args)
    upscaler = open_upscaler(f"{network}@{_weights(job.output, percent)}", scale=study.scale, options=options)
    # Scoring refuses images far outside [0, 1], because they seem to have another range. A training that broke
    # down gives such images, and its low score is a result.
    module_of(upscaler).register_forward_hook(lambda network, lr, sr: sr.clamp(0, 1))
    execute(Plan(upscaler, sets, [get_protocol(study.protocol)]), score_folder(job.output, percent))


def _weights(folder: Path, percent: int) -> Path:
    return folder / (WEIGHTS if percent == 100 else snapshot_name(percent))


def _is_scored(folder: Path, percent: int, study: StudyPlan, sets: list[ImageSet]) -> bool:
    """Return whether the scores of a training are finished and, if its weights exist, made with them.

    Weights are compared by hash and not by the path in the record, because a study's folder may be moved.
    """
    weights, scores = _weights(folder, percent), score_folder(folder, percent)
    if not (scores / RECORD_NAME).exists():
        return False
    record = read_run(scores).record
    same = not weights.exists() or record["model"]["weights_sha256"] == sha256_of(weights)
    return bool(
        same and study.protocol in record["protocols"] and {images.name for images in sets} <= set(record["datasets"])
    )
