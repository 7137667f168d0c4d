"""Train networks of the user's own code: `--model python:FILE.py:factory`, with `--factory-arg`."""

from __future__ import annotations

import re
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from srbench.errors import TrainingError
from srbench.records.record_model import PlainRecord
from srbench.spec_paths import recorded_path
from srbench.training.job import Job
from srbench.upscalers.base import blaming
from srbench.upscalers.factory_args import published_args
from srbench.upscalers.own_weights import PREFIX
from srbench.upscalers.python_factory import Factory, find_factory
from srbench.zoo.blocks import SRNetwork
from srbench.zoo.building import build
from srbench.zoo.counting import count_parameters
from srbench.zoo.networks import Form, find_variant

MODULE = "module."
"""What the keys of a wrapped module start with in the wrapper's state."""


class OwnNetwork(SRNetwork):
    """Wraps a user's module (N×3×H×W RGB in [0, 1] to N×3×sH×sW) in the interface that a training needs.

    Low precision covers the complete module: srbench does not know its first and last convolution.
    """

    def __init__(self, module: nn.Module, *, scale: int, spec: str) -> None:
        super().__init__(scale=scale, value_range=1.0)
        self.module, self.spec = module, spec

    def forward(self, lr: Tensor) -> Tensor:
        """Return the SR images of a batch. Raises TrainingError for an output of another size, channels or type."""
        with self._precision(lr.device):
            sr = self.module(lr)
        height, width = (side * self.scale for side in lr.shape[-2:])
        expected = (len(lr), 3, height, width)
        if not isinstance(sr, Tensor) or sr.shape != expected or not sr.is_floating_point():
            got = f"{sr.dtype} of shape {tuple(sr.shape)}" if isinstance(sr, Tensor) else type(sr).__name__
            raise TrainingError(
                f"{self.spec}: expected floats of shape {expected} at ×{self.scale} for an input of shape "
                f"{tuple(lr.shape)}, got {got}; return the SR images alone, RGB in [0, 1]"
            )
        return sr.to(lr.dtype)

    def shallow_features(self, x: Tensor) -> Tensor:
        """Return the input, because the module computes everything in its body."""
        return x

    def deep_features(self, shallow: Tensor) -> Tensor:
        """Return what the module computes."""
        features: Tensor = self.module(shallow)
        return features

    def reconstruct(self, deep: Tensor, shallow: Tensor, x: Tensor) -> Tensor:
        """Return the module's output."""
        return deep


@dataclass(frozen=True)
class NetworkSource:
    """The code that builds a network: its spec without folders of this machine, its hash, the number of parameters.

    `arguments` are those of the factory.
    """

    spec: str
    sha256: str | None
    parameters: int
    arguments: PlainRecord

    def identity(self) -> PlainRecord:
        """Return the facts that distinguish two networks of one spec, for a training's key and the weights'
        metadata."""
        return {"source_sha256": self.sha256, "factory_args": self.arguments}

    def facts(self) -> PlainRecord:
        """Return the facts about the user's code for the record of a training."""
        return {**self.identity(), "parameters": self.parameters}


def is_own(network: str) -> bool:
    """Return whether a network's name is the spec of the user's own code."""
    return network.startswith(PREFIX)


def recorded_name(network: str) -> str:
    """Return a network's name for records and keys: a zoo network's listed name, or the spec of own code without
    folders.

    Raises UnknownNameError for an unknown network of the zoo.
    """
    if not is_own(network):
        return find_variant(network).name
    place, _, factory = network.removeprefix(PREFIX).rpartition(":")
    return f"{PREFIX}{recorded_path(place)}:{factory}" if place else network


def folder_name(network: str) -> str:
    """Return a network's name as part of a folder's name.

    Examples:
        >>> folder_name("python:nets/tiny.py:make"), folder_name("imdn-bam")
        ('tiny-make', 'imdn-bam')
    """
    place, _, factory = network.removeprefix(PREFIX).rpartition(":")
    stem = re.split(r"[/\\]", place)[-1].removesuffix(".py")
    return re.sub(r"[^\w.-]", "-", f"{stem}-{factory}") if is_own(network) else network


def build_network(job: Job, *, form: Form, device: str = "cpu") -> SRNetwork:
    """Return the untrained network of a job, a zoo network in the job's form.

    On the device `meta` it has shapes but no values.

    Raises:
        UnknownNameError, UpscalerError: no such network or factory, or an error in the factory.
        TrainingError: a factory that returns no module, or a module without weights to train.
    """
    if not is_own(job.network):
        return build(job.network, scale=job.scale, device=device, form=form)
    return _built(find_factory(job.network.removeprefix(PREFIX)), job)


def _built(factory: Factory, job: Job) -> OwnNetwork:
    module = factory.build(job.scale, job.factory_args)
    if not isinstance(module, nn.Module):
        raise TrainingError(f"{factory.spec}: expected a torch module to train, got {type(module).__name__}")
    if not any(parameter.requires_grad for parameter in module.parameters()):
        raise TrainingError(f"{factory.spec}: expected a module with weights to train, got none that require gradients")
    return OwnNetwork(module.float(), scale=job.scale, spec=factory.spec)


def inspect_source(job: Job) -> NetworkSource | None:
    """Build a job's own network once, run it on two patches, and return its source; None for a network of the zoo.

    Raises TrainingError for an output that does not match the scale; other errors as for `build_network`.
    """
    if not is_own(job.network):
        return None
    with torch.random.fork_rng(devices=[]):
        factory = find_factory(job.network.removeprefix(PREFIX))
        network = _built(factory, job).eval()
        sha256 = factory.source_sha256()
        with torch.inference_mode(), blaming(recorded_name(job.network), "the model"):
            network(torch.rand(2, 3, job.recipe.patch, job.recipe.patch))
    arguments: PlainRecord = dict(published_args(job.factory_args))  # type: ignore[arg-type]  # JSON scalars and objects
    return NetworkSource(recorded_name(job.network), sha256, count_parameters(network), arguments)


def without_prefix(state: dict[str, Tensor], network: SRNetwork) -> dict[str, Tensor]:
    """Return a network's state with the keys of the user's own module."""
    return (
        {key.removeprefix(MODULE): value for key, value in state.items()} if isinstance(network, OwnNetwork) else state
    )


def with_prefix(state: dict[str, Tensor], network: SRNetwork) -> dict[str, Tensor]:
    """Return tensors with the keys of the user's own module as a state of the network that wraps it."""
    if not isinstance(network, OwnNetwork):
        return state
    return {f"{MODULE}{key}": value for key, value in state.items()}
