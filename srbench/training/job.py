"""The settings of one training as data: network, images, output folder, and how it is run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from srbench.errors import TrainingError
from srbench.training.optimization import PerfOptions
from srbench.training.processes import DistContext
from srbench.training.recipe import LARGEST_SEED, SEED_RANGE, Recipe
from srbench.training.records import snapshot_name
from srbench.upscalers.factory_args import FactoryArgs
from srbench.upscalers.own_weights import PREFIX
from srbench.zoo.networks import NETWORKS, Form, find_variant


@dataclass(frozen=True)
class Shortening:
    """A shortened schedule: from step `at` on it advances faster, so that the training ends at step `steps`."""

    at: int
    steps: int


@dataclass(frozen=True, kw_only=True)
class Job:
    """One training: what is trained on what, where it is kept, and how it is run.

    Network, form, scale, recipe, images and seed decide the result; the other settings decide how fast it is computed.
    Raises TrainingError for a number that is out of range.

    Attributes:
        network: a name of the zoo, or `python:FILE.py:factory` for a module of the user's own code.
        factory_args: arguments of such a factory in addition to the scale, by name.
        form: how the network computes inside; see `srbench.zoo.networks.Form`. None takes that of the weights which the
            training starts from, else `unit`.
        scales: several scales to train in turn, one a step, in one file; only for networks with a head for each.
            `scale` is one of them. Empty: `scale` alone.
        seed: 0 to 2^63 - 1.
        train_set: a dataset's name, a folder under the data root, or a path.
        start: the folder of a finished training of this network, which this one continues as a further stage.
        init: weights to start from by transfer, as `srbench.training.initial.open_source` takes them; those of the
            scale `init_scale` where there are several. With `init_strict` every tensor has to fit.
        checkpoint_every: steps between two checkpoints; None writes one about every
            `checkpoint_seconds`, and fewer where they are slow to write.
        log_every: steps between two lines of the log.
        print_every: steps between two printed lines; None prints one a minute outside a terminal.
        snapshots: percentages of the steps at which the weights so far are kept as `weights-25.safetensors` and so on.
        track: `tensorboard` shows the log there; None for nothing.
        pause_at: the step after which to stop with a checkpoint; None trains to the end.
        shortening: how the rest of the schedule is shortened.
        deadline: the time on `srbench.training.clock` after which to stop with a checkpoint.
        time_limit: the limit in seconds that the steps were planned for, for the record.
    """

    network: str
    scale: int
    recipe: Recipe
    train_set: str
    output: Path
    factory_args: FactoryArgs = ()
    form: Form | None = None
    scales: tuple[int, ...] = ()
    seed: int = 0
    start: Path | None = None
    init: str | None = None
    init_scale: int | None = None
    init_strict: bool = False
    data_root: Path | None = None
    device: str = "auto"
    speed: PerfOptions = field(default_factory=PerfOptions)
    checkpoint_every: int | None = None
    checkpoint_seconds: float = 60.0
    log_every: int = 20
    print_every: int | None = None
    snapshots: tuple[int, ...] = ()
    progress: bool = True
    track: str | None = None
    pause_at: int | None = None
    shortening: Shortening | None = None
    deadline: float | None = None
    time_limit: float | None = None

    @property
    def all_scales(self) -> tuple[int, ...]:
        """Every scale that is trained."""
        return self.scales or (self.scale,)

    @property
    def last_step(self) -> int:
        """The number of steps after which the training is finished."""
        return self.shortening.steps if self.shortening else self.recipe.steps

    def scheduled(self, step: int) -> float:
        """Return where in the recipe's schedule a step is: the step itself, unless the schedule was shortened."""
        short = self.shortening
        if short is None or step <= short.at:
            return step
        return short.at + (step - short.at) * (self.recipe.steps - short.at) / (short.steps - short.at)

    def __post_init__(self) -> None:
        ranges = [
            ("seed", self.seed, range(LARGEST_SEED + 1), SEED_RANGE),
            *(("snapshot", percent, range(1, 101), "from 1 to 100") for percent in self.snapshots),
        ]
        if self.checkpoint_every is not None:
            ranges.append(("checkpoint-every", self.checkpoint_every, range(1, LARGEST_SEED), "of at least 1"))
        if self.print_every is not None:
            ranges.append(("log-every", self.print_every, range(1, LARGEST_SEED), "of at least 1"))
        if self.scales:
            self._require_scales()
        self._require_own_network()
        if self.start and self.init:
            raise TrainingError("expected one of --start (a further stage) and --init (a transfer), got both")
        for name, value, allowed, allowed_text in ranges:
            if type(value) is not int or value not in allowed:
                raise TrainingError(f"{name}: expected a whole number {allowed_text}, got {value!r}")

    def _require_own_network(self) -> None:
        own = self.network.startswith(PREFIX)
        if self.factory_args and not own:
            raise TrainingError(f"--factory-arg: expected a network python:FILE.py:factory, got {self.network}")
        if own and self.form:
            raise TrainingError(f"--form: expected a network of the zoo, got {self.network}; leave it out")

    def _require_scales(self) -> None:
        if self.network.startswith(PREFIX):
            raise TrainingError("--scales: expected a network of the zoo, got own code; train each scale with --scale")
        network = find_variant(self.network).network
        if not network.heads_for_all_scales:
            able = ", ".join(entry.name for entry in NETWORKS.values() if entry.heads_for_all_scales)
            raise TrainingError(f"--scales: expected a network with a head for each scale ({able}), got {network.name}")
        known = set(self.scales) <= set(network.scales) and self.scale in self.scales
        if not known or len(set(self.scales)) != len(self.scales):
            raise TrainingError(f"--scales: expected each of {network.scales} once at most, got {self.scales}")
        if self.speed.graphs:
            raise TrainingError("--scales: expected steps that differ, which --graphs cannot replay; leave it out")


def step_of(percent: int, job: Job) -> int:
    """Return the step at which a percentage of a job's steps is done, at least 1."""
    planned, short = max(1, job.recipe.steps * percent // 100), job.shortening
    if short is None or planned <= short.at:
        return planned
    done = (planned - short.at) / (job.recipe.steps - short.at)
    return short.at + max(1, round(done * (short.steps - short.at)))


def require_snapshots(job: Job, step: int) -> None:
    """Raise TrainingError if a requested snapshot is missing and its step has already passed."""
    for percent in job.snapshots:
        if step_of(percent, job) <= step and not (job.output / snapshot_name(percent)).exists():
            raise TrainingError(
                f"{job.output}: expected weights at {percent} % of the steps to be there by now, for "
                f"step {step_of(percent, job)} has passed, got none; leave out --snapshot {percent}, "
                "or train again in another output folder"
            )


def share_of(job: Job, world: DistContext) -> int:
    """Return the number of patches of one forward pass. Raises TrainingError if the batch cannot be divided evenly."""
    parts = world.size * job.speed.accumulate
    if parts < 1 or job.recipe.batch % parts:
        raise TrainingError(
            f"expected a batch that divides into {world.size} processes × {job.speed.accumulate} "
            f"accumulations, got {job.recipe.batch}; take numbers whose product divides it"
        )
    return job.recipe.batch // parts
