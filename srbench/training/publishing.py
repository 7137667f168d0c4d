"""Make a catalogue entry from the folder of a finished training: half-precision weights and their record."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from srbench.datasets.imageset import ImageSet, available_datasets, open_dataset
from srbench.errors import SrbenchError, WeightsError
from srbench.files import sha256_of, write_atomic
from srbench.records.record_model import validate
from srbench.records.training import WeightsRecord
from srbench.records.training_documents import (
    PublishedTrainingDocument,
    ScoresDocument,
    StageDocument,
    TrainingDocument,
    WeightsDocument,
)
from srbench.result import evaluate
from srbench.training.loss_spikes import find_loss_spike, loss_spike_warning
from srbench.training.records import WEIGHTS, as_one, read_training
from srbench.training.resume_from import end_to_end, form_of, loss_curve
from srbench.training.training_data import find_training_images
from srbench.zoo.blocks import SRNetwork
from srbench.zoo.checkpoints import Architecture, fill, halved, with_record
from srbench.zoo.networks import find_variant
from srbench.zoo.reading import read_checkpoint
from srbench.zoo.trained import (
    FOLDER,
    LARGEST_KEPT,
    LARGEST_PACKAGED,
    RECORD_VERSION,
    WEIGHTS_FOLDER,
    read_record,
    scales_of,
    weights_name,
)
from srbench.zoo.weights_catalogue import times

LARGEST_CHANGE = 0.002
"""By how many dB the mean PSNR of a set may move when the weights are stored in half precision."""

PROTOCOL = "matlab-y"
"""The protocol of the scores in a record."""

_METRICS = ("psnr_y", "ssim_y")
_SETS = ("Set5", "Set14", "BSD100", "Urban100", "Manga109")
_CPU_NOTE = "trained on a CPU within a small budget, until a longer training replaces it"


@dataclass(frozen=True)
class Published:
    """A written catalogue entry: the weights file and its record.

    `remarks` say which sets it was not scored on, and why, and that its loss spiked, if it did.
    """

    weights: Path
    record: WeightsDocument
    remarks: tuple[str, ...] = ()


def publish(
    folder: Path,
    *,
    data_root: Path | None = None,
    licence: str = "Apache-2.0",
    replace: bool = False,
    packaged: Path = FOLDER,
    larger: Path = WEIGHTS_FOLDER,
) -> Published:
    """Store the weights of a finished training in half precision, scored on every benchmark set found locally.

    Sets that share images with the training set are left out, and the record says so.

    Files up to `LARGEST_PACKAGED` bytes go to `packaged`, larger ones to `larger`; the record always to `packaged`.

    Raises:
        TrainingError: no finished training in the folder, or weights that are not its own.
        WeightsError: half precision moves the mean PSNR of a set by `LARGEST_CHANGE` or more, the file is too large to
            be kept, every set shares images with the training set, or there is an entry for one of the scales already
            and `replace` is not set.
    """
    trained = read_training(folder)
    scales = tuple(trained.get("scales") or (trained["scale"],))
    replaced = _replaced(trained["network"], scales, packaged, replace=replace)
    name = weights_name(trained["network"], *scales)
    record_path = (packaged / name).with_suffix(".json")
    options = find_variant(trained["network"]).network.form_options(form_of(trained))
    fit = Architecture(trained["network"], trained["scale"], tuple(options.items()))
    sets, remarks = _unseen(benchmark_sets(data_root), trained, data_root)
    training = _training(trained, folder)
    if spike := find_loss_spike(training["loss"]):
        remarks.append(loss_spike_warning(spike))
    full = fill(fit, read_checkpoint(folder / WEIGHTS))
    state = halved(full.state_dict())
    half = fit.build()
    half.load_state_dict(state, strict=True)
    scores = {scale: _scores(full, half, sets, scale) for scale in scales}
    cpu = [_CPU_NOTE] if trained["environment"]["device"] == "cpu" else []
    record = _record(fit, training, scores, licence=licence, note="; ".join([*cpu, *remarks]))
    weights = _write_weights(state, record, name, packaged, larger)
    size, sha256 = weights.stat().st_size, sha256_of(weights)
    record["file"] = {"name": name, "size": size, "sha256": sha256}
    validate(WeightsRecord, record, record_path.name, error=WeightsError)
    write_atomic(record_path, json.dumps(record, indent=1, ensure_ascii=False) + "\n", error=WeightsError)
    for path in replaced:
        _remove(path, packaged, larger, keep=name)
    return Published(weights, record, tuple(remarks))


def _record(
    fit: Architecture,
    training: PublishedTrainingDocument,
    scores: Mapping[int, ScoresDocument],
    *,
    licence: str,
    note: str,
) -> WeightsDocument:
    """Return the record of weights without their file, from the scores of each scale."""
    measured = scores[fit.scale]
    record: WeightsDocument = {
        "schema_version": RECORD_VERSION,
        "network": fit.network,
        "scale": fit.scale,
        "options": dict(fit.options),
        "licence": licence,
        "training": training,
        "protocol": PROTOCOL,
        "scores": measured["scores"],
        "bicubic": measured["bicubic"],
        "half_precision": measured["half_precision"],
        "note": note,
    }
    if len(scores) > 1:
        others = {str(scale): found for scale, found in scores.items() if scale != fit.scale}
        record |= {"scales": list(scores), "other_scales": others}
    return record


def _scores(full: SRNetwork, half: SRNetwork, sets: Sequence[ImageSet], scale: int) -> ScoresDocument:
    """Score the weights at one scale, in full and in half precision."""
    full.scale = half.scale = scale
    means = _means(half, sets, scale)
    return {
        "scores": means,
        "bicubic": _means("bicubic", sets, scale),
        "half_precision": {"psnr_y_change": _changes(_means(full, sets, scale), means)},
    }


def _replaced(network: str, scales: tuple[int, ...], packaged: Path, *, replace: bool) -> list[Path]:
    """Return the records of existing entries for one of the scales.

    Raises WeightsError if there are any without `replace`, or one that serves further scales.
    """
    found = []
    for path in sorted(packaged.glob("*.json")):
        record = read_record(path)
        served = scales_of(record)
        if record["network"] != network or not set(served) & set(scales):
            continue
        if not replace:
            raise WeightsError(
                f"{path} is there already, from seed {record['training']['seed']}; --replace publishes over it"
            )
        if further := set(served) - set(scales):
            raise WeightsError(
                f"{path}: expected an entry for {times(scales)} to replace, got one that also serves "
                f"{times(sorted(further))}; publish a training of all of them"
            )
        found.append(path)
    return found


def _remove(record: Path, packaged: Path, larger: Path, *, keep: str) -> None:
    """Remove an entry that a new entry with a different name replaces."""
    weights = read_record(record)["file"]["name"]
    if weights == keep:
        return
    for path in (record, packaged / weights, larger / weights):
        path.unlink(missing_ok=True)


def benchmark_sets(data_root: Path | None) -> list[ImageSet]:
    """Return the complete benchmark sets found locally, or else the embedded Sample."""
    found = [open_dataset(name, data_root=data_root) for name in available_datasets(data_root) if name in _SETS]
    return [images for images in found if len(images) == images.n_expected] or [open_dataset("Sample")]


def _unseen(
    sets: list[ImageSet], trained: TrainingDocument, data_root: Path | None
) -> tuple[list[ImageSet], list[str]]:
    """Return the sets without images of the training set, or else the embedded Sample, and a remark on each set left
    out.
    """
    seen = _training_pixels(trained, data_root)
    shared = {images.name: len(seen & set(images.pixel_hashes.values())) for images in sets}
    remarks = [
        f"not scored on {name}, {count} of whose images are in the training set"
        for name, count in shared.items()
        if count
    ]
    left = [images for images in sets if not shared[images.name]] or [open_dataset("Sample")]
    if seen & {pixels for images in left for pixels in images.pixel_hashes.values()}:
        raise WeightsError(
            "expected a benchmark set without images of the training set, got none; name a folder that "
            "holds one with --data-root"
        )
    return left, remarks


def _training_pixels(trained: TrainingDocument, data_root: Path | None) -> frozenset[str]:
    """Return the hashes of all images of a training set, including the held-out ones."""
    if "pixels" in trained:
        return frozenset(trained["pixels"])
    # Older records have only the fingerprint of the set, so its images are read if they are still there.
    try:
        images = find_training_images(trained["train_set"]["name"], data_root)
        same = images.fingerprint == trained["train_set"]["fingerprint"]
    except SrbenchError:
        return frozenset()
    return frozenset(images.pixel_hashes.values()) if same else frozenset()


def _training(trained: TrainingDocument, folder: Path) -> PublishedTrainingDocument:
    """Return how the weights were trained, for their record, with everything needed to repeat the training.

    Earlier stages are in it as parts of one training; `stages` has them one by one.
    """
    recipe, images = trained["recipe"], trained["train_set"]
    history, loss = end_to_end(trained, loss_curve(folder))
    # A set given by its path is identified by its fingerprint; the folder on this machine is left out.
    name = Path(images["name"].removeprefix("folder:")).name
    available = images["images"] + len(trained["held_out"])
    total = as_one(trained)
    document: PublishedTrainingDocument = {
        "recipe": total["recipe"],
        "recipe_sha256": total["recipe_sha256"],
        "steps": total["steps"],
        "patches": total["patches"],
        "seconds": total["seconds"],
        "history": history,
        "loss": loss,
        "data": f"{name}, {images['images']} of {available} images",
        "fingerprint": images["fingerprint"],
        "seed": trained["seed"],
        "device": trained["environment"]["device"],
        "recipe_values": recipe,
        "protocol": trained["protocol"],
        "psnr": trained["psnr"],
        "held_out": trained["held_out"],
        "started": trained["started"],
        "processes": trained["processes"],
        "accumulate": trained["accumulate"],
        "compiled": trained["compiled"],
        "graphs": trained["graphs"],
        "environment": trained["environment"],
    }
    if "init" in trained:
        document["init"] = trained["init"]
    if trained.get("scales"):
        document["scales"] = trained["scales"]
    if "form" in trained:
        document["form"] = trained["form"]
    if "saturation" in trained:
        document["saturation"] = trained["saturation"]
    if "time_limit" in trained:
        document["time_limit"] = trained["time_limit"]
    document["stages"] = [_stage(stage) for stage in trained.get("stages", ())]
    return document


def _stage(stage: StageDocument) -> dict[str, object]:
    """Return an earlier stage without its curves, which are part of those of the training."""
    return {
        "recipe": stage["recipe"],
        "recipe_sha256": stage["recipe_sha256"],
        "steps": stage["steps"],
        "patches": stage["patches"],
        "seed": stage["seed"],
        "seconds": stage["seconds"],
        "weights_sha256": stage["weights_sha256"],
        "fingerprint": stage["train_set"]["fingerprint"],
    }


def _means(model: nn.Module | str, sets: Sequence[ImageSet], scale: int) -> dict[str, dict[str, float]]:
    scores = evaluate(model, sets, scale=scale, protocol=PROTOCOL).scores
    return {
        str(name): {**{metric: round(float(rows[metric].mean()), 5) for metric in _METRICS}, "images": len(rows)}
        for name, rows in scores.groupby("dataset", sort=False)
    }


def _changes(full: Mapping[str, Mapping[str, float]], half: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    changes = {name: round(half[name]["psnr_y"] - means["psnr_y"], 5) for name, means in full.items()}
    if moved := {name: change for name, change in changes.items() if abs(change) >= LARGEST_CHANGE}:
        raise WeightsError(
            f"expected half precision to move the mean PSNR by less than {LARGEST_CHANGE} dB, "
            f"got {moved}; these weights cannot be kept in half precision"
        )
    return changes


def _write_weights(state: dict[str, Tensor], record: WeightsDocument, name: str, packaged: Path, larger: Path) -> Path:
    size = sum(value.numel() * value.element_size() for value in state.values())
    if size > LARGEST_KEPT:
        raise WeightsError(f"expected weights of at most {LARGEST_KEPT} bytes, got {size}; larger ones are not kept")
    target = (packaged if size <= 0.98 * LARGEST_PACKAGED else larger) / name
    training = record["training"]
    facts = {
        "network": record["network"],
        "scales": list(scales_of(record)),
        "options": record["options"],
        "train_set": training["data"],
        **{key: training[key] for key in ("recipe", "recipe_sha256", "steps", "seed", "fingerprint")},
        **({"init": training["init"]} if "init" in training else {}),
    }
    write_atomic(target, with_record(state, facts), error=WeightsError)
    return target
