"""The training loop: read batches, make steps, measure and write checkpoints, with one process or several."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import NoReturn

import torch
from safetensors.torch import save
from torch import Tensor
from tqdm import tqdm

from srbench.datasets.patches import Draw, PatchFeed
from srbench.environment import describe_environment
from srbench.errors import DivergedError, TrainingError
from srbench.files import write_atomic
from srbench.records.training_documents import TrainingDocument
from srbench.training import clock
from srbench.training.curves import Line
from srbench.training.feeds import Feeds
from srbench.training.folder import CheckpointState, TrainingFolder, readable_checkpoint
from srbench.training.job import Job, require_snapshots, share_of, step_of
from srbench.training.memory import enough_memory, too_large, too_little_for
from srbench.training.optimization import Optimization, learning_rate
from srbench.training.own_networks import build_network, without_prefix
from srbench.training.processes import DistContext, join_processes
from srbench.training.progress import ProgressLines, say
from srbench.training.records import as_one, snapshot_name
from srbench.training.saturation import describe, measure
from srbench.training.starting import Start, key_of
from srbench.training.stopping import StopRequest, stop_on_signal
from srbench.training.timing import bf16_warning
from srbench.training.tracking import Tracker, require_tracker, tracked
from srbench.training.training_data import TrainingData, open_training_data
from srbench.training.validation import PROTOCOL, held_out_scores
from srbench.zoo.compiling import explained
from srbench.zoo.weights_catalogue import times

CHECKPOINT_SHARE = 0.02
"""The largest share of the time that checkpoints take, unless their number of steps is given."""

BAD_BATCH = "non-finite.safetensors"
"""Where the batches are kept whose loss was not finite."""


def train(job: Job) -> TrainingDocument:
    """Train, or resume the training in the output folder, until the recipe's last step; return the record.

    A folder that already holds this training, finished, is not changed. A job with `pause_at` gives `paused` (the step)
    and `seconds` in place of a record, unless it is finished. Under torchrun every process calls this.

    Raises:
        TrainingError: another training in the folder, another process that trains there, a start that cannot be used, a
            snapshot whose step has passed, a batch that does not divide, too little memory, a process that ended, a
            full disk.
        DivergedError: a loss that is not finite; the batch is saved.
        DatasetError: images that are missing or smaller than the patch.
    """
    require_tracker(job.track)
    start = Start.of(job)
    with join_processes(job.device) as world:
        pairs = {
            scale: open_training_data(job.train_set, job.recipe, scale=scale, root=job.data_root)
            for scale in job.all_scales
        }
        data = pairs[job.scale]
        start.require_fitting(data, job)
        folder = TrainingFolder(job.output, key_of(job, start, data), job.recipe.document(), start.options)
        record = folder.finished()
        if record is None:
            with folder.held() if world.leads else nullcontext():
                # Another process may have finished it just now.
                record = folder.finished() or _begun(job, world, pairs, folder, start).run()
        if job.pause_at is None:
            require_snapshots(job, job.last_step)
        return record


def _begun(
    job: Job, world: DistContext, pairs: Mapping[int, TrainingData], folder: TrainingFolder, start: Start
) -> _Training:
    if world.size == 1 and job.progress and (warning := bf16_warning(job, world, form=start.form)):
        say(f"warning: {warning}")
    return _Training(job, world, pairs, folder, start)


class _Training:
    """One run of `train`, with its state between steps."""

    def __init__(
        self, job: Job, world: DistContext, pairs: Mapping[int, TrainingData], folder: TrainingFolder, start: Start
    ) -> None:
        self.job, self.world, self.pairs, self.folder, self.start = job, world, pairs, folder, start
        self.data = pairs[job.scale]
        self.stages = start.stage.stages if start.stage else ()
        self.share = share_of(job, world)
        with enough_memory(lambda: too_little_for(world, f"{job.network} and what is kept to train it")):
            torch.manual_seed(job.seed)
            network = build_network(job, form=start.form)
            start.fill(network)
            self.optimization = Optimization(network, job.recipe, world, job.speed)
            self.feeds = Feeds(pairs, job.recipe, job.seed, world.device)
        self.step, self.seconds, self.psnr, self.save_seconds = 0, 0.0, float("nan"), 0.0
        self.tracker: Tracker | None = None
        self.losses: list[Tensor] = []
        self.history: list[Line] = []
        self.saturation: dict[str, object] = {}
        self.started = datetime.now(UTC).isoformat(timespec="seconds")

    def run(self) -> TrainingDocument:
        self._resume()
        require_snapshots(self.job, self.step)
        if self.step == 0:
            self.saturation = self._measured_saturation("at initialisation")
        recipe, begun = self.job.recipe, clock.now()
        saved, before = begun, self.seconds
        lines = self._progress_lines()
        tracker = tracked(self.job.track if self.world.leads else None, self.job.output, self.step)
        with self._bar() as bar, stop_on_signal() as request, tracker as self.tracker:
            if self.step == 0 and self.start.transfer and recipe.held_out:
                self._validate()
            while self.step < (self.job.pause_at or self.job.last_step):
                self._learn()
                self.seconds = before + clock.now() - begun
                bar.update(recipe.batch)
                lines.tick(self.step, lambda: float(self.losses[-1][0]))
                if recipe.held_out and self._due(recipe.validate_every):
                    self._validate()
                if self._due(self.job.log_every):
                    lines.step(self.step, self._report(bar), self.psnr if self.history else None)
                self._snapshot()
                if self._checkpoint_due(saved):
                    saved = self._timed_save()
                self._require_time()
                self._require_no_stop(request)
        return self._finish() if self.job.pause_at is None else self._pause()

    def _progress_lines(self) -> ProgressLines:
        job, shown = self.job, self.job.progress and self.world.leads
        what = f"{self.start.network} {times(job.all_scales)}, recipe {job.recipe.name}, seed {job.seed}"
        return ProgressLines(what, job.output, job.last_step, job.recipe.batch, job.print_every, shown)

    def _require_no_stop(self, request: StopRequest) -> None:
        """Write a checkpoint and raise KeyboardInterrupt if a signal asks for a stop before the last step."""
        if request.signal is None or self.step >= self.job.last_step:
            return
        self._save()
        if self.world.leads:
            say(
                f"{request.signal.name}: stopped at step {self.step} of {self.job.last_step}; the checkpoint is kept "
                f"in {self.job.output}: repeat the command to resume"
            )
        raise KeyboardInterrupt

    def _measured_saturation(self, when: str) -> dict[str, object]:
        """Measure the attention maps with the averaged weights, and print the result in one line."""
        if not self.world.leads:
            return {}
        with self.optimization.averaged() as network:
            network.scale = self.job.scale
            sites = measure(network)
        if sites and self.job.progress:
            say(f"{when}: {describe(sites)}")
        return {name: site.plain() for name, site in sites.items()}

    def _pause(self) -> TrainingDocument:
        self._save()
        return {"paused": self.step, "seconds": self.seconds}

    def _timed_save(self) -> float:
        """Write a checkpoint, note the time that it took, and return when it was finished."""
        begun = clock.now()
        self._save()
        self.save_seconds = clock.now() - begun
        return begun + self.save_seconds

    def _require_time(self) -> None:
        """Write a checkpoint and raise TrainingError if the time is over before the last step."""
        deadline = self.job.deadline
        if deadline is not None and clock.now() > deadline and self.step < self.job.last_step:
            self._save()
            raise TrainingError(
                f"--time-limit: it ran out at step {self.step} of {self.job.last_step}; the checkpoint is kept: repeat "
                "the command with a longer one"
            )

    def _learn(self) -> None:
        feed = self.feeds.at(self.step)
        draw = feed.sampler.draw(self.job.recipe.batch)
        self.optimization.network.scale = self.feeds.scale_at(self.step)
        with enough_memory(lambda: too_large(self.job, self.world)), explained(TrainingError, "--compile"):
            self.losses.append(self.optimization.step(self._parts(feed, draw), self.job.scheduled(self.step)))
        self.step += 1

    def _parts(self, feed: PatchFeed, draw: Draw) -> Iterator[tuple[Tensor, Tensor]]:
        """Return this process's share of a global batch, in the parts that are accumulated."""
        first = self.world.rank * self.share * self.job.speed.accumulate
        for piece in range(self.job.speed.accumulate):
            start = first + piece * self.share
            yield feed.read(draw[start : start + self.share])

    def _due(self, every: int) -> bool:
        return self.step % every == 0 or self.step == self.job.last_step

    def _checkpoint_due(self, saved: float) -> bool:
        if self.job.checkpoint_every:
            return self.step % self.job.checkpoint_every == 0
        return clock.now() - saved >= max(self.job.checkpoint_seconds, self.save_seconds / CHECKPOINT_SHARE)

    def _report(self, bar: tqdm[NoReturn]) -> float:
        """Log and return the mean loss since the last report. Reading it makes a GPU wait, so it is done rarely."""
        mean, norm = self._checked_losses().mean(0).tolist()
        self.losses = []
        self._log(
            {
                "step": self.step,
                "loss": mean,
                "gradient_norm": norm,
                "learning_rate": learning_rate(self.job.recipe, self.job.scheduled(self.step - 1)),
                "seconds": round(self.seconds, 3),
                "patches_per_second": round(self.step * self.job.recipe.batch / self.seconds, 1),
            }
        )
        bar.set_postfix(loss=f"{mean:.4f}", psnr=f"{self.psnr:.3f}" if self.history else "-", refresh=False)
        return float(mean)

    def _validate(self) -> None:
        self._checked_losses()
        if self.data.held_out is None or not self.world.leads:
            return
        images = "a whole held-out image at a time", "hold out smaller ones with --set held_out=NAME,NAME or "
        with enough_memory(lambda: too_little_for(self.world, *images)), self.optimization.averaged() as network:
            last = self.step == self.job.last_step
            scores = held_out_scores(network, self.pairs.values(), self.world.device, with_ssim=last)
        self.psnr = scores.psnr
        self.history.append({"step": self.step, "psnr": self.psnr})
        self._log({**self.history[-1], **({} if scores.ssim is None else {"ssim": scores.ssim})})
        self.folder.keep_crops(scores.crops)
        if self.tracker:
            self.tracker.images(self.step, scores.crops)

    def _snapshot(self) -> None:
        for percent in self.job.snapshots:
            if self.step == step_of(percent, self.job) and self.world.leads:
                self._checked_losses()
                self.folder.keep_snapshot(snapshot_name(percent), self._result(), {"steps": self.step, **self._own()})

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
                "saturation": self.saturation,
                "started": self.started,
                "learner": self.optimization.state_dict(),
                "sampler": self.feeds.state_dict(),
                "random": {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state_all()},
            }
        )

    def _resume(self) -> None:
        state = self.folder.checkpoint()
        self.world.require_same(state.get("step", 0) if state else 0, "checkpoint")
        with readable_checkpoint(self.job.output):
            if self.world.leads:
                self.folder.rewind(state)
            if state is not None:
                self._restore(state)

    def _restore(self, state: CheckpointState) -> None:
        self.step, self.seconds, self.started = state["step"], state["seconds"], state["started"]
        self.losses = list(state["losses"].to(self.world.device))
        self.history, self.saturation = state["history"], state.get("saturation", {})
        self.psnr = self.history[-1]["psnr"] if self.history else self.psnr
        self.optimization.load_state_dict(state["learner"])
        self.feeds.load_state_dict(state["sampler"])
        torch.set_rng_state(state["random"]["cpu"])
        if len(state["random"]["cuda"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(state["random"]["cuda"])

    def _checked_losses(self) -> Tensor:
        """Return loss and gradient norm of the steps since the last report, N×2 on the CPU.

        Raises DivergedError where one is not finite; the batch is saved first.
        """
        losses = torch.stack(self.losses).cpu() if self.losses else torch.zeros(0, 2)
        bad = (~losses.isfinite().all(1)).nonzero().flatten().tolist()
        if not bad:
            return losses
        step = self.step - len(losses) + bad[0]
        path = self.job.output / BAD_BATCH
        if self.world.leads:
            lr, hr = self.feeds.at(step).read(self.feeds.again(step))
            data = save({"lr": lr.cpu().contiguous(), "hr": hr.cpu().contiguous()}, metadata={"step": str(step)})
            write_atomic(path, data, error=TrainingError)
        loss, norm = losses[bad[0]].tolist()
        raise DivergedError(
            f"expected a finite loss and gradient, got {loss} and {norm} at step {step}; its batch is "
            f"in {path}; the last checkpoint is from before it: try a lower learning_rate, clip=1 or "
            "precision=fp32 in another output folder"
        )

    def _log(self, line: Line) -> None:
        if self.world.leads:
            self.folder.log(line)
            if self.tracker:
                self.tracker.line(line)

    def _bar(self) -> tqdm[NoReturn]:
        recipe, shown = self.job.recipe, self.job.progress and self.world.leads
        return tqdm(
            total=self.job.last_step * recipe.batch,
            initial=self.step * recipe.batch,
            unit="patch",
            desc=f"{self.start.network} {times(self.job.all_scales)}",
            disable=None if shown else True,
        )

    def _finish(self) -> TrainingDocument:
        record = self._record()
        if self.world.leads:
            total = as_one(record)
            facts = {
                **{key: total[key] for key in ("recipe", "recipe_sha256", "steps")},
                "seed": record["seed"],
                "train_set": record["train_set"]["name"],
                "fingerprint": record["train_set"]["fingerprint"],
                **({"init": record["init"]} if "init" in record else {}),
            }
            self.folder.finish(self._result(), {**facts, **self._own()}, record)
        self.world.wait()
        return record

    def _result(self) -> dict[str, Tensor]:
        return without_prefix(self.optimization.result(), self.optimization.network)

    def _own(self) -> Mapping[str, object]:
        return self.start.own.identity() if self.start.own else {}

    def _record(self) -> TrainingDocument:
        job, recipe = self.job, self.job.recipe
        return {
            "network": self.start.network,
            "scale": job.scale,
            **({"scales": list(job.all_scales)} if job.scales else {}),
            "form": self.start.form,
            "seed": job.seed,
            "steps": self.step,
            "recipe": recipe.document(),
            "recipe_sha256": recipe.sha256,
            **({"stages": list(self.stages)} if self.stages else {}),
            **({"init": init} if (init := self.start.init) else {}),
            **({"own_network": own.facts()} if (own := self.start.own) else {}),
            "train_set": {"name": self.data.name, "fingerprint": self.data.fingerprint, "images": self.data.images},
            "held_out": list(self.data.held_out_names),
            "patches": self.step * recipe.batch,
            "epochs": round(self.feeds.epochs(self.step), 2),
            "protocol": PROTOCOL,
            "history": self.history,
            "psnr": self.history[-1]["psnr"] if self.history else None,
            **self.folder.last_ssim(),
            "started": self.started,
            "seconds": round(self.seconds, 1),
            "pixels": list(self.data.pixels),
            "processes": self.world.size,
            "accumulate": job.speed.accumulate,
            "compiled": job.speed.compiled,
            "graphs": job.speed.graphs,
            "environment": describe_environment(self.world.device),
            **self._saturated(),
            **self._limited(),
        }

    def _saturated(self) -> TrainingDocument:
        end = self._measured_saturation("at the end")
        return {"saturation": {"start": self.saturation, "end": end}} if end else {}

    def _limited(self) -> TrainingDocument:
        job = self.job
        if job.time_limit is None:
            return {}
        at = {"shortened_at": job.shortening.at} if job.shortening else {}
        return {"time_limit": {"seconds": job.time_limit, "planned_steps": job.recipe.steps, "steps": self.step, **at}}
