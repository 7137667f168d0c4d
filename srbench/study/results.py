"""Collect the results of a study from its stored runs: nothing is trained, and equal runs give equal results."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import asdict, replace
from pathlib import Path
from statistics import fmean

import numpy as np

from srbench.errors import StudyError
from srbench.journal import differing
from srbench.records.record_model import PlainRecord, validate
from srbench.records.study import STUDY_VERSION, ArmGroup, Endpoint, StudyPlan, StudyResults
from srbench.records.training import TrainingRecord, TrainSetFacts
from srbench.scores import RECORD_NAME, Run, mean, read_run
from srbench.statistics import SeedDifference, holm, seed_difference
from srbench.study.rates import Frozen, shared_rate
from srbench.study.running import (
    CLAIM,
    DIVERGED,
    PlannedTraining,
    at_rate,
    has_diverged,
    planned_trainings,
    read_document,
    read_frozen,
    require_facts,
    score_folder,
    training_facts,
    tuned,
)
from srbench.study.study_plan import study_from
from srbench.training.recipe import Recipe, recipe_from
from srbench.training.records import RECORD

Runs = dict[tuple[str, int, int], Run]
"""The scored runs by arm, seed and percentage of the steps."""

ScoredTrainings = dict[tuple[PlannedTraining, int], Run]
"""The scored runs of all planned trainings by percentage of the steps."""

ArmMeans = dict[str, dict[str, dict[str, list[float | None]]]]
"""Arm, endpoint, percentage of the steps: one mean over images per seed, in dB; None where the training diverged."""


def read_results(path: Path) -> StudyResults:
    """Return the results in a `results.json`. Raises StudyError where the file is missing or damaged."""
    return validate(StudyResults, read_document(path), path.name, error=StudyError)


def collect(output: Path, plan: StudyPlan | None = None, *, finished: bool = False) -> StudyResults:
    """Return the results of a study from its stored runs, for its report and for the leaderboard's page.

    Args:
        finished: report the seeds that all arms of a group have finished, and leave out the others, which
            may be under way.

    Raises StudyError for runs that are missing, of another plan, trained or scored differently, or without some images.
    """
    study, recipe = _claimed(output)
    if plan is not None and plan.sha256 != study.sha256:
        raise StudyError(f"{output} holds the runs of a different plan than the given one; name the folder of this one")
    frozen = read_frozen(study, output)
    planned, missing = study, _unfinished(study, frozen, output)
    if missing and not finished:
        raise StudyError(
            f"{output}: expected every training of the plan, finished and scored, got {len(missing)} of "
            f"{len(planned_trainings(study, frozen))} unfinished (first {missing[0].folder(output)}); go on with "
            "srbench study run, or report the seeds that all arms have finished: srbench study report --finished-seeds"
        )
    study = _with_finished_seeds(study, missing, output)
    records = dict(_trainings(study, recipe, frozen, output))
    trained = [record for record in records.values() if record]
    if not trained:
        raise StudyError(f"{output}: expected a training whose loss stayed finite, got none; plan lower learning rates")
    scored = {
        (one, percent): read_run(score_folder(one.folder(output), percent))
        for one, record in records.items()
        if record
        for percent in study.percentages
    }
    _require_alike(trained, scored)
    document = {
        "schema_version": STUDY_VERSION,
        "study": planned.document(),
        "sha256": planned.sha256,
        "recipe": {
            "name": recipe.name,
            "summary": recipe.summary,
            "sha256": recipe.sha256,
            "steps": recipe.steps,
            "patches": recipe.steps * recipe.batch,
        },
        "train_set": _named(trained[0].train_set),
        "learning_rates": {arm: rate.plain() for arm, rate in frozen.items()},
        "hours": round(sum(record.seconds for record in trained) / 3600, 2),
        "devices": sorted({str(record.environment.device) for record in trained}),
        "groups": list(_groups(study, frozen, scored, {one for one, record in records.items() if _spiked(record)})),
        **({"gains": gains} if (gains := _gains(study, records)) else {}),
    }
    return validate(StudyResults, document, f"results of {output}", error=StudyError)


def _with_finished_seeds(study: StudyPlan, missing: Iterable[PlannedTraining], output: Path) -> StudyPlan:
    """Return the plan with the seeds of each group that all its arms have finished. Raises StudyError for under two."""
    lost = {(one.arm, one.seed) for one in missing}
    groups = [
        (group, tuple(seed for seed in group.seeds if not lost & {(arm, seed) for arm in group.arms}))
        for group in study.groups
    ]
    if few := [f"{group.name} has {len(seeds)}" for group, seeds in groups if len(seeds) < 2]:
        raise StudyError(
            f"{output}: expected at least two seeds that all arms have finished, got fewer ({', '.join(few)}); "
            "go on with srbench study run"
        )
    left = tuple(group.model_copy(update={"seeds": seeds}) for group, seeds in groups)
    return study.model_copy(update={"groups": left})


def _unfinished(study: StudyPlan, frozen: Frozen, output: Path) -> list[PlannedTraining]:
    return [
        one
        for one in planned_trainings(study, frozen)
        if not (one.folder(output) / DIVERGED).exists()
        and not all((score_folder(one.folder(output), percent) / RECORD_NAME).exists() for percent in study.percentages)
    ]


def _named(train_set: TrainSetFacts) -> PlainRecord:
    """Return the training set without the folder that it was read from; its fingerprint identifies its images."""
    return {**train_set.plain(), "name": Path(train_set.name.removeprefix("folder:")).name}


def _spiked(record: TrainingRecord | None) -> bool:
    return record is not None and record.loss_spike is not None


def _groups(
    study: StudyPlan, frozen: Frozen, scored: ScoredTrainings, spiked: Set[PlannedTraining]
) -> Iterator[dict[str, object]]:
    """Yield each group with its arms at their own rates, then, if planned, each with its arms at the shared rate.

    `spiked` are the trainings whose loss had a spike.
    """
    own = {(one.arm, one.seed, percent): run for (one, percent), run in scored.items() if not one.shared}
    yield from (_group(study, group, own, {one for one in spiked if not one.shared}) for group in study.groups)
    if (rate := shared_rate(study, frozen)) is None:
        return
    shared = {one for one, _ in scored if one == at_rate(one.arm, one.seed, rate, frozen)}
    runs = {(one.arm, one.seed, percent): run for (one, percent), run in scored.items() if one in shared}
    for group in study.groups:
        results = _group(study, group, runs, spiked & shared, asks=False)
        yield {**results, "name": f"{group.name} at one rate", "rate": rate}


def _gains(study: StudyPlan, records: Mapping[PlannedTraining, TrainingRecord | None]) -> list[dict[str, object]]:
    """Return the mean of each attention map before and after the trainings at the arms' own rates, over the seeds.

    Only plans with several search seeds report it: the results of earlier ones stay as they were published.
    """
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for one, record in records.items():
        if study.search and not one.shared and record and record.saturation:
            for site, start in record.saturation.start.items():
                found.setdefault((one.arm, site), []).append((start.mean, record.saturation.end[site].mean))
    return [
        {"arm": arm, "site": site, "start": fmean(start for start, _ in means), "end": fmean(end for _, end in means)}
        for (arm, site), means in found.items()
    ]


def _group(
    study: StudyPlan, group: ArmGroup, runs: Runs, spiked: Set[PlannedTraining], *, asks: bool = True
) -> dict[str, object]:
    """Return the results of a group; `asks` says whether the study's question may be one of its contrasts."""
    endpoints = [endpoint for endpoint in study.endpoints if _measured(endpoint, group, runs)]
    means: ArmMeans = {
        arm: {
            endpoint.name: {
                str(percent): [_mean(runs.get((arm, seed, percent)), study, endpoint) for seed in group.seeds]
                for percent in study.percentages
                if endpoint.is_measured_at(percent)
            }
            for endpoint in endpoints
        }
        for arm in group.arms
    }
    diverged = _by_arm(group, lambda arm, seed: (arm, seed, 100) not in runs)
    places = {(one.arm, one.seed) for one in spiked}
    with_spike = _by_arm(group, lambda arm, seed: (arm, seed) in places)
    differences = _corrected(study, list(_differences(study, group, endpoints, means, diverged, asks=asks)))
    unmeasured = [
        {key: value for key, value in one.items() if key != "by_percentage"}
        for one in differences
        if not one["by_percentage"]
    ]
    return {
        "name": group.name,
        "arms": list(group.arms),
        "seeds": list(group.seeds),
        "endpoints": [{"name": endpoint.name, "role": endpoint.role} for endpoint in endpoints],
        **({"diverged": diverged} if diverged else {}),
        **({"spiked": with_spike} if with_spike else {}),
        "means": means,
        "differences": [one for one in differences if one["by_percentage"]],
        **({"unmeasured": unmeasured} if unmeasured else {}),
    }


def _by_arm(group: ArmGroup, chosen: Callable[[str, int], bool]) -> dict[str, list[int]]:
    """Return the chosen seeds of each arm that has any."""
    seeds = {arm: [seed for seed in group.seeds if chosen(arm, seed)] for arm in group.arms}
    return {arm: found for arm, found in seeds.items() if found}


def _corrected(study: StudyPlan, differences: list[dict[str, object]]) -> list[dict[str, object]]:
    """Add `p_holm` to a group's contrasts except the study's question, if the plan asks for it; each endpoint is one
    family.
    """
    if study.correction is None:
        return differences
    families: dict[object, list[tuple[dict[str, object], float]]] = {}
    asked = study.groups[0].contrasts[0]
    for one in differences:
        found = one["by_percentage"]
        if isinstance(found, dict) and found and (one["a"], one["b"]) != asked:
            families.setdefault(one["endpoint"], []).append((one, found["100"]["p_value"]))
    for family in families.values():
        for (one, _), p_value in zip(family, holm([p for _, p in family]), strict=True):
            one["p_holm"] = p_value
    return differences


def _differences(
    study: StudyPlan,
    group: ArmGroup,
    endpoints: list[Endpoint],
    means: ArmMeans,
    diverged: dict[str, list[int]],
    *,
    asks: bool,
) -> Iterator[dict[str, object]]:
    """Yield every contrast on every endpoint; `by_percentage` is empty if fewer than two seeds are left to compare."""
    question = (study.groups[0], study.groups[0].contrasts[0], study.endpoints[0])
    for a, b in group.contrasts:
        lost = {arm: diverged[arm] for arm in (a, b) if arm in diverged}
        for endpoint in endpoints:
            found = {
                percent: _difference(
                    means[a][endpoint.name][percent], means[b][endpoint.name][percent], margin=study.margin_db
                )
                for percent in means[a][endpoint.name]
            }
            yield {
                "a": a,
                "b": b,
                "endpoint": endpoint.name,
                "role": endpoint.role,
                "is_the_question": asks and (group, (a, b), endpoint) == question,
                **({"diverged": lost} if lost else {}),
                "by_percentage": {percent: asdict(difference) for percent, difference in found.items() if difference},
            }


def _difference(a: list[float | None], b: list[float | None], *, margin: float) -> SeedDifference | None:
    """Return A minus B over the seeds that both have; None for fewer than two seeds.

    If a seed is missing, the outcome is undecided: the trainings that stayed finite are a selection, not a random
    sample.
    """
    pairs = np.array([pair for pair in zip(a, b, strict=True) if None not in pair], dtype=np.float64)
    if len(pairs) == len(a):
        return seed_difference(pairs[:, 0], pairs[:, 1], margin=margin)
    if len(pairs) < 2:
        return None
    return replace(seed_difference(pairs[:, 0], pairs[:, 1], margin=margin), outcome="undecided")


def _claimed(output: Path) -> tuple[StudyPlan, Recipe]:
    """Return the plan and the recipe of the study in a folder."""
    claimed = read_document(output / CLAIM)
    study, recipe = claimed.get("study"), claimed.get("recipe")
    if not isinstance(study, dict) or not isinstance(recipe, dict):
        raise StudyError(
            f"{output / CLAIM}: expected a study and its recipe, got {', '.join(claimed) or 'nothing'}; "
            "carry the study out with srbench study run"
        )
    return study_from(study), recipe_from(recipe)


def _trainings(
    study: StudyPlan, recipe: Recipe, frozen: Frozen, output: Path
) -> Iterator[tuple[PlannedTraining, TrainingRecord | None]]:
    """Return the record of each training, checked against the plan; None for one that diverged."""
    for one in planned_trainings(study, frozen):
        folder = one.folder(output)
        wanted = training_facts(one.arm, study.scale, one.seed, tuned(recipe, one.rate))
        if has_diverged(folder, wanted):
            yield one, None
            continue
        record = read_document(folder / RECORD)
        require_facts(folder, record, {**wanted, "steps": recipe.steps})
        yield one, validate(TrainingRecord, record, str(folder / RECORD), error=StudyError)


def _require_alike(trained: list[TrainingRecord], scored: ScoredTrainings) -> None:
    """Require equal training images, and scores on equal pixels under one version of the protocol.

    Before the last step, a run may lack the sets of `final` endpoints.
    """
    first_set = trained[0].train_set.plain()
    for record in trained:
        _require_same(first_set, record.train_set.plain(), f"the training images of {record.network}")
    first = next(_inputs(run) for (_, percent), run in scored.items() if percent == 100)
    for (one, percent), run in scored.items():
        found = _inputs(run)
        wanted = first if percent == 100 else {name: value for name, value in first.items() if name in found}
        _require_same(wanted, found, f"what scored {one.arm}, seed {one.seed}, at {percent} %")


def _inputs(run: Run) -> dict[str, object]:
    found: dict[str, object] = {f"HR of {name}": facts["fingerprint"] for name, facts in run.record["datasets"].items()}
    found |= {
        f"LR of {name}": tuple(rows.sort_values("image")["lr_sha256"]) for name, rows in run.scores.groupby("dataset")
    }
    found |= {f"version of {name}": facts["version"] for name, facts in run.record["protocols"].items()}
    return found | {"precision": run.record["precision"], "optimisation": run.record["optimise"]}


def _require_same(wanted: Mapping[str, object], found: Mapping[str, object], what: str) -> None:
    if names := differing(wanted, found):
        raise StudyError(f"{what}: {', '.join(names)} differ from the study's first run; repeat it on equal data")


def _measured(endpoint: Endpoint, group: ArmGroup, runs: Runs) -> bool:
    """Return whether an endpoint has scores; a `needed` endpoint counts as having them."""
    places = {(arm, seed, 100) for arm in group.arms for seed in group.seeds}
    run = next((run for place, run in runs.items() if place in places), None)
    if endpoint.needed or run is None:
        return endpoint.needed
    rows = run.scores[run.scores["dataset"] == endpoint.dataset]
    return bool(len(rows) and rows[endpoint.metric].notna().all())


def _mean(run: Run | None, study: StudyPlan, endpoint: Endpoint) -> float | None:
    if run is None:
        return None
    expected = run.record["datasets"].get(endpoint.dataset, {}).get("n_expected")
    chosen = (run.scores["dataset"] == endpoint.dataset) & (run.scores["protocol"] == study.protocol)
    values = run.scores.loc[chosen, endpoint.metric]
    found = mean(values) if len(values) == expected else None
    if found is None:
        raise StudyError(
            f"{run.path}: expected {endpoint.name} of every image of {endpoint.dataset}, got "
            f"{values.notna().sum()} of {expected}; evaluate the complete set"
        )
    return found
