"""The folder of one training: checkpoint and log while it runs; weights, record and curves when it is finished.

A checkpoint holds everything that the next step depends on, and is written completely or not at all. It is read without
running anything that it might contain.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from srbench.datasets.patch_store import locked
from srbench.errors import TrainingError, WeightsError
from srbench.files import atomic_path, explain, sha256_of, write_atomic
from srbench.images import encode_png
from srbench.journal import differing
from srbench.records.training_documents import TrainingDocument
from srbench.training.curves import Line, curves, thinned
from srbench.training.feeds import FeedsState
from srbench.training.loss_spikes import find_loss_spike
from srbench.training.optimization import OptimizationState
from srbench.training.records import LOG, RECORD, WEIGHTS, checked_record, require_own_files, with_checksum
from srbench.zoo.checkpoints import with_record
from srbench.zoo.networks import Option
from srbench.zoo.reading import CHECKSUM_KEY, read_pickled, tensors_sha256

CURVES, CHECKPOINT, CROPS = "curves.svg", "checkpoint.pt", "held-out"
"""Further files of a training: its curves, the checkpoint while it is unfinished, and a folder of held-out crops."""


class RandomState(TypedDict):
    """The states of torch's random numbers: on the CPU, and on each GPU."""

    cpu: Tensor
    cuda: list[Tensor]


class CheckpointState(TypedDict, total=False):
    """A checkpoint: everything that the next step depends on. `losses` are those since the last line of the log."""

    format: int
    key: Key
    recipe: Mapping[str, object]
    log_size: int
    log_sha256: str
    step: int
    seconds: float
    losses: Tensor
    history: list[Line]
    saturation: dict[str, object]
    started: str
    learner: OptimizationState
    sampler: FeedsState
    random: RandomState


FORMAT = 1
"""Version of the checkpoint's layout."""

Key = dict[str, object]


@dataclass(frozen=True)
class TrainingFolder:
    """The folder of the training with this `key` (network, form, scale, recipe, data, seed).

    `recipe` has the values behind the key's hash, for messages about differences; `options` are those of the network's
    form, for the weights' metadata. Raises TrainingError if the folder holds a different training, or cannot be read or
    written.
    """

    path: Path
    key: Key
    recipe: Mapping[str, object] = field(default_factory=dict)
    options: Mapping[str, Option] = field(default_factory=dict)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Make the folder and lock it. Raises TrainingError if another process trains in it."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TrainingError(explain(error, self.path)) from error
        with ExitStack() as stack:
            try:
                stack.enter_context(locked(self.path, wait=False))
            except BlockingIOError as error:
                raise TrainingError(
                    f"{self.path}: expected a folder that nothing else is training in, got one that "
                    "another process holds; let it finish, or choose another output folder"
                ) from error
            except OSError:
                pass  # a file system without locks
            yield

    def finished(self) -> TrainingDocument | None:
        """Return the record of this training if it is finished; None if its record or its weights are missing."""
        if not (self.path / RECORD).exists():
            return None
        try:
            record = checked_record(self.path)
        except (OSError, ValueError) as error:
            raise TrainingError(
                f"{self.path / RECORD}: expected the record of a training, got a different file "
                f"({error}); choose another output folder"
            ) from error
        self._require_same(record["key"], record["recipe"])
        if not (self.path / WEIGHTS).exists():
            return None
        require_own_files(self.path, record)
        return record

    def checkpoint(self) -> CheckpointState | None:
        """Return the last checkpoint of this training, with tensors on the CPU; None without one."""
        path = self.path / CHECKPOINT
        if not path.exists():
            return None
        try:
            state = read_pickled(path)
        except WeightsError as error:
            raise TrainingError(
                f"{path}: expected a checkpoint, got a damaged or different file ({error}); delete it to "
                "start from the first step"
            ) from error
        if not isinstance(state, dict) or state.get("format") != FORMAT:
            raise TrainingError(
                f"{path}: expected a checkpoint of format {FORMAT}; delete it to start from the first step"
            )
        with readable_checkpoint(self.path):
            # Older checkpoints have only the hash of the recipe.
            self._require_same(state["key"], state.get("recipe", {}))
        return cast(CheckpointState, state)

    def keep(self, state: Mapping[str, object]) -> None:
        """Replace the checkpoint. If that fails (a full disk), the old one is kept."""
        # Saved to memory first, because torch reports failed writes without the system's reason.
        buffer = io.BytesIO()
        data = (self.path / LOG).read_bytes() if (self.path / LOG).exists() else b""
        log = {"log_size": len(data), "log_sha256": hashlib.sha256(data).hexdigest()}
        torch.save({"format": FORMAT, "key": self.key, "recipe": dict(self.recipe), **log, **state}, buffer)
        with atomic_path(self.path / CHECKPOINT, error=TrainingError) as temporary:
            temporary.write_bytes(buffer.getbuffer())

    def rewind(self, state: CheckpointState | None) -> None:
        """Reduce the log to what it was at a checkpoint; None empties it.

        Raises TrainingError for a log that differs from the one that the checkpoint describes.
        """
        if state is None:
            write_atomic(self.path / LOG, "", error=TrainingError)
        elif "log_size" in state:
            self._cut_log(state["log_size"], state["log_sha256"])
        else:  # checkpoints of earlier versions
            lines = (json.dumps(line) + "\n" for line in read_lines(self.path) if line["step"] <= state["step"])
            write_atomic(self.path / LOG, "".join(lines), error=TrainingError)

    def _cut_log(self, size: int, sha256: str) -> None:
        path = self.path / LOG
        data = path.read_bytes()[:size] if path.exists() else b""
        if hashlib.sha256(data).hexdigest() != sha256:
            raise TrainingError(
                f"{path}: expected the log that {CHECKPOINT} next to it describes, got different content; restore it, "
                f"or delete {CHECKPOINT} to start from the first step"
            )
        write_atomic(path, data, error=TrainingError)

    def log(self, line: Line) -> None:
        """Append a line to the log."""
        try:
            with (self.path / LOG).open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(line) + "\n")
        except OSError as error:
            raise TrainingError(f"{explain(error, self.path / LOG)}: it resumes from the last checkpoint") from error

    def last_ssim(self) -> TrainingDocument:
        """Return the SSIM on the held-out images after the last step, from the log; empty where there is none."""
        found = [line["ssim"] for line in read_lines(self.path) if "ssim" in line]
        return {"ssim": found[-1]} if found else {}

    def keep_crops(self, crops: Mapping[str, NDArray[np.uint8]]) -> None:
        """Write crops of held-out images as PNG; they replace earlier ones."""
        for name, image in crops.items():
            write_atomic(self.path / CROPS / f"{name}.png", encode_png(image), error=TrainingError)

    def keep_snapshot(self, name: str, tensors: Mapping[str, Tensor], facts: Mapping[str, object]) -> None:
        """Write weights with a checksum in them, because no record has the hash of their file."""
        self.keep_weights(name, tensors, {**facts, CHECKSUM_KEY: tensors_sha256(tensors)})

    def keep_weights(self, name: str, tensors: Mapping[str, Tensor], facts: Mapping[str, object]) -> None:
        """Write weights as safetensors that `srbench zoo` reads, `facts` in their record."""
        scales, options = self.key.get("scales", [self.key["scale"]]), dict(self.options)
        record = {"network": self.key["network"], "scales": scales, "options": options, **facts}
        write_atomic(self.path / name, with_record(tensors, record), error=TrainingError)

    def finish(self, tensors: Mapping[str, Tensor], facts: Mapping[str, object], record: TrainingDocument) -> None:
        """Write weights (with `facts` in them), curves and record, in this order; then delete the checkpoint.

        The record names a spike of the loss, if there was one.
        """
        self.keep_weights(WEIGHTS, tensors, facts)
        lines = read_lines(self.path)
        drawn = curves({str(self.key["network"]): lines}, title=self.path.name)
        write_atomic(self.path / CURVES, drawn, error=TrainingError)
        spike = find_loss_spike(thinned(lines, "loss"))
        found = {
            **({"loss_spike": spike} if spike else {}),
            "weights_sha256": sha256_of(self.path / WEIGHTS),
            "log_sha256": sha256_of(self.path / LOG),
        }
        # The checksum is for the record as JSON gives it back, with lists instead of tuples.
        plain = json.loads(json.dumps({**record, **found, "key": self.key}))
        text = json.dumps(with_checksum(plain), indent=1, ensure_ascii=False)
        write_atomic(self.path / RECORD, text + "\n", error=TrainingError)
        (self.path / CHECKPOINT).unlink(missing_ok=True)

    def _require_same(self, found: Key, recipe: Mapping[str, object]) -> None:
        if differences := _differences(found, self.key):
            values = {name: recipe[name] for name in self.recipe if name in recipe and name not in ("name", "summary")}
            differences += _differences(values, {name: self.recipe[name] for name in values})
            raise TrainingError(
                f"{self.path} holds a different training: {'; '.join(differences)}; choose another output "
                "folder, or ask for the same training to resume it"
            )


def _differences(there: Mapping[str, object], wanted: Mapping[str, object]) -> list[str]:
    return [f"{name} {there.get(name)!r} there, {wanted.get(name)!r} asked for" for name in differing(there, wanted)]


def read_lines(folder: Path) -> list[Line]:
    """Return the lines of a training's log. A last line that was cut off when the process was killed is left out.

    Raises TrainingError for a damaged log.
    """
    path = folder / LOG
    try:
        texts = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    except (OSError, UnicodeDecodeError) as error:
        raise TrainingError(
            f"{path}: expected the log of a training, got {error}; restore it or train again"
        ) from error
    found = [_line(text) for text in texts]
    if found and found[-1] is None:
        found.pop()
    lines = [line for line in found if line is not None]
    if len(lines) < len(found):
        number = found.index(None) + 1
        raise TrainingError(
            f"{path}, line {number}: expected a JSON object with a step, got {texts[number - 1][:60]!r}; restore the "
            "log or train again in another folder"
        )
    return lines


def _line(text: str) -> Line | None:
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):
        return None
    numbers = isinstance(line, dict) and all(isinstance(value, int | float) for value in line.values())
    return line if numbers and type(line.get("step")) is int else None


@contextmanager
def readable_checkpoint(folder: Path) -> Iterator[None]:
    """Turn the errors that a checkpoint with missing or wrong parts causes into TrainingError."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RuntimeError) as error:
        raise TrainingError(
            f"{folder / CHECKPOINT}: expected the complete state of a training, got one with missing or wrong parts "
            f"({type(error).__name__}: {error}); delete it to start from the first step"
        ) from error
