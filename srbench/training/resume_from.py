"""Trainings in stages: continue a finished training, and report all stages as one training."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from torch import Tensor

from srbench.errors import TrainingError, WeightsError
from srbench.files import sha256_of
from srbench.records.training_documents import InitDocument, StageDocument, TrainingDocument
from srbench.training.curves import Line, thinned
from srbench.training.folder import read_lines
from srbench.training.recipe import Recipe, recipe_from
from srbench.training.records import WEIGHTS, read_training
from srbench.training.training_data import TrainingData, held_out_names
from srbench.zoo.networks import Form, Option, find_variant
from srbench.zoo.reading import read_checkpoint


@dataclass(frozen=True)
class Stage:
    """A finished training that another one continues: its weights, the hash of their file, and its stages.

    `stages` has the facts of each earlier stage, in order. `init` describes the transfer that the first stage started
    from, if any.
    """

    weights: dict[str, Tensor]
    sha256: str
    stages: tuple[StageDocument, ...]
    form: Form
    init: InitDocument | None

    def require_same_images(self, data: TrainingData, recipe: Recipe) -> None:
        """Raise TrainingError unless all stages used the same images and held out all images that are held out now."""
        for stage in self.stages:
            name = stage["recipe"]["name"]
            if stage["train_set"]["fingerprint"] != data.fingerprint:
                other = stage["train_set"]["name"]
                raise TrainingError(
                    f"--start: expected a training on the same images, got one on {other} ({name}); "
                    "stages share their images"
                )
            if seen := sorted(
                set(data.held_out_names) - set(held_out_names(recipe_from(stage["recipe"]), data.ranked))
            ):
                raise TrainingError(
                    f"--start: expected a training that held out all that {recipe.name} holds out, got "
                    f"{name}, which trained on {', '.join(seen[:5])}"
                )


def read_stage(folder: Path, *, network: str, scale: int, form: Form | None) -> Stage:
    """Read the finished training in a folder. Network, scale and form (None: any) must be equal.

    Raises TrainingError if there is no finished training, if the weights do not belong to it, or if network, scale or
    form differ.
    """
    record = read_training(folder)
    try:
        weights, sha256 = read_checkpoint(folder / WEIGHTS).state, sha256_of(folder / WEIGHTS)
    except (OSError, WeightsError) as error:
        raise TrainingError(
            f"--start {folder}: expected the weights of a finished training, got none ({error}); train "
            "it again in another folder"
        ) from error
    if (record["network"], record["scale"]) != (network, scale):
        raise TrainingError(
            f"--start {folder}: expected a training of {network} ×{scale}, got one of "
            f"{record['network']} ×{record['scale']}; stages share network and scale"
        )
    own = form_of(record)
    if form and _form_options(network, form) != _form_options(network, own):
        raise TrainingError(
            f"--start {folder}: expected a training in the form {form}, got one in the form {own}; leave out --form"
        )
    last: StageDocument = {
        "recipe": record["recipe"],
        "recipe_sha256": record["recipe_sha256"],
        "steps": record["steps"],
        "patches": record["patches"],
        "seed": record["seed"],
        "seconds": record["seconds"],
        "train_set": record["train_set"],
        "history": record["history"],
        "loss": loss_curve(folder),
        "weights_sha256": sha256,
    }
    return Stage(weights, sha256, (*record.get("stages", ()), last), own, record.get("init"))


def _form_options(network: str, form: Form) -> dict[str, Option]:
    return find_variant(network).network.form_options(form)


def form_of(record: TrainingDocument) -> Form:
    """Return the form of a training's record; older records without a form have the authors' form."""
    return record.get("form", "authors")


def loss_curve(folder: Path) -> list[Line]:
    """Return the loss over the steps of the training in a folder, with as many points as a chart shows."""
    return thinned(read_lines(folder), "loss")


def end_to_end(record: TrainingDocument, loss: list[Line]) -> tuple[list[Line], list[Line]]:
    """Return `history` and `loss` of a record and its earlier stages, with steps counted from the first stage."""
    stages = record.get("stages", [])
    steps = [stage["steps"] for stage in stages]
    history = _joined([*(stage["history"] for stage in stages), record["history"]], steps)
    return history, _joined([*(stage["loss"] for stage in stages), loss], steps)


def _joined(curves: list[list[Line]], steps: list[int]) -> list[Line]:
    """Join the curves of stages; `steps` counts those of every stage but the last."""
    return [
        {**line, "step": before + line["step"]}
        for curve, before in zip(curves, accumulate(steps, initial=0), strict=True)
        for line in curve
    ]
