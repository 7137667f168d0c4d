"""The loop: batches in, steps, measurements and checkpoints out; the same for one process and for many."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor
from tqdm import tqdm

from srbench.datasets.patches import Draw, PatchFeed
from srbench.environment import describe_environment
from srbench.errors import DivergedError, TrainingError
from srbench.files import write_atomic
from srbench.training.curves import Line
from srbench.training.data import TrainingData, open_training_data
from srbench.training.folder import TrainingFolder
from srbench.training.learner import Learner, Speed, learning_rate
from srbench.training.processes import World, join_world
from srbench.training.recipe import LARGEST_SEED, SEED_RANGE, Recipe
from srbench.training.records import as_one, snapshot_name
from srbench.training.stages import Stage, read_stage
from srbench.training.validation import PROTOCOL, held_out_psnr
from srbench.zoo.building import build
from srbench.zoo.compiling import explained
from srbench.zoo.networks import TRAINED_FORM, Form, find_variant

BAD_BATCH = "non-finite.safetensors"
"""Where the batches are kept whose loss was not finite."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One training: what is trained on what, where it is kept, and how it is run.

    Network, form, scale, recipe, images and seed decide the result; the rest decides how fast it comes.
    Raises TrainingError for a number that is out of range.

    Attributes:
        form: how the network computes inside; see `srbench.zoo.networks.Form`.
        seed: 0 to 2^63 - 1.
        train_set: a dataset's name, a folder under the data root, or a path.
        start: the folder of a finished training of this network, whose weights this one goes on from.
        checkpoint_every: steps between two checkpoints; None writes one about every `checkpoint_seconds`.
        snapshots: percentages of the steps at which the weights so far are kept as `weights-25.safetensors` and so on.
    """

    network: str
    scale: int
    recipe: Recipe
    train_set: str
    output: Path
    form: Form = TRAINED_FORM
    seed: int = 0
    start: Path | None = None
    data_root: Path | None = None
    device: str = "auto"
    speed: Speed = field(default_factory=Speed)
    checkpoint_every: int | None = None
    checkpoint_seconds: float = 60.0
    log_every: int = 20
    snapshots: tuple[int, ...] = ()
    progress: bool = True

    def __post_init__(self) -> None:
        ranges = [
            ("seed", self.seed, range(LARGEST_SEED + 1), SEED_RANGE),
            *(("snapshot", percent, range(1, 101), "from 1 to 100") for percent in self.snapshots),
        ]
        if self.checkpoint_every is not None:
            ranges.append(("checkpoint-every", self.checkpoint_every, range(1, LARGEST_SEED), "of at least 1"))
        for name, value, allowed, told in ranges:
            if type(value) is not int or value not in allowed:
                raise TrainingError(f"{name}: expected a whole number {told}, got {value!r}")


def train(job: Job) -> dict[str, Any]:
    """Train, or go on with what the output folder holds, until the recipe's last step; the record of the training.

    A folder that holds this very training finished is left as it is. Under torchrun every process calls this.

    Raises:
        TrainingError: another training in the folder, another process that trains there, a start that is none, a
            snapshot whose step has passed, a batch that does not divide, too little memory, a process that ended, a
            full disk.
        DivergedError: a loss that is not finite; the batch is saved.
        DatasetError: images that are missing or smaller than the patch.
    """
    # Before images are packed: a mistyped network should not have to wait for that.
    build(job.network, scale=job.scale, device="meta", form=job.form)
    variant = find_variant(job.network)
    name, options = variant.name, variant.network.form_options(job.form)
    stage = read_stage(job.start, network=name, scale=job.scale, options=options) if job.start else None
    with join_world(job.device) as world:
        data = open_training_data(job.train_set, job.recipe, scale=job.scale, root=job.data_root)
        if stage:
            stage.require_same_images(data.fingerprint, job.recipe)
        folder = TrainingFolder(job.output, _key(job, name, data, stage), job.recipe.document(), options)
        record = folder.finished()
        if record is None:
            with folder.held() if world.leads else nullcontext():
                # Another process may have finished it just now.
                record = folder.finished() or _Training(job, world, data, folder, stage).run()
        _require_snapshots(job, job.recipe.steps)
        return record


def _key(job: Job, network: str, data: TrainingData, stage: Stage | None) -> dict[str, Any]:
    key = {
        "network": network,
        "scale": job.scale,
        "recipe": job.recipe.name,
        "recipe_sha256": job.recipe.sha256,
        "train_set": data.fingerprint,
        "seed": job.seed,
    }
    # Only where it differs from the authors' form: keys of earlier trainings stay as they are.
    form = {"form": job.form} if find_variant(network).network.form_options(job.form) else {}
    return key | form | ({"start": stage.sha256} if stage else {})


class _Training:
    """One run of `train`: what it holds between the steps."""

    def __init__(self, job: Job, world: World, data: TrainingData, folder: TrainingFolder, stage: Stage | None) -> None:
        self.job, self.world, self.data, self.folder = job, world, data, folder
        self.stages = stage.told if stage else ()
        self.share = _share(job, world)
        with _enough_memory(lambda: _little(world, f"{job.network} and what is kept to train it")):
            torch.manual_seed(job.seed)
            network = build(job.network, scale=job.scale, form=job.form)
            if stage:
                network.load_state_dict(stage.weights, strict=True)
            self.learner = Learner(network, job.recipe, world, job.speed)
            self.feed = PatchFeed(
                data.plan(job.recipe, job.seed),
                batch=job.recipe.batch,
                device=world.device,
                resident=_fits(data, world.device),
            )
        self.step, self.seconds, self.psnr = 0, 0.0, float("nan")
        self.losses: list[Tensor] = []
        self.history: list[Line] = []
        self.started = datetime.now(UTC).isoformat(timespec="seconds")

    def run(self) -> dict[str, Any]:
        self._resume()
        _require_snapshots(self.job, self.step)
        recipe, clock = self.job.recipe, time.monotonic()
        saved, before = clock, self.seconds
        with self._bar() as bar:
            while self.step < recipe.steps:
                self._learn()
                self.seconds = before + time.monotonic() - clock
                bar.update(recipe.batch)
                if self._due(self.job.log_every):
                    self._report(bar)
                if recipe.held_out and self._due(recipe.validate_every):
                    self._validate()
                self._snapshot()
                if self._checkpoint_due(saved):
                    self._save()
                    saved = time.monotonic()
        return self._finish()

    def _learn(self) -> None:
        draw = self.feed.sampler.draw(self.job.recipe.batch)
        with _enough_memory(lambda: _too_large(self.job, self.world)), explained(TrainingError, "--compile"):
            self.losses.append(self.learner.step(self._parts(draw), self.step))
        self.step += 1

    def _parts(self, draw: Draw) -> Iterator[tuple[Tensor, Tensor]]:
        """This process' share of a global batch, in the pieces that are accumulated."""
        first = self.world.rank * self.share * self.job.speed.accumulate
        for piece in range(self.job.speed.accumulate):
            start = first + piece * self.share
            yield self.feed.read(draw[start : start + self.share])

    def _due(self, every: int) -> bool:
        return self.step % every == 0 or self.step == self.job.recipe.steps

    def _checkpoint_due(self, saved: float) -> bool:
        if self.job.checkpoint_every:
            return self.step % self.job.checkpoint_every == 0
        return time.monotonic() - saved >= self.job.checkpoint_seconds

    def _report(self, bar: tqdm[Any]) -> None:
        """Log the mean loss since the last report; asking for it is what makes a GPU's queue run dry, so it is rare."""
        mean, norm = self._checked_losses().mean(0).tolist()
        self.losses = []
        self._log(
            {
                "step": self.step,
                "loss": mean,
                "gradient_norm": norm,
                "learning_rate": learning_rate(self.job.recipe, self.step - 1),
                "seconds": round(self.seconds, 3),
                "patches_per_second": round(self.step * self.job.recipe.batch / self.seconds, 1),
            }
        )
        bar.set_postfix(loss=f"{mean:.4f}", psnr=f"{self.psnr:.3f}" if self.history else "-", refresh=False)

    def _validate(self) -> None:
        self._checked_losses()
        if self.data.held_out is None or not self.world.leads:
            return
        images = "a whole held-out image at a time", "hold out smaller ones with --set held_out=NAME,NAME or "
        with _enough_memory(lambda: _little(self.world, *images)), self.learner.averaged() as network:
            self.psnr = held_out_psnr(network, self.data.held_out, self.world.device)
        self.history.append({"step": self.step, "psnr": self.psnr})
        self._log(self.history[-1])

    def _snapshot(self) -> None:
        for percent in self.job.snapshots:
            if self.step == _step_of(percent, self.job) and self.world.leads:
                self._checked_losses()
                self.folder.keep_weights(snapshot_name(percent), self.learner.result(), {"steps": self.step})

    def _save(self) -> None:
        losses = self._checked_losses()
        if not self.world.leads:
            return
        self.folder.keep(
            {
                "step": self.step,
                "seconds": self.seconds,
                "losses": losses,
                "history": self.history,
                "started": self.started,
                "learner": self.learner.state_dict(),
                "sampler": self.feed.state_dict(),
                "random": {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state_all()},
            }
        )

    def _resume(self) -> None:
        state = self.folder.checkpoint()
        self.world.require_same(state["step"] if state else 0, "checkpoint")
        if self.world.leads:
            self.folder.rewind(state["step"] if state else 0)
        if state is None:
            return
        self.step, self.seconds, self.started = state["step"], state["seconds"], state["started"]
        self.losses = list(state["losses"].to(self.world.device))
        self.history = state["history"]
        self.psnr = self.history[-1]["psnr"] if self.history else self.psnr
        self.learner.load_state_dict(state["learner"])
        self.feed.load_state_dict(state["sampler"])
        torch.set_rng_state(state["random"]["cpu"])
        if len(state["random"]["cuda"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(state["random"]["cuda"])

    def _checked_losses(self) -> Tensor:
        """Loss and gradient norm of the steps since the last report, N×2 on the CPU.

        Raises DivergedError where one is not finite; the batch is saved first.
        """
        losses = torch.stack(self.losses).cpu() if self.losses else torch.zeros(0, 2)
        bad = (~losses.isfinite().all(1)).nonzero().flatten().tolist()
        if not bad:
            return losses
        step = self.step - len(losses) + bad[0]
        path = self.job.output / BAD_BATCH
        if self.world.leads:
            lr, hr = self.feed.read(self._draw_of(step))
            data = save({"lr": lr.cpu().contiguous(), "hr": hr.cpu().contiguous()}, metadata={"step": str(step)})
            write_atomic(path, data, error=TrainingError)
        loss, norm = losses[bad[0]].tolist()
        raise DivergedError(
            f"expected a finite loss and gradient, got {loss} and {norm} at step {step}; its batch is "
            f"in {path}; the last checkpoint is from before it: try a lower learning_rate, clip=1 or "
            "precision=fp32 in another output folder"
        )

    def _draw_of(self, step: int) -> Draw:
        """The global batch of a step again: the stream of patches is a function of the seed."""
        plan = self.feed.sampler.plan
        epoch, position = divmod(step * self.job.recipe.batch, len(plan))
        self.feed.load_state_dict({**self.feed.state_dict(), "epoch": epoch, "position": position})
        return self.feed.sampler.draw(self.job.recipe.batch)

    def _log(self, line: Line) -> None:
        if self.world.leads:
            self.folder.log(line)

    def _bar(self) -> tqdm[Any]:
        recipe, shown = self.job.recipe, self.job.progress and self.world.leads
        return tqdm(
            total=recipe.steps * recipe.batch,
            initial=self.step * recipe.batch,
            unit="patch",
            desc=f"{self.job.network} ×{self.job.scale}",
            disable=None if shown else True,
        )

    def _finish(self) -> dict[str, Any]:
        record = self._record()
        if self.world.leads:
            whole = as_one(record)
            facts = {
                **{key: whole[key] for key in ("recipe", "recipe_sha256", "steps")},
                "seed": record["seed"],
                "train_set": record["train_set"]["name"],
            }
            self.folder.finish(self.learner.result(), facts, record)
        self.world.wait()
        return record

    def _record(self) -> dict[str, Any]:
        job, recipe = self.job, self.job.recipe
        epochs = self.step * recipe.batch / len(self.feed.sampler.plan)
        return {
            "network": self.folder.key["network"],
            "scale": job.scale,
            "form": job.form,
            "seed": job.seed,
            "steps": self.step,
            "recipe": recipe.document(),
            "recipe_sha256": recipe.sha256,
            **({"stages": list(self.stages)} if self.stages else {}),
            "train_set": {"name": self.data.name, "fingerprint": self.data.fingerprint, "images": self.data.images},
            "held_out": list(recipe.held_out),
            "patches": self.step * recipe.batch,
            "epochs": round(epochs, 2),
            "protocol": PROTOCOL,
            "history": self.history,
            "psnr": self.history[-1]["psnr"] if self.history else None,
            "started": self.started,
            "seconds": round(self.seconds, 1),
            "pixels": list(self.data.pixels),
            "processes": self.world.size,
            "accumulate": job.speed.accumulate,
            "compiled": job.speed.compiled,
            "graphs": job.speed.graphs,
            "environment": describe_environment(self.world.device),
        }


def _step_of(percent: int, job: Job) -> int:
    return max(1, job.recipe.steps * percent // 100)


def _require_snapshots(job: Job, step: int) -> None:
    """Raises TrainingError where weights are asked for that should have been kept at a step which has passed."""
    for percent in job.snapshots:
        if _step_of(percent, job) <= step and not (job.output / snapshot_name(percent)).exists():
            raise TrainingError(
                f"{job.output}: expected weights at {percent} % of the steps to be there by now, for "
                f"step {_step_of(percent, job)} has passed, got none; leave out --snapshot {percent}, "
                "or train anew in another output folder"
            )


def _share(job: Job, world: World) -> int:
    """Patches of one forward pass. Raises TrainingError unless the batch divides into such parts."""
    parts = world.size * job.speed.accumulate
    if parts < 1 or job.recipe.batch % parts:
        raise TrainingError(
            f"expected a batch that divides into {world.size} processes × {job.speed.accumulate} "
            f"accumulations, got {job.recipe.batch}; take numbers whose product divides it"
        )
    return job.recipe.batch // parts


def _fits(data: TrainingData, device: torch.device) -> bool:
    """Whether the whole store may lie on the device: it then takes less than half of what is free."""
    if device.type != "cuda":
        return False
    return 2 * (len(data.train.lr) + len(data.train.hr)) < torch.cuda.mem_get_info(device)[0]


@contextmanager
def _enough_memory(told: Callable[[], str]) -> Iterator[None]:
    """Raises TrainingError, with what is `told`, where memory runs out inside."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        # On the CPU torch has no exception of its own for it, nor on a GPU for what its libraries and graphs lack.
        said = ("can't allocate memory", "out of memory", "ALLOC_FAILED")
        if not isinstance(error, torch.OutOfMemoryError | MemoryError) and not any(one in str(error) for one in said):
            raise
        raise TrainingError(told()) from error


def _little(world: World, what: str, way: str = "") -> str:
    return f"expected enough memory on {world.device} for {what}, got too little; {way}use a device with more"


def _too_large(job: Job, world: World) -> str:
    now = job.speed.accumulate
    larger = next(
        (
            now * factor
            for factor in range(2, job.recipe.batch + 1)
            if job.recipe.batch % (world.size * now * factor) == 0
        ),
        None,
    )
    way = f"try --accumulate {larger}: the same training in smaller pieces" if larger else "use a device with more"
    return (
        f"expected enough memory on {world.device} for {_share(job, world)} patches of {job.recipe.patch}×"
        f"{job.recipe.patch} LR pixels at a time, got too little; {way}"
    )
