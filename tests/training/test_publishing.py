"""From a training's folder to an entry of the catalogue, and to its model card."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

from srbench.cli import main
from srbench.datasets import open_dataset
from srbench.datasets.imageset import ImageSet
from srbench.errors import TrainingError, WeightsError
from srbench.result import evaluate
from srbench.training import publishing
from srbench.training.publishing import Published, publish
from srbench.training.trainer import train
from srbench.zoo import build, load
from srbench.zoo.checkpoints import halved
from srbench.zoo.reading import read_checkpoint
from srbench.zoo.trained import read_record
from srbench.zoo.trained_cards import model_card
from srbench.zoo.weights_catalogue import trained_entry
from tests.training.small import rewrite_record, small_job, small_recipe, write_images


@pytest.fixture(scope="module")
def folder(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("trained") / "imdn-bam-x4"
    recipe = small_recipe(steps=2, validate_every=2)
    train(small_job(images, output, network="imdn-bam", scale=4, recipe=recipe, seed=5))
    return output


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> ImageSet:
    """Images that nothing was trained on."""
    return open_dataset(f"folder:{write_images(tmp_path_factory.mktemp('set') / 'others', count=2, side=44)}")


@pytest.fixture(scope="module")
def published(folder: Path, others: ImageSet) -> Published:
    with pytest.MonkeyPatch.context() as patch:  # the embedded photographs take long
        patch.setattr(publishing, "benchmark_sets", lambda root: [others])
        return publish(folder, packaged=folder.parent / "packaged", larger=folder.parent / "larger")


def test_half_precision_weights_and_their_record_make_a_catalogue_entry(folder: Path, published: Published) -> None:
    full, half = (read_checkpoint(path).state for path in (folder / "weights.safetensors", published.weights))
    assert published.weights == folder.parent / "packaged" / "imdn-bam-x4.safetensors"
    assert all(torch.equal(half[key], full[key].half()) for key in full) and full.keys() == half.keys()
    record = read_record(published.weights.with_suffix(".json"))
    assert record == published.record
    entry = trained_entry(record)
    told = json.loads((folder / "training.json").read_text())
    assert entry.training is not None and entry.pinned
    assert (entry.training.recipe_sha256, entry.training.steps, entry.training.seed) == (told["recipe_sha256"], 2, 5)
    assert entry.training_data == "training-images0, 4 of 6 images" and "CPU" in entry.note
    assert str(folder.parent) not in json.dumps(record), "a record names no place of the machine it was made on"
    logged = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    losses = {line["step"]: pytest.approx(line["loss"], abs=1e-6) for line in logged if "loss" in line}
    assert losses and {line["step"]: line["loss"] for line in record["training"]["loss"]} == losses


def test_the_scores_in_the_record_are_those_of_the_file(published: Published, others: ImageSet) -> None:
    module = load("imdn-bam", scale=4, file=published.weights).module
    for model, told in ((module, published.record["scores"]), ("bicubic", published.record["bicubic"])):
        scores = evaluate(model, others, scale=4).scores
        assert told["others"] == {
            "psnr_y": pytest.approx(scores["psnr_y"].mean(), abs=1e-4),
            "ssim_y": pytest.approx(scores["ssim_y"].mean(), abs=1e-5),
            "images": 2,
        }
    assert abs(published.record["half_precision"]["psnr_y_change"]["others"]) < 0.002
    assert [images.name for images in publishing.benchmark_sets(None)] == ["Sample"]


def test_what_is_published_is_not_overwritten_unasked(folder: Path, published: Published) -> None:
    with pytest.raises(WeightsError, match="is there already, from seed 5; --replace"):
        publish(folder, packaged=published.weights.parent)


def test_weights_that_half_precision_would_change_are_refused(
    folder: Path, others: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "LARGEST_CHANGE", 0.0)
    monkeypatch.setattr(publishing, "benchmark_sets", lambda root: [others])
    with pytest.raises(WeightsError, match=r"less than 0.0 dB, got .'others"):
        publish(folder, packaged=tmp_path)
    assert not list(tmp_path.glob("*.*"))
    network = build("pan", scale=2)
    with torch.no_grad():
        next(network.parameters()).fill_(1e5)
    with pytest.raises(WeightsError, match="range of float16"):
        halved(network.state_dict())


@pytest.mark.parametrize("hashed", [True, False])
def test_sets_that_were_trained_on_are_left_out(
    hashed: bool, folder: Path, images: Path, others: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = open_dataset(f"folder:{images}")
    monkeypatch.setattr(publishing, "benchmark_sets", lambda root: [seen, others])
    shutil.copytree(folder, tmp_path / "run")
    rewrite_record(tmp_path / "run", lambda record: record.pop("log_sha256"))
    if not hashed:  # as records were before they had hashes: the file's own record and the images tell
        told = json.loads((tmp_path / "run" / "training.json").read_text())
        old = {key: value for key, value in told.items() if key not in ("pixels", "weights_sha256", "record_sha256")}
        (tmp_path / "run" / "training.json").write_text(json.dumps(old))
    (tmp_path / "run" / "log.jsonl").write_text('{"step": 1, "loss": 0.25}\n{"step": 2, "loss": 400.0}\n')
    made = publish(tmp_path / "run", packaged=tmp_path / "packaged", data_root=images.parent)
    assert set(made.record["scores"]) == {"others"}
    unscored, broken = made.remarks
    assert unscored == f"not scored on {seen.name}, 6 of whose images are in the training set"
    assert broken.startswith("the loss rose from 0.25 to 4e+02 by step 2: the network lost what it had learned")
    assert made.record["note"].endswith(f"{unscored}; {broken}")


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (None, r"got no readable training\.json"),
        ("[]", r"got no readable training\.json .training\.json: expected an object, got list"),
        ("{}", "network: expected this field, got none"),
        (
            {"recipe": {}, "seed": True, "train_set": {"name": 3}},
            r"seed: expected an integer from 0 to \d+, got True; training\.json\.recipe\.name: expected this field",
        ),
        ({"stages": [{}]}, r"stages\[0\]\.recipe: expected this field, got none"),
        ({"weights_sha256": "0" * 64}, r"expected the weights that training\.json next to it describes, got others"),
        ({"weights_sha256": None, "seed": 6}, "describes, got others"),
    ],
)
def test_records_that_are_damaged_or_of_other_weights_are_refused(
    record: dict[str, Any] | str | None, message: str, folder: Path, tmp_path: Path
) -> None:
    shutil.copy(folder / "weights.safetensors", tmp_path)
    if isinstance(record, dict):
        told = {**json.loads((folder / "training.json").read_text()), **record}
        told.pop("record_sha256")
        record = json.dumps({key: value for key, value in told.items() if value is not None or key == "psnr"})
    if record is not None:
        (tmp_path / "training.json").write_text(record)
    with pytest.raises(TrainingError, match=message):
        publish(tmp_path, packaged=tmp_path)


def test_the_card_has_the_hubs_format_and_the_records_facts(published: Published) -> None:
    yaml: Any = pytest.importorskip("yaml", reason="PyYAML reads the card's head")
    _, head, body = model_card(published.record).split("---\n", 2)
    values = yaml.safe_load(head)
    assert values["library_name"] == "srbench" and values["license"] == "apache-2.0"
    (model,) = values["model-index"]
    (result,) = model["results"]
    assert model["name"] == "IMDN-BAM ×4" and result["dataset"]["name"] == "others"
    scores, bicubic = (published.record[name]["others"] for name in ("scores", "bicubic"))
    assert {one["type"]: one["value"] for one in result["metrics"]} == {
        "psnr": scores["psnr_y"],
        "ssim": scores["ssim_y"],
    }
    record = published.record
    for fact in (record["training"]["recipe_sha256"], record["file"]["sha256"], "zoo:imdn-bam@srbench"):
        assert fact in body
    means = [f"{means['psnr_y']:.3f} / {means['ssim_y']:.4f}" for means in (scores, bicubic)]
    assert f"| others | 2 | {' | '.join(means)} |" in body


def test_compare_pairs_base_and_bam_only_if_trained_equally(folder: Path, images: Path, tmp_path: Path) -> None:
    base, longer = tmp_path / "imdn", tmp_path / "imdn-longer"
    for output, steps in ((base, 2), (longer, 3)):
        recipe = small_recipe(steps=steps, validate_every=2)
        train(small_job(images, output, network="imdn", scale=4, recipe=recipe, seed=5))
    runs = {"imdn-bam": folder, "imdn": base, "imdn-longer": longer}
    for name, trained in runs.items():
        spec = f"zoo:{name.removesuffix('-longer')}@{trained / 'weights.safetensors'}"
        command = ["evaluate", "--model", spec, "--scale", "4", "--dataset", f"folder:{images}", "--output"]
        assert CliRunner().invoke(main, [*command, str(tmp_path / "runs" / name)]).exit_code == 0
    bam, plain, other = (str(tmp_path / "runs" / name) for name in runs)
    alike = CliRunner().invoke(main, ["compare", bam, plain])
    assert alike.exit_code == 0 and "Not made alike" not in alike.stdout
    refused = CliRunner().invoke(main, ["compare", bam, other])
    assert refused.exit_code == 1 and "the steps of A is 2, of B 3" in refused.stderr
    shown = CliRunner().invoke(main, ["compare", bam, other, "--unmatched"])
    assert shown.exit_code == 0 and "Not made alike: the steps of A is 2, of B 3." in shown.stdout
