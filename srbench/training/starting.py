"""Prepare the start of a training: its network in one form, and the weights of an earlier training, if any."""

from __future__ import annotations

from dataclasses import dataclass

from srbench.records.training_documents import InitDocument
from srbench.training.initial import Transfer, open_source, require_no_stage, resolve_form, transfer
from srbench.training.job import Job
from srbench.training.own_networks import (
    NetworkSource,
    build_network,
    inspect_source,
    recorded_name,
    with_prefix,
    without_prefix,
)
from srbench.training.resume_from import Stage, read_stage
from srbench.training.training_data import TrainingData
from srbench.zoo.blocks import SRNetwork
from srbench.zoo.networks import Form, Option, find_variant


@dataclass(frozen=True)
class Start:
    """The start of a training: its network in one form, and the weights of an earlier training, if any.

    `own` is the source of a network in the user's own code, None for one of the zoo.
    """

    network: str
    form: Form
    options: dict[str, Option]
    stage: Stage | None
    transfer: Transfer | None
    own: NetworkSource | None = None

    @classmethod
    def of(cls, job: Job) -> Start:
        """Open the network and the weights that a job starts from. Raises the errors of `train`, without reading
        images."""
        own, name = inspect_source(job), recorded_name(job.network)
        stage = read_stage(job.start, network=name, scale=job.scale, form=job.form) if job.start else None
        source = None
        if job.init:
            source = open_source(job.init, name, scale=job.scale, source_scale=job.init_scale, form=job.form)
        form: Form = "authors" if own else stage.form if stage else resolve_form(job.form, source)
        network = build_network(job, form=form, device="meta")
        state = without_prefix(network.state_dict(), network)
        taken = transfer(source, state, strict=job.init_strict) if source else None
        options = {} if own else find_variant(name).network.form_options(form)
        return cls(name, form, options, stage, taken, own)

    @property
    def init(self) -> InitDocument | None:
        """The `init` of the record: the transfer of this training or of an earlier stage; None without one."""
        if self.transfer:
            return self.transfer.record()
        return self.stage.init if self.stage else None

    def require_fitting(self, data: TrainingData, job: Job) -> None:
        """Raise TrainingError for a stage with different images, or a transfer that should be a stage."""
        if self.stage:
            self.stage.require_same_images(data, job.recipe)
        if self.transfer and job.init:
            require_no_stage(
                job.init,
                self.transfer.source,
                network=self.network,
                scale=job.scale,
                fingerprint=data.fingerprint,
            )

    def fill(self, network: SRNetwork) -> None:
        """Put the weights of the earlier training into a new network, if there are any."""
        taken = dict(self.stage.weights if self.stage else self.transfer.taken if self.transfer else {})
        state = {**network.state_dict(), **with_prefix(taken, network)}
        network.load_state_dict(state, strict=True)


def key_of(job: Job, start: Start, data: TrainingData) -> dict[str, object]:
    """Return the key of a training: two trainings with equal keys give the same weights."""
    key = {
        "network": start.network,
        "scale": job.scale,
        "recipe": job.recipe.name,
        "recipe_sha256": job.recipe.sha256,
        "train_set": data.fingerprint,
        "seed": job.seed,
    }
    # Added only if they differ from the default, so that the keys of earlier trainings stay equal.
    key |= {"form": start.form} if start.options else {}
    key |= {"scales": list(job.scales)} if job.scales else {}
    key |= start.own.identity() if start.own else {}
    key |= {"init": start.transfer.source.sha256} if start.transfer else {}
    return key | ({"start": start.stage.sha256} if start.stage else {})
