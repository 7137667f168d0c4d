"""What a training begins with: its network in one form, and the weights of an earlier training, if there are any."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from srbench.training.data import TrainingData
from srbench.training.initial import Transfer, open_source, require_no_stage, resolve_form, transfer
from srbench.training.job import Job
from srbench.training.resume_from import Stage, read_stage
from srbench.zoo.building import build
from srbench.zoo.networks import Form, Option, find_variant


@dataclass(frozen=True)
class Start:
    """The network of a training in its form, and the weights of an earlier training, if it starts from any."""

    network: str
    form: Form
    options: dict[str, Option]
    stage: Stage | None
    transfer: Transfer | None

    @classmethod
    def of(cls, job: Job) -> Start:
        """Open what a job starts from. Errors as for `train`; images are not needed to find them."""
        variant = find_variant(job.network)
        stage = read_stage(job.start, network=variant.name, scale=job.scale, form=job.form) if job.start else None
        source = None
        if job.init:
            source = open_source(job.init, variant.name, scale=job.scale, source_scale=job.init_scale, form=job.form)
        form = stage.form if stage else resolve_form(job.form, source)
        network = build(job.network, scale=job.scale, device="meta", form=form)
        taken = transfer(source, network.state_dict(), strict=job.init_strict) if source else None
        return cls(variant.name, form, variant.network.form_options(form), stage, taken)

    @property
    def init(self) -> dict[str, Any] | None:
        """What the record says of a transfer, made by this training or by an earlier stage; None without one."""
        if self.transfer:
            return self.transfer.record()
        return self.stage.init if self.stage else None

    def require_fitting(self, data: TrainingData, job: Job) -> None:
        """Raises TrainingError for a stage of other images, or a transfer that should be a stage."""
        if self.stage:
            self.stage.require_same_images(data.fingerprint, job.recipe)
        if self.transfer and job.init:
            require_no_stage(
                job.init,
                self.transfer.source,
                network=self.network,
                scale=job.scale,
                fingerprint=data.fingerprint,
            )

    def weights(self, fresh: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the state to begin with: `fresh`, as far as no earlier training gives better values."""
        if self.stage:
            return self.stage.weights
        return {**fresh, **(self.transfer.taken if self.transfer else {})}


def key_of(job: Job, start: Start, data: TrainingData) -> dict[str, Any]:
    """What identifies a training: two of equal keys give the same weights."""
    key = {
        "network": start.network,
        "scale": job.scale,
        "recipe": job.recipe.name,
        "recipe_sha256": job.recipe.sha256,
        "train_set": data.fingerprint,
        "seed": job.seed,
    }
    # Only where they differ from the authors' form, one scale and scratch: keys of earlier trainings stay as they are.
    key |= {"form": start.form} if start.options else {}
    key |= {"scales": list(job.scales)} if job.scales else {}
    key |= {"init": start.transfer.source.sha256} if start.transfer else {}
    return key | ({"start": start.stage.sha256} if start.stage else {})
