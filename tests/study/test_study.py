"""A whole study in small: searched, frozen, trained, scored and reported; and what keeps it honest."""

from __future__ import annotations

import json
import shutil
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from safetensors import safe_open
from safetensors.torch import load_file
from scipy.stats import ttest_rel

from leaderboard.study_pages import parse
from srbench.cli import main
from srbench.errors import DatasetError, DivergedError, ProtocolError, StudyError, UnknownNameError
from srbench.images import save_png
from srbench.records.record_model import validate
from srbench.records.study import StudyResults
from srbench.records.training_documents import TrainingDocument
from srbench.scores import read_run
from srbench.study.rates import choose
from srbench.study.report import answer, report
from srbench.study.results import collect, read_results
from srbench.study.running import Machine, planned_recipe, run_study
from srbench.study.study_plan import load_study, study_from
from srbench.training import training_sweep
from srbench.training.job import Job
from srbench.training.recipe import load_recipe
from srbench.training.trainer import train
from srbench.zoo.checkpoints import with_record
from srbench.zoo.reading import tensors_sha256

ROOT = Path(__file__).parents[2]
STUDIES = sorted((ROOT / "studies").glob("*.toml"))
RESULTS = sorted((ROOT / "submissions").glob("*.study.json"))
FOLDERS = sorted(path.parent for path in (ROOT / "studies").glob("*/study.json"))

RECIPE = """
summary = "as small as it gets"
steps = 4
batch = 2
patch = 8
learning_rate = 1e-3
schedule = "constant"
ema = 0.5
validate_every = 4
held_out = ["i0"]
"""

PLAN = """
name = "tiny"
question = "Does it run?"
scale = 2
recipe = "{recipe}"
train_set = "Train"
learning_rates = [1e-4, 1e-2, 1e30]
search_seed = 9
percentages = [50, 100]
protocol = "matlab-y"
margin_db = 0.02
[[endpoints]]
dataset = "Set5"
[[endpoints]]
dataset = "Urban100"
needed = false
[[groups]]
name = "primary"
arms = ["pan", "pan-bam"]
seeds = [1, 2, 3]
contrasts = [["pan-bam", "pan"]]
"""


def images(folder: Path, count: int, seed: int) -> None:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for index in range(count):
        coarse = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
        save_png(folder / f"i{index}.png", np.kron(coarse, np.ones((5, 5, 1), dtype=np.uint8)))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("study")
    images(root / "data" / "Train", 4, 1)
    images(root / "data" / "Set5" / "HR", 5, 2)
    (root / "tiny.toml").write_text(RECIPE)
    (root / "plan.toml").write_text(PLAN.format(recipe=root / "tiny.toml"))
    return root


@pytest.fixture(scope="module")
def done(place: Path) -> str:
    command = "run", place, "--data-root", str(place / "data"), "--device", "cpu"
    assert invoke(*command, "--no-scores") == "" and not list((place / "out").rglob("scores-*"))
    return invoke(*command)


def invoke(what: str, place: Path, *more: str) -> str:
    command = ["study", what, str(place / "plan.toml"), "--output", str(place / "out"), *more]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    return result.stdout


def results(place: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((place / "out" / "results.json").read_text())
    return document


def test_differences_follow_from_the_stored_scores(place: Path, done: str) -> None:
    (one,) = results(place)["groups"][0]["differences"]
    assert (one["a"], one["b"], one["endpoint"], one["is_the_question"]) == ("pan-bam", "pan", "Set5 psnr_y", True)
    for percent in (50, 100):
        means = {
            arm: [
                read_run(place / f"out/runs/{arm}/seed-{seed}/scores-{percent}").scores["psnr_y"].mean()
                for seed in (1, 2, 3)
            ]
            for arm in ("pan", "pan-bam")
        }
        found, expected = one["by_percentage"][str(percent)], ttest_rel(means["pan-bam"], means["pan"])
        assert found["mean"] == pytest.approx(np.subtract(means["pan-bam"], means["pan"]).mean())
        assert found["p_value"] == pytest.approx(expected.pvalue)
        assert found["interval"] == pytest.approx(list(expected.confidence_interval()))
    assert one["by_percentage"]["50"]["mean"] != one["by_percentage"]["100"]["mean"]


def test_each_arm_is_trained_at_its_best_rate(place: Path, done: str) -> None:
    rates = results(place)["learning_rates"]
    assert set(rates) == {"pan", "pan-bam"}
    for arm, found in rates.items():
        assert found["tried"].pop("1e+30") is None
        searched = {
            name: json.loads((place / f"out/search/{arm}/lr-{name}/training.json").read_text())["psnr"]
            for name in found["tried"]
        }
        assert found["tried"] == searched
        assert f"{found['chosen']:g}" == max(searched, key=lambda name: searched[name])
        trained = json.loads((place / f"out/runs/{arm}/seed-2/training.json").read_text())
        assert trained["recipe"]["learning_rate"] == found["chosen"]
    assert choose([(1e-3, 30.0), (1e-4, 30.0), (1e-2, 29.0), (1e-1, None)]) == 1e-4
    assert "1e+30: diverged" in done
    with pytest.raises(StudyError, match="at which the training stays finite, got none"):
        choose([(1e30, None)])


SEARCH = """
correction = "holm"
[search]
seeds = [8, 9]
broken_db = 100
"""


@pytest.mark.long
def test_arms_are_compared_at_own_rates_and_at_one_rate(place: Path, tmp_path: Path) -> None:
    text = (place / "plan.toml").read_text().replace("search_seed = 9", "").replace("[50, 100]", "[100]")
    text = text.replace("seeds = [1, 2, 3]", "seeds = [1, 2]").replace("1e-2, 1e30", "1e-2")
    text = text.replace('"pan-bam"]', '"pan-bam", "pan-none"]').replace(
        '[["pan-bam", "pan"]]', '[["pan-bam", "pan"], ["pan-bam", "pan-none"], ["pan", "pan-none"]]'
    )
    (tmp_path / "plan.toml").write_text(text.replace("[[endpoints]]", SEARCH + "[[endpoints]]", 1))
    study = load_study(tmp_path / "plan.toml")
    run_study(study, tmp_path / "out", Machine(data_root=place / "data", device="cpu"))
    found = collect(tmp_path / "out", study)
    own, shared = found.groups
    for arm, rate in found.learning_rates.items():
        assert rate.by_seed is not None and set(rate.by_seed) == {"0.0001", "0.01"}
        assert rate.tried == {
            name: pytest.approx(np.mean(np.array(values, dtype=np.float64))) for name, values in rate.by_seed.items()
        }
        folder = tmp_path / "out" / ("runs" if rate.chosen == shared.rate else "shared") / arm / "seed-2"
        trained = json.loads((folder / "training.json").read_text())
        assert trained["recipe"]["learning_rate"] == shared.rate
        assert shared.means[arm]["Set5 psnr_y"]["100"][1] == read_run(folder / "scores-100").scores["psnr_y"].mean()
    over_arms = {
        name: np.mean([rate.tried[name] for rate in found.learning_rates.values()]) for name in ("0.0001", "0.01")
    }
    assert f"{shared.rate:g}" == max(over_arms, key=lambda name: over_arms[name])
    assert [one.is_the_question for one in own.differences + shared.differences] == [True] + [False] * 5
    question, *others = own.differences
    assert question.p_holm is None
    raw = [one.final.p_value for one in others if one.final]
    assert [one.p_holm for one in others] == [
        min(1, 2 * p) if p == min(raw) else max(min(1, 2 * min(raw)), p) for p in raw
    ]
    assert {one.arm for one in found.gains or ()} == {"pan-bam"}
    told = report(found)
    seeds = "" if found.is_repetition(shared) else ": 2 seeds each"
    assert f"## Primary at one rate ({shared.rate:g}){seeds}\n" in told and "| p (Holm) |" in told
    assert parse(json.dumps(found.plain()).encode(), "tiny").question.asked


@pytest.mark.long
def test_short_searches_and_final_endpoints_save_trainings_and_scores(place: Path, tmp_path: Path) -> None:
    text = (place / "plan.toml").read_text().replace("search_seed = 9", "steps = 8")
    text = text.replace("seeds = [1, 2, 3]", "seeds = [1, 2]").replace("1e-4, 1e-2, 1e30", "1e-2")
    search = "[search]\nseeds = [8, 9]\nbroken_db = 100\nshared = false\npercent = 25\n"
    text = text.replace("[[endpoints]]", search + "[[endpoints]]", 1)
    final = '[[endpoints]]\ndataset = "Set14"\nneeded = false\nfinal = true\n'
    (tmp_path / "plan.toml").write_text(text.replace("[[groups]]", final + "[[groups]]", 1))
    shutil.copytree(place / "data", tmp_path / "data")
    images(tmp_path / "data" / "Set14" / "HR", 14, 3)
    study = load_study(tmp_path / "plan.toml")
    run_study(study, tmp_path / "out", Machine(data_root=tmp_path / "data", device="cpu"))
    steps = {
        kind: {json.loads(path.read_text())["steps"] for path in (tmp_path / "out" / kind).rglob("training.json")}
        for kind in ("search", "runs")
    }
    assert steps == {"search": {2}, "runs": {8}}
    folder = tmp_path / "out/runs/pan/seed-1"
    sets = {percent: set(read_run(folder / f"scores-{percent}").record["datasets"]) for percent in (50, 100)}
    assert sets == {50: {"Set5"}, 100: {"Set5", "Set14"}}
    written = report(collect(tmp_path / "out", study))
    assert "8 steps of `tiny[steps=8]`" in written and "| `pan-bam` - `pan` | Set14 psnr_y | - |" in written


@pytest.mark.parametrize(
    ("at_one_rate", "words"),
    [
        ("better", "pan-bam is better than pan: "),
        (
            "worse",
            "depends on the learning rate, on Set5 psnr_y, matlab-y: +1.000 dB (+0.900 to +1.100), better with both",
        ),
    ],
)
def test_verdict_needs_equal_outcomes_at_both_kinds_of_rates(
    place: Path, done: str, at_one_rate: str, words: str
) -> None:
    document = results(place)
    (group,) = document["groups"]
    asked = group["differences"][0]
    asked["by_percentage"]["100"] |= {"mean": 1.0, "interval": [0.9, 1.1], "outcome": "better"}
    again = json.loads(json.dumps({**group, "name": "primary at one rate", "rate": 0.01}))
    again["differences"][0]["is_the_question"] = False
    again["differences"][0]["by_percentage"]["100"]["outcome"] = at_one_rate
    document["groups"].append(again)
    for rate in document["learning_rates"].values():
        rate["chosen"] = 0.0001
    assert words in answer(validate(StudyResults, document, "results", error=StudyError))


def test_one_command_rebuilds_the_same_report_from_the_stored_runs(place: Path, done: str) -> None:
    before = (place / "out" / "results.json").read_bytes()
    assert invoke("report", place) == (place / "out" / "report.md").read_text() == done
    assert (place / "out" / "results.json").read_bytes() == before
    outcome = results(place)["groups"][0]["differences"][0]["by_percentage"]["100"]["outcome"]
    assert f"**{outcome}**" in done and "4 steps of `tiny`" in done and str(place) not in done


def test_unfinished_study_reports_the_seeds_of_all_arms(place: Path, done: str, tmp_path: Path) -> None:
    shutil.copytree(place / "out", tmp_path / "out")
    shutil.rmtree(tmp_path / "out/runs/pan/seed-3/scores-100")
    study = load_study(place / "plan.toml")
    with pytest.raises(StudyError, match=r"got 1 of 6 unfinished \(first .*pan/seed-3\)"):
        collect(tmp_path / "out", study)
    (group,) = collect(tmp_path / "out", study, finished=True).groups
    (complete,) = collect(place / "out", study).groups
    assert group.seeds == (1, 2)
    assert group.means["pan-bam"]["Set5 psnr_y"]["100"] == complete.means["pan-bam"]["Set5 psnr_y"]["100"][:2]
    told = report(collect(tmp_path / "out", study, finished=True))
    assert "## Primary: 2 of 3 seeds each" in told
    document = results(place)
    document["study"]["groups"].append({**document["study"]["groups"][0], "name": "brief", "seeds": [1, 2]})
    document["groups"].append({**document["groups"][0], "name": "brief", "seeds": [1, 2]})
    assert "## Brief: 2 seeds each" in report(validate(StudyResults, document, "results", error=StudyError))
    shutil.rmtree(tmp_path / "out/runs/pan-bam/seed-1/scores-100")
    with pytest.raises(StudyError, match=r"at least two seeds .* got fewer \(primary has 1\)"):
        collect(tmp_path / "out", study, finished=True)


def test_a_moved_study_is_not_repeated(place: Path, done: str) -> None:
    before = {path: path.stat().st_mtime_ns for path in (place / "out" / "runs").rglob("*.*")}
    moved = (place / "out").rename(place / "elsewhere")
    # Neither is one whose weights, all scored, were left behind.
    left = [path.rename(place / path.name) for path in (moved / "runs/pan/seed-2").glob("weights*")]
    try:
        result = CliRunner().invoke(
            main,
            [
                "study",
                "run",
                str(place / "plan.toml"),
                "--output",
                str(moved),
                "--data-root",
                str(place / "data"),
                "--device",
                "cpu",
            ],
        )
        assert len(left) == 2 and result.exit_code == 0 and result.stdout == done
    finally:
        for path in left:
            path.rename(moved / "runs/pan/seed-2" / path.name)
        moved.rename(place / "out")
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_changed_plan_is_refused_for_existing_runs(place: Path, done: str) -> None:
    other = place / "other.toml"
    other.write_text((place / "plan.toml").read_text().replace("margin_db = 0.02", "margin_db = 0.5"))
    with pytest.raises(StudyError, match="a different plan than the given one"):
        collect(place / "out", load_study(other))
    result = CliRunner().invoke(
        main, ["study", "run", str(other), "--output", str(place / "out"), "--data-root", str(place / "data")]
    )
    assert result.exit_code == 1 and "runs of a different study: margin_db differ" in result.stderr


def test_torchrun_is_refused_for_a_study(place: Path) -> None:
    command = ["study", "run", str(place / "plan.toml"), "--output", str(place / "together")]
    result = CliRunner(env={"WORLD_SIZE": "2"}).invoke(main, command)
    assert result.exit_code == 1 and "expected a study in one process, got 2" in result.stderr
    assert not (place / "together").exists()


def test_a_training_whose_loss_spiked_is_named(place: Path, done: str, tmp_path: Path) -> None:
    output = tmp_path / "out"
    shutil.copytree(place / "out", output)
    path = output / "runs/pan/seed-2/training.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "loss_spike": {"step": 2, "loss": 9.0, "lowest": 0.1}}))
    found, before = (collect(folder, load_study(place / "plan.toml")) for folder in (output, place / "out"))
    assert found.groups[0].spiked == {"pan": (2,)} and before.groups[0].spiked is None
    remark = "The loss of some trainings rose to many times its lowest value and fell again: `pan`: seed 2."
    assert remark in report(found) and remark not in report(before)
    assert found.groups[0].means == before.groups[0].means


def test_a_diverged_training_leaves_its_contrast_undecided(
    place: Path, done: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, study = tmp_path / "out", load_study(place / "plan.toml")
    shutil.copytree(place / "out", output)
    whole, lost, kills = results(place)["groups"][0], [], [KeyboardInterrupt()]

    def diverges(job: Job) -> TrainingDocument:
        assert not (job.output / "diverged.json").exists(), "what has diverged is not repeated"
        if job.network == "pan-bam" and job.seed in lost:
            raise DivergedError("expected a finite loss")
        if kills and (output / "runs/pan-bam/seed-2/diverged.json").exists():
            raise kills.pop()
        return train(job)

    monkeypatch.setattr(training_sweep, "train", diverges)
    broken_down = _break_down(output / "runs/pan/seed-2")
    (output / "frozen.json").unlink()  # the search is read again, and what diverged in it is not repeated, either
    for seed in (2, 3):
        lost.append(seed)
        shutil.rmtree(output / f"runs/pan-bam/seed-{seed}")
        if kills:
            with pytest.raises(KeyboardInterrupt):
                run_study(study, output, Machine(data_root=place / "data", device="cpu"))
        for _ in range(2):
            run_study(study, output, Machine(data_root=place / "data", device="cpu"))
        results_now = collect(output, study)
        document = json.loads(json.dumps(results_now.plain(), allow_nan=False))
        (group,) = document["groups"]
        assert group["diverged"] == {"pan-bam": lost} and group["seeds"] == [1, 2, 3]
        means = {arm: group["means"][arm]["Set5 psnr_y"]["100"] for arm in ("pan-bam", "pan")}
        before = {arm: whole["means"][arm]["Set5 psnr_y"]["100"] for arm in means}
        assert means["pan"] == before["pan"]
        assert means["pan-bam"] == [None if seed in lost else before["pan-bam"][seed - 1] for seed in (1, 2, 3)]
        told = report(results_now)
        assert f"`pan-bam` with {len(lost)} of 3 seeds ({', '.join(map(str, lost))})" in told
        assert "**Undecided between pan-bam and pan, since pan-bam diverged with seed" in told
        assert "| diverged |" in told and "| **undecided** |" in told
        if len(lost) == 1:
            found = group["differences"][0]["by_percentage"]["100"]
            left = [before["pan-bam"][seed - 1] - before["pan"][seed - 1] for seed in (1, 3)]
            assert (found["n"], found["outcome"], found["mean"]) == (2, "undecided", pytest.approx(np.mean(left)))
        page = parse(json.dumps(document).encode(), "tiny")
        assert set(page.far_apart(page.groups[0][0])) <= set(means)
        left_over = "2 seeds are left" if len(lost) == 1 else "fewer than two seeds are left to compare"
        assert page.question.verdict == (
            "Undecided between pan-bam and pan, since trainings diverged (pan-bam with "
            f"seed{'s' * (len(lost) > 1)} {', '.join(map(str, lost))}) and {left_over}"
        )
    # One that stays finite is scored, however far from [0, 1] its values are.
    assert read_run(broken_down).scores["psnr_y"].between(3, 15).all()
    assert group["differences"] == [] and "fewer than two seeds are left to compare on Set5 psnr_y" in told
    assert group["unmeasured"][0]["is_the_question"] and group["unmeasured"][0]["diverged"] == {"pan-bam": [2, 3]}


def _break_down(run: Path) -> Path:
    """Spoil a training's weights at half its steps; where their scores are missing now."""
    weights = load_file(run / "weights-50.safetensors")
    with safe_open(run / "weights-50.safetensors", "pt") as file:
        record = json.loads(file.metadata()["srbench"])
    weights["last.bias"] += 9
    record["tensors_sha256"] = tensors_sha256(weights)
    (run / "weights-50.safetensors").write_bytes(with_record(weights, record))
    shutil.rmtree(run / "scores-50")
    return run / "scores-50"


def test_a_plan_may_pin_its_recipe(place: Path, tmp_path: Path) -> None:
    plain = load_study(place / "plan.toml")
    pinned, other = (
        study_from({**plain.document(), "recipe_sha256": sha256})
        for sha256 in (load_recipe(plain.recipe).sha256, "0" * 64)
    )
    assert len({plain.sha256, pinned.sha256, other.sha256}) == 3 and "recipe_sha256" not in plain.document()
    assert study_from(pinned.document()) == pinned
    with pytest.raises(StudyError, match=r"tiny\.toml of sha256 0000.*a plan holds for the recipe it was"):
        run_study(other, tmp_path / "out", Machine(data_root=place / "data", device="cpu"))
    with pytest.raises(DatasetError, match="training set 'nowhere' was not found"):
        run_study(
            pinned.model_copy(update={"train_set": "nowhere"}), tmp_path / "out", Machine(data_root=place / "data")
        )
    assert not (tmp_path / "out").exists()


def test_missing_runs_give_no_report(place: Path, done: str) -> None:
    record = place / "out/runs/pan/seed-3/training.json"
    whole = record.read_text()
    try:
        record.write_text(whole.replace('"seed": 3', '"seed": 4'))
        with pytest.raises(StudyError, match=r"expected the training that the plan asks for, got one with .'seed': 4"):
            collect(place / "out")
        record.unlink()
        with pytest.raises(StudyError, match="carry the study out with srbench study run"):
            collect(place / "out")
    finally:
        record.write_text(whole)


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_each_plan_in_the_repository_is_complete(path: Path) -> None:
    study = load_study(path)
    assert study.name == path.stem and study_from(study.document()) == study
    recipe = load_recipe(study.recipe)
    assert recipe.held_out and study.recipe_sha256 in (None, recipe.sha256)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_stored_runs_of_a_study_give_its_published_results(folder: Path) -> None:
    results = collect(folder, load_study(folder.with_name(f"{folder.name}.toml")), finished=True)
    assert results == read_results(ROOT / "submissions" / f"{folder.name}.study.json")


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.name)
def test_published_results_belong_to_their_plan_and_follow_from_their_means(path: Path) -> None:
    document = json.loads(path.read_text(encoding="utf-8"))
    plan = load_study(ROOT / "studies" / f"{path.name.removesuffix('.study.json')}.toml")
    assert plan.sha256 == document["sha256"] == study_from(document["study"]).sha256
    assert planned_recipe(plan).sha256 == document["recipe"]["sha256"]
    # At one rate for all arms, the groups come a second time.
    groups = plan.groups * (2 if plan.search and plan.search.shared else 1)
    for group, planned in zip(document["groups"], groups, strict=True):
        # Only a study whose runs are stored, to be resumed, may have fewer seeds than planned.
        seeds = planned.seeds[: len(group["seeds"])] if ROOT / "studies" / plan.name in FOLDERS else planned.seeds
        assert (tuple(group["arms"]), tuple(group["seeds"])) == (planned.arms, seeds)
        assert {(one["a"], one["b"]) for one in group["differences"]} == set(planned.contrasts)
        for one in group["differences"]:
            a, b = (group["means"][arm][one["endpoint"]]["100"] for arm in (one["a"], one["b"]))
            found, expected = one["by_percentage"]["100"], ttest_rel(a, b)
            assert len(a) == len(seeds) and found["mean"] == pytest.approx(np.subtract(a, b).mean())
            assert found["interval"] == pytest.approx(list(expected.confidence_interval()))
            assert found["p_value"] == pytest.approx(expected.pvalue)


def test_a_report_names_arms_with_failed_trainings() -> None:
    imdn, pan, again = (
        read_results(ROOT / "submissions" / f"{name}.study.json")
        for name in ("imdn-x4-attention-brief", "pan-x4-attention-brief", "pan-x4-attention-brief-low-rates")
    )
    # Three of five trainings of PAN-BAM ended at the interpolation that the network adds its detail to.
    assert "The seeds of `pan-bam` (2.08 dB) are far apart" in report(pan)
    assert "| `pan-bam` | 25.510 | 27.543 | 25.510 | 25.510 | 27.587 |" in report(pan)
    assert "far apart" not in report(imdn) + report(again)


def test_the_study_of_the_paper_has_its_announced_plan() -> None:
    study = load_study(ROOT / "studies" / "imdn-x4-attention.toml")
    primary, secondary = study.groups
    assert set(primary.arms) == {"imdn-none", "imdn", "imdn-bam", "imdn-acam"} and len(primary.seeds) >= 8
    assert primary.contrasts[0] == ("imdn-bam", "imdn") and study.endpoints[0].name == "Set14 psnr_y"
    assert (secondary.arms, len(secondary.seeds)) == (("pan", "pan-bam"), 5)
    assert (study.margin_db, study.percentages, len(study.learning_rates)) == (0.02, (25, 50, 100), 3)


GROUP: dict[str, Any] = {"name": "a", "arms": ["pan", "pan-bam"], "seeds": [1, 2], "contrasts": [["pan-bam", "pan"]]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"margin": 0.02}, r"tiny\.margin: unknown field 'margin' \(did you mean margin_db\?\)"),
        ({"margin_db": 0}, "margin_db: expected a finite number above 0, got 0"),
        (
            {"margin_db": float("inf"), "name": 3},
            r"name: expected text, got 3; study 3\.margin_db: expected a finite number above 0, got inf",
        ),
        ({"percentages": [25, 50]}, "percentages: expected 100 among the percentages, got none"),
        ({"percentages": [100.0]}, r"percentages\[0\]: expected an integer from 1 to 100, got 100\.0"),
        ({"groups": [{**GROUP, "seeds": [1]}]}, r"seeds: expected at least 2 entries, got 1$"),
        (
            {"groups": [{**GROUP, "contrasts": [["pan", "pan"]]}]},
            r"contrasts\[0\]: expected a pair of two different arms",
        ),
        ({"percentages": [25, 25, 100]}, "percentages: expected each value once"),
        ({"recipe": 3}, "recipe: expected text, got 3"),
        ({"recipe_sha256": "abc"}, "recipe_sha256: expected the 64 hexadecimal digits of a hash"),
        ({"learning_rates": [True]}, r"learning_rates\[0\]: expected a finite number above 0, got True$"),
        ({"learning_rates": [1e-3, float("inf")]}, r"learning_rates\[1\]: expected a finite number above 0, got inf"),
        ({"learning_rates": [1e-3, 1.0000001e-3]}, "learning_rates: expected each rate once"),
        ({"protocol": "matlab"}, "unknown protocol 'matlab'; did you mean matlab-y"),
        ({"protocol": "matlab-rgb"}, r"a metric of matlab-rgb for Set5 psnr_y \(psnr_rgb\)"),
        ({"scale": 8}, r"a scale of pan \(2, 3, 4\), not 8"),
        ({"scale": 7}, "defined for ×2, ×3, ×4, ×8, got ×7"),
        ({"search_seed": -1}, "search_seed: expected an integer from 0 to 9223372036854775807, got -1"),
        (
            {"endpoints": [{"dataset": "Set5", "needed": "no"}]},
            r"endpoints\[0\]\.needed: expected true or false, got 'no'$",
        ),
        ({"endpoints": [{"dataset": "set5"}]}, "unknown dataset of an endpoint 'set5'"),
        ({"endpoints": [{"dataset": "Set5"}, {"dataset": "Set5"}]}, "Set5 psnr_y once"),
        ({"groups": [GROUP, GROUP]}, r"\[\[groups\]\] a once"),
        (
            {"groups": [{**GROUP, "seeds": ["1", "2"]}]},
            r"groups\[0\]\.seeds\[0\]: expected an integer from 0 to \d+, got '1'",
        ),
        ({"groups": [{**GROUP, "seeds": [1.5, 2.5]}]}, r"seeds\[0\]: expected an integer .* got 1\.5"),
        ({"groups": [{**GROUP, "seeds": [-1, 2]}]}, r"seeds\[0\]: expected an integer .* got -1$"),
        (
            {"groups": [{**GROUP, "arms": ["pan", "pan", "pan-bam"]}]},
            r"groups\[0\]\.arms: expected each value once, got one several times$",
        ),
        ({"groups": [{**GROUP, "arms": ["pan-pa", "pan-bam"]}]}, "unknown network 'pan-pa'; did you mean pan"),
        (
            {"groups": [{**GROUP, "contrasts": [["pan", "pan-bam", "pan"]]}]},
            r"contrasts\[0\]: expected at most 2 entries, got 3$",
        ),
        ({"search_seed": 2}, "a search_seed that is no seed of primary"),
        ({"search": {"seeds": [8, 9]}}, r"either search_seed or \[search\], not both or none"),
        ({"endpoints": []}, "endpoints: expected at least 1 entry, got none"),
        (
            {"endpoints": [{"dataset": "Set5", "metric": "ssim_y"}]},
            r"endpoints\[0\]\.metric: expected one of psnr_y, psnr_rgb, psnr_y_aliased, got 'ssim_y'$",
        ),
        ({"groups": [{"name": "a", "arms": ["pan"], "seeds": [1, 2], "contrasts": [["pan", "imdn"]]}]}, "between its"),
        ({"groups": [{"name": "a", "arms": ["pam"], "seeds": [1, 2], "contrasts": []}]}, "did you mean pan"),
        ({"groups": [{"name": "a"}]}, r"groups\[0\]\.arms: expected this field, got none"),
    ],
)
def test_invalid_plans_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises((StudyError, UnknownNameError, ProtocolError), match=message):
        study_from({**tomllib.loads(PLAN.format(recipe="budget-cpu")), **changes})
