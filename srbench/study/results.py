"""A study's outcome from its stored runs: nothing is trained here, and the same runs give the same document."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from srbench.errors import StudyError
from srbench.scores import Run, mean, read_run
from srbench.statistics import seed_difference
from srbench.study.plan import Endpoint, Group, Study, study_from
from srbench.study.running import CLAIM, FROZEN, Frozen, read_document, run_folder, score_folder, tuned
from srbench.training.folder import RECORD
from srbench.training.recipe import Recipe, recipe_from

SCHEMA_VERSION = 1
"""Version of the layout of a study's results."""

Results = dict[str, Any]
"""`study`, `recipe`, `learning_rates`, `environments`, and per group the `means` by seed and the `differences`."""

Runs = dict[tuple[str, int, int], Run]
"""The scored runs by arm, seed and percentage of the steps."""

Means = dict[str, dict[str, dict[str, list[float]]]]
"""Arm, endpoint, percentage of the steps: one mean over images per seed, in dB."""


def collect(output: Path, plan: Study | None = None) -> Results:
    """Everything that a study's runs say, ready for JSON, for a report and for the leaderboard's page.

    Raises StudyError where runs are missing, belong to another plan, were trained or scored unalike, or lack images.
    """
    claimed = read_document(output / CLAIM)
    study, recipe = study_from(claimed["study"]), recipe_from(claimed["recipe"])
    if plan is not None and plan.sha256 != study.sha256:
        raise StudyError(f"{output} holds the runs of another plan than the one given; name the folder of this one")
    frozen: Frozen = read_document(output / FROZEN)
    runs = {(arm, seed, percent): read_run(score_folder(output, arm, seed, percent))
            for group in study.groups for arm in group.arms for seed in group.seeds for percent in study.percentages}
    trained = [_training(study, recipe, frozen, output, arm, seed)
               for group in study.groups for seed in group.seeds for arm in group.arms]  # fmt: skip
    _require_alike(trained, runs)
    return {
        "schema_version": SCHEMA_VERSION,
        "study": study.document(), "sha256": study.sha256,
        "recipe": {"name": recipe.name, "summary": recipe.summary, "sha256": recipe.sha256, "steps": recipe.steps,
                   "patches": recipe.steps * recipe.batch},
        "train_set": _named(trained[0]["train_set"]),
        "learning_rates": frozen,
        "hours": round(sum(record["seconds"] for record in trained) / 3600, 2),
        "devices": sorted({record["environment"]["device"] for record in trained}),
        "groups": [_group(study, group, runs) for group in study.groups],
    }  # fmt: skip


def _named(train_set: dict[str, Any]) -> dict[str, Any]:
    """The training set without the place where it lay; its fingerprint says which images those were."""
    return {**train_set, "name": Path(train_set["name"].removeprefix("folder:")).name}


def _group(study: Study, group: Group, runs: Runs) -> dict[str, Any]:
    endpoints = [endpoint for endpoint in study.endpoints if _measured(study, endpoint, group, runs)]
    means: Means = {
        arm: {
            endpoint.name: {
                str(percent): [_mean(runs[arm, seed, percent], study, endpoint) for seed in group.seeds]
                for percent in study.percentages
            }
            for endpoint in endpoints
        }
        for arm in group.arms
    }
    return {"name": group.name, "arms": list(group.arms), "seeds": list(group.seeds),
            "endpoints": [{"name": endpoint.name, "role": endpoint.role} for endpoint in endpoints],
            "means": means, "differences": list(_differences(study, group, endpoints, means))}  # fmt: skip


def _differences(study: Study, group: Group, endpoints: list[Endpoint], means: Means) -> Iterator[dict[str, Any]]:
    question = (study.groups[0], study.groups[0].contrasts[0], study.endpoints[0])
    for a, b in group.contrasts:
        for endpoint in endpoints:
            found = {
                percent: seed_difference(
                    np.array(means[a][endpoint.name][percent]), np.array(means[b][endpoint.name][percent]),
                    margin=study.margin_db)
                for percent in means[a][endpoint.name]
            }  # fmt: skip
            yield {"a": a, "b": b, "endpoint": endpoint.name, "role": endpoint.role,
                   "is_the_question": (group, (a, b), endpoint) == question,
                   "by_percentage": {percent: asdict(difference) for percent, difference in found.items()}}  # fmt: skip


def _training(study: Study, recipe: Recipe, frozen: Frozen, output: Path, arm: str, seed: int) -> dict[str, Any]:
    """The record of one training, held to the plan."""
    folder = run_folder(output, arm, seed)
    record = read_document(folder / RECORD)
    wanted = {"network": arm, "scale": study.scale, "seed": seed, "steps": recipe.steps,
              "recipe_sha256": tuned(recipe, frozen[arm]["chosen"]).sha256}  # fmt: skip
    if wrong := {name: record.get(name) for name, value in wanted.items() if record.get(name) != value}:
        raise StudyError(f"{folder}: expected the training that the plan asks for, got one with {wrong}; move it away "
                         "and run the study again")  # fmt: skip
    return record


def _require_alike(trained: list[dict[str, Any]], runs: Runs) -> None:
    """All runs on the same training images, scored on the same pixels under the same protocol version."""
    for record in trained:
        _require_same(trained[0]["train_set"], record["train_set"], f"the training images of {record['network']}")
    first, *others = runs.items()
    for (arm, seed, percent), run in others:
        _require_same(_inputs(first[1]), _inputs(run), f"what scored {arm}, seed {seed}, at {percent} %")


def _inputs(run: Run) -> dict[str, Any]:
    told: dict[str, Any] = {f"HR of {name}": facts["fingerprint"] for name, facts in run.record["datasets"].items()}
    told |= {f"LR of {name}": tuple(rows.sort_values("image")["lr_sha256"])
             for name, rows in run.scores.groupby("dataset")}
    told |= {f"version of {name}": facts["version"] for name, facts in run.record["protocols"].items()}
    return told | {"precision": run.record["precision"], "optimisation": run.record["optimise"]}


def _require_same(wanted: dict[str, Any], told: dict[str, Any], what: str) -> None:
    if differing := [name for name in {**wanted, **told} if wanted.get(name) != told.get(name)]:
        raise StudyError(f"{what}: {', '.join(differing)} differ from the study's first run; make it again as that was")


def _measured(study: Study, endpoint: Endpoint, group: Group, runs: Runs) -> bool:
    """Whether an endpoint has scores; one that is needed is taken to have."""
    scores = runs[group.arms[0], group.seeds[0], study.percentages[0]].scores
    rows = scores[scores["dataset"] == endpoint.dataset]
    return endpoint.needed or bool(len(rows) and rows[endpoint.metric].notna().all())


def _mean(run: Run, study: Study, endpoint: Endpoint) -> float:
    expected = run.record["datasets"].get(endpoint.dataset, {}).get("n_expected")
    chosen = (run.scores["dataset"] == endpoint.dataset) & (run.scores["protocol"] == study.protocol)
    values = run.scores.loc[chosen, endpoint.metric]
    found = mean(values) if len(values) == expected else None
    if found is None:
        raise StudyError(f"{run.path}: expected {endpoint.name} of every image of {endpoint.dataset}, got "
                         f"{values.notna().sum()} of {expected}; score the whole set")  # fmt: skip
    return found
