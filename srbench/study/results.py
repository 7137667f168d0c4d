"""Collect the results of a study from its stored runs: nothing is trained, and equal runs give equal results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from srbench.errors import StudyError
from srbench.journal import differing
from srbench.records.record_model import PlainRecord, validate
from srbench.records.study import STUDY_VERSION, ArmGroup, Endpoint, StudyPlan, StudyResults
from srbench.records.training import TrainingRecord, TrainSetFacts
from srbench.scores import Run, mean, read_run
from srbench.statistics import SeedDifference, seed_difference
from srbench.study.running import (
    CLAIM,
    Frozen,
    has_diverged,
    read_document,
    read_frozen,
    require_facts,
    run_folder,
    score_folder,
    training_facts,
    trainings,
    tuned,
)
from srbench.study.study_plan import study_from
from srbench.training.recipe import Recipe, recipe_from
from srbench.training.records import RECORD

Runs = dict[tuple[str, int, int], Run]
"""The scored runs by arm, seed and percentage of the steps."""

Means = dict[str, dict[str, dict[str, list[float | None]]]]
"""Arm, endpoint, percentage of the steps: one mean over images per seed, in dB; None where the training diverged."""


def read_results(path: Path) -> StudyResults:
    """Return the results in a `results.json`. Raises StudyError where the file is missing or damaged."""
    return validate(StudyResults, read_document(path), path.name, error=StudyError)


def collect(output: Path, plan: StudyPlan | None = None) -> StudyResults:
    """Return the results of a study from its stored runs, for its report and for the leaderboard's page.

    Raises StudyError for runs that are missing, of another plan, trained or scored differently, or without some images.
    """
    study, recipe = _claimed(output)
    if plan is not None and plan.sha256 != study.sha256:
        raise StudyError(f"{output} holds the runs of another plan than the one given; name the folder of this one")
    frozen = read_frozen(study, output)
    records = dict(_trainings(study, recipe, frozen, output))
    trained = [record for record in records.values() if record]
    if not trained:
        raise StudyError(f"{output}: expected a training whose loss stayed finite, got none; plan lower learning rates")
    runs = {
        (arm, seed, percent): read_run(score_folder(run_folder(output, arm, seed), percent))
        for (arm, seed), record in records.items()
        if record
        for percent in study.percentages
    }
    _require_alike(trained, runs)
    document = {
        "schema_version": STUDY_VERSION,
        "study": study.document(),
        "sha256": study.sha256,
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
        "groups": [_group(study, group, runs) for group in study.groups],
    }
    return validate(StudyResults, document, f"results of {output}", error=StudyError)


def _named(train_set: TrainSetFacts) -> PlainRecord:
    """Return the training set without the folder that it was read from; its fingerprint identifies its images."""
    return {**train_set.plain(), "name": Path(train_set.name.removeprefix("folder:")).name}


def _group(study: StudyPlan, group: ArmGroup, runs: Runs) -> dict[str, object]:
    endpoints = [endpoint for endpoint in study.endpoints if _measured(endpoint, group, runs)]
    means: Means = {
        arm: {
            endpoint.name: {
                str(percent): [_mean(runs.get((arm, seed, percent)), study, endpoint) for seed in group.seeds]
                for percent in study.percentages
            }
            for endpoint in endpoints
        }
        for arm in group.arms
    }
    lost = {arm: [seed for seed in group.seeds if (arm, seed, 100) not in runs] for arm in group.arms}
    diverged = {arm: seeds for arm, seeds in lost.items() if seeds}
    differences = list(_differences(study, group, endpoints, means, diverged))
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
        "means": means,
        "differences": [one for one in differences if one["by_percentage"]],
        **({"unmeasured": unmeasured} if unmeasured else {}),
    }


def _differences(
    study: StudyPlan, group: ArmGroup, endpoints: list[Endpoint], means: Means, diverged: dict[str, list[int]]
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
                "is_the_question": (group, (a, b), endpoint) == question,
                **({"diverged": lost} if lost else {}),
                "by_percentage": {percent: asdict(difference) for percent, difference in found.items() if difference},
            }


def _difference(a: list[float | None], b: list[float | None], *, margin: float) -> SeedDifference | None:
    """Return A minus B over the seeds that both have; None for fewer than two seeds.

    Where one is lacking nothing is decided: those that stayed finite are a selection, not a sample.
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
) -> Iterator[tuple[tuple[str, int], TrainingRecord | None]]:
    """Return by arm and seed the record of each training, checked against the plan; None for one that diverged."""
    for arm, seed in trainings(study):
        folder = run_folder(output, arm, seed)
        wanted = training_facts(arm, study.scale, seed, tuned(recipe, frozen[arm].chosen))
        if has_diverged(folder, wanted):
            yield (arm, seed), None
            continue
        record = read_document(folder / RECORD)
        require_facts(folder, record, {**wanted, "steps": recipe.steps})
        yield (arm, seed), validate(TrainingRecord, record, str(folder / RECORD), error=StudyError)


def _require_alike(trained: list[TrainingRecord], runs: Runs) -> None:
    """Require equal training images, and scores on equal pixels under one version of the protocol."""
    first_set = trained[0].train_set.plain()
    for record in trained:
        _require_same(first_set, record.train_set.plain(), f"the training images of {record.network}")
    first, *others = runs.items()
    for (arm, seed, percent), run in others:
        _require_same(_inputs(first[1]), _inputs(run), f"what scored {arm}, seed {seed}, at {percent} %")


def _inputs(run: Run) -> dict[str, object]:
    told: dict[str, object] = {f"HR of {name}": facts["fingerprint"] for name, facts in run.record["datasets"].items()}
    told |= {
        f"LR of {name}": tuple(rows.sort_values("image")["lr_sha256"]) for name, rows in run.scores.groupby("dataset")
    }
    told |= {f"version of {name}": facts["version"] for name, facts in run.record["protocols"].items()}
    return told | {"precision": run.record["precision"], "optimisation": run.record["optimise"]}


def _require_same(wanted: Mapping[str, object], told: Mapping[str, object], what: str) -> None:
    if names := differing(wanted, told):
        raise StudyError(f"{what}: {', '.join(names)} differ from the study's first run; repeat it on equal data")


def _measured(endpoint: Endpoint, group: ArmGroup, runs: Runs) -> bool:
    """Return whether an endpoint has scores; a `needed` endpoint counts as having them."""
    run = next((run for (arm, seed, _), run in runs.items() if arm in group.arms and seed in group.seeds), None)
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
